"""What the tables of whole runs do not show: how many attempts are told, and what must wait for a journal."""

from dataclasses import replace

import pytest

from tests.unit.webhook.controller.histories import (
    ALERTED,
    FAIL,
    RUN,
    VERDICT,
    T,
    a_job,
    attempt,
    container,
    done,
    ended,
    going,
    runs,
    up,
)
from webhook.controller.alerts import MOST, RUN_SECONDS, Due, deliverable, due
from webhook.controller.attempts import Attempt
from webhook.run_mark import ANNOTATION, RunMark, read, write
from webhook.telemetry import Event, State

RAN = replace(ALERTED, start=RUN.stamp, run=True)
ALERT = Event(State.FAIL, T + 300, "attempt 1/7 · app 3", 3, 295.0, 1, attempt="uid-p1")
OWING = replace(RAN, attempts=("uid-p1",), owed=(ALERT,))


def look(mark: RunMark, *attempts: Attempt, now: float = 900, **job: object) -> Due:
    return due(mark, a_job(**job), attempts, gone=False, now=T + now)


def many(count: int) -> list[Attempt]:
    return [done(3, 100 + number, name=f"{number:03}", created=number) for number in range(count)]


def test_so_many_of_one_run_are_told_and_no_more() -> None:
    mark = RAN
    for event in look(mark, *many(200), failed=200, backoffLimit=1000).events:
        mark = mark.owing(event)
    assert len(mark.attempts) == MOST
    assert mark.attempts[:2] == ("uid-000", "uid-001")
    assert look(mark.delivered(frozenset(mark.owed)), *many(201), failed=201, backoffLimit=1000) == Due()
    assert len(write(mark)) < 20_000
    assert read({ANNOTATION: write(mark)}) == mark


def test_while_cronitor_is_away_no_more_wait_than_the_mark_can_hold() -> None:
    waiting = tuple(replace(ALERT, attempt=f"uid-p1.{number}") for number in range(MOST))
    newer = attempt(container("app", runs(850), last=ended(4, 800), restarts=99), policy="OnFailure")
    mark = replace(RAN, attempts=(f"uid-p1.{MOST}",), owed=waiting)
    assert look(mark, newer, backoffLimit=1000) == Due()
    (event,) = look(mark.delivered(frozenset(waiting)), newer, backoffLimit=1000).events
    assert event.attempt == "uid-p1.99"


def test_a_sidecar_that_goes_on_is_given_time_to_tell_the_run() -> None:
    restarted = attempt(container("app", runs(8), last=ended(3, 7), restarts=1), policy="OnFailure", sidecar=up())
    started = replace(RAN, run=False)
    assert look(started, restarted, now=8) == Due(look_again=RUN_SECONDS - 3)
    assert [event.attempt for event in look(started, restarted, now=20).events] == ["uid-p1.1"]


def test_an_attempt_whose_end_is_stamped_before_its_start_is_told_too() -> None:
    start = RUN.stamp - T
    seen = [
        attempt(container("app", ended(3, start - 1, start=start)), name="p1", phase="Failed"),
        going(name="p2", created=200),
    ]
    assert [event.stamp for event in look(RAN, *seen, failed=1).events] == [RUN.stamp]


def test_a_failure_that_is_counted_before_it_is_seen_does_not_number_the_one_before_it() -> None:
    seen = [done(3, 100, name="p1"), going(name="p2", created=200)]
    (event,) = look(RAN, *seen, failed=2, backoffLimit=2).events
    assert (event.attempt, event.message) == ("uid-p1", "attempt 1/3 · app 3")


@pytest.mark.parametrize(
    ("what", "second", "may_go"),
    [
        ("the next attempt is under way", going(name="p2", sidecar=up(), tells=VERDICT), True),
        ("it has ended well, and its journal is not read",
         attempt(container("app", ended()), name="p2", sidecar=up(), tells=VERDICT), False),
        ("it has failed", attempt(container("app", ended(3)), name="p2", sidecar=up(), tells=VERDICT), False),
        ("it is being deleted, perhaps for its deadline",
         going(name="p2", sidecar=up(), tells=VERDICT, deleted=500), False),
        ("it has ended, but its sidecar tells nothing",
         attempt(container("app", ended()), name="p2", sidecar=up(), tells=""), True),
        ("it has no sidecar", attempt(container("app", ended()), name="p2"), True),
    ],
)  # fmt: skip
def test_no_attempt_goes_out_while_a_sidecar_may_have_told_the_verdict(
    what: str, second: Attempt, may_go: bool
) -> None:
    assert deliverable(OWING, a_job(), (done(3, 300), second)) == ((ALERT,) if may_go else ()), what


def test_what_goes_before_it_is_not_held_back_nor_is_the_controllers_own_verdict() -> None:
    ends_well = (attempt(container("app", ended()), name="p2", sidecar=up(), tells=VERDICT),)
    assert deliverable(replace(OWING, owed=(RUN, ALERT)), a_job(), ends_well) == (RUN,)
    decided = replace(OWING, verdict="fail", owed=(ALERT, FAIL))
    assert deliverable(decided, a_job(), ends_well) == (ALERT, FAIL)
