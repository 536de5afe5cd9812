"""A bad monitor is found by halves: everything else gets through, in a number of requests that is bounded."""

import math
import random
from collections.abc import Sequence

import pytest

from tests.unit.webhook.controller.monitor_scene import START, wanted
from webhook.controller.monitor_batches import batches, deliver
from webhook.controller.monitor_plan import Policy, plan
from webhook.controller.monitor_steps import Put
from webhook.errors import CronitorError, MonitorsRejected


def puts(count: int) -> Sequence[Put]:
    return plan([wanted(f"c{number}") for number in range(count)], {}, Policy(), START, {}).puts


class Api:
    def __init__(self, bad: set[str], largest: int = 100) -> None:
        self.bad, self.largest, self.requests = bad, largest, 0

    def send(self, some: Sequence[Put]) -> None:
        self.requests += 1
        assert some
        if len(some) > self.largest:
            raise MonitorsRejected(413, "too large")
        if self.bad & {put.key for put in some}:
            raise MonitorsRejected(400, " ".join(put.key for put in some))


def sent(api: Api, batch: Sequence[Put]) -> tuple[set[str], dict[str, str]]:
    """The keys that were taken, and the words for each that was not."""
    taken: list[str] = []
    rejected: dict[str, str] = {}
    for outcome in deliver(batch, api.send):
        keys = [put.key for put in outcome.puts]
        if outcome.rejected is None:
            taken += keys
        else:
            (key,) = keys
            rejected[key] = outcome.rejected.words
    assert len(taken) + len(rejected) == len(batch), "each once"
    return set(taken), rejected


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 100])
@pytest.mark.parametrize("bad", [0, 1, 2, 3, 50, 100])
def test_all_but_the_bad_ones_get_through_and_each_bad_one_has_words_of_its_own(count: int, bad: int) -> None:
    batch, chance = puts(count), random.Random(count * bad)
    for _ in range(20):
        wrong = {put.key for put in chance.sample(list(batch), min(bad, count))}
        api = Api(wrong)
        assert sent(api, batch) == ({put.key for put in batch} - wrong, {key: key for key in wrong})
        assert api.requests <= 2 * len(wrong) * math.ceil(math.log2(max(count, 2))) + 1
        assert api.requests < 2 * count


def test_no_bad_one_is_one_request() -> None:
    api = Api(set())
    sent(api, puts(100))
    assert api.requests == 1


def test_a_batch_that_is_too_large_goes_in_parts() -> None:
    batch, api = puts(100), Api(set(), largest=30)
    assert sent(api, batch) == ({put.key for put in batch}, {})
    assert api.requests <= 10


def test_another_error_ends_it_and_what_was_taken_before_is_known() -> None:
    batch = puts(4)
    taken: list[str] = []
    answers: list[CronitorError | None] = [MonitorsRejected(400, ""), None, CronitorError("503", 503)]

    def send(some: Sequence[Put]) -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    def run() -> None:
        for outcome in deliver(batch, send):
            taken.extend(put.key for put in outcome.puts)

    with pytest.raises(CronitorError, match="503"):
        run()
    assert taken == [put.key for put in batch[:2]]


def test_batches_are_of_the_size_that_is_asked_for() -> None:
    assert [len(batch) for batch in batches(puts(250), 100)] == [100, 100, 50]
    assert list(batches((), 100)) == []
