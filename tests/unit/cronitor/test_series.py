"""One run, one verdict: what a sequence of events in one series may look like."""

import pytest

from tests.cronitor.events import Event, Kind
from tests.cronitor.series import History

RUN = Event("backup", "run", "one", stamp=100.0)
COMPLETE = Event("backup", "complete", "one", stamp=160.0, status_code=0)
FAIL = Event("backup", "fail", "one", stamp=160.0, status_code=3)
STUCK = Event("backup", "fail", "one", message="app ImagePullBackOff")
DEADLINE = Event("backup", "fail", "one", stamp=160.0, message="DeadlineExceeded")
SAID = Event("backup", "", "one", stamp=160.0, message="app 0")
LATER = Event("backup", "complete", "one", stamp=170.0, status_code=0)


def judged(*events: Event) -> list[str]:
    history = History()
    return [
        str(violation.kind)
        for number, event in enumerate(events)
        for violation in history.judge(number, event, acknowledged=True).violations
    ]


@pytest.mark.parametrize(
    "events",
    [
        (RUN, COMPLETE),
        (RUN, FAIL),
        (RUN, DEADLINE),
        (FAIL,),
        (STUCK,),
        (STUCK, RUN, COMPLETE),
        (RUN, Event("backup", "ok")),
        (RUN, SAID),
        (RUN, SAID, LATER),
        (RUN, COMPLETE, SAID),
    ],
)
def test_what_may_be(events: tuple[Event, ...]) -> None:
    assert judged(*events) == []


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((COMPLETE,), ["complete-without-run"]),
        ((RUN, RUN), ["duplicate"]),
        ((RUN, Event("backup", "run", "one", stamp=101.0)), ["duplicate"]),
        ((RUN, COMPLETE, COMPLETE), ["duplicate"]),
        ((RUN, COMPLETE, LATER), ["duplicate"]),
        ((RUN, COMPLETE, FAIL), ["second-verdict"]),
        ((RUN, FAIL, COMPLETE), ["second-verdict"]),
        ((RUN, DEADLINE, COMPLETE), ["second-verdict"]),
        ((RUN, FAIL, Event("backup", "fail", "one", status_code=4)), ["second-verdict"]),
        ((STUCK, RUN, FAIL), ["second-verdict"]),
        ((STUCK, COMPLETE), ["complete-without-run"]),
        ((SAID,), ["complete-without-run"]),
        ((RUN, SAID, SAID), ["duplicate"]),
        ((RUN, SAID, Event("backup", "", "one", stamp=161.0, message="app 0")), ["duplicate"]),
        ((RUN, SAID, COMPLETE, FAIL), ["second-verdict"]),
        ((FAIL, RUN), ["run-after-verdict"]),
        ((RUN, COMPLETE, Event("backup", "run", "one", stamp=200.0)), ["duplicate"]),
        ((RUN, Event("restore", "complete", "one")), ["series-split", "complete-without-run"]),
        ((RUN, Event("backup", "complete", "one", env="prod")), ["series-split"]),
        ((RUN, Event("backup", "complete", "one", stamp=99.0)), ["stamp-before-run"]),
        (
            (RUN, Event("backup", "complete", "one", stamp=160.0, metrics=(("duration", 62.0),))),
            ["duration-disagrees"],
        ),
    ],
)
def test_what_may_not_be(events: tuple[Event, ...], expected: list[str]) -> None:
    assert judged(*events) == expected


def test_the_repeat_of_an_event_whose_acknowledgement_was_lost_is_no_violation() -> None:
    history = History()
    history.judge(1, RUN, acknowledged=False)
    repeat = history.judge(2, RUN, acknowledged=True)
    assert (repeat.violations, repeat.repeat_of) == ((), 1)
    assert [violation.kind for violation in history.judge(3, RUN, acknowledged=True).violations] == [Kind.DUPLICATE]


def test_another_event_is_no_repeat_although_the_acknowledgement_was_lost() -> None:
    history = History()
    history.judge(1, RUN, acknowledged=False)
    other = history.judge(2, Event("backup", "run", "one", stamp=101.0), acknowledged=True)
    assert [violation.kind for violation in other.violations] == [Kind.DUPLICATE]


def test_a_late_answer_that_arrived_makes_the_repeat_a_duplicate() -> None:
    history = History()
    history.judge(1, RUN, acknowledged=False)
    history.acknowledge(1)
    assert [violation.kind for violation in history.judge(2, RUN, acknowledged=True).violations] == [Kind.DUPLICATE]
