"""The herd in small: the sidecar's own delivery loses nothing, and never takes what the limits do not give."""

import pytest

from tests.bench import herd


@pytest.mark.parametrize("retry_after", [True, False])
def test_every_event_is_taken_and_no_sooner_than_the_limit_lets_through(retry_after: bool) -> None:
    jobs = 400
    outcome = herd.run(jobs, retry_after=retry_after)
    assert outcome.taken == 2 * jobs
    assert outcome.tries > outcome.taken
    assert outcome.seconds >= herd.least_seconds(jobs)


def test_the_same_seed_is_the_same_herd() -> None:
    first, second = (herd.run(30, retry_after=True, seed=7) for _ in range(2))
    assert first == second


def test_the_limit_itself_takes_115_seconds_for_the_whole_herd() -> None:
    assert herd.least_seconds(herd.JOBS) == 115.0
