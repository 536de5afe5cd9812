"""What the judge of the shapes finds, and what it lets pass."""

from dataclasses import replace
from typing import Any

import pytest

from tests.cronitor.events import Kind
from tests.cronitor.recording import Found
from tests.cronitor.runs import Run, RunEvent
from tests.e2e.scenarios.judge import ANSWER_LOST, Expected, Repeat, problems, repeats, retold, strangers, without
from tests.e2e.scenarios.shapes import RUN, STUCK_SECONDS, SUCCEEDS, Shape, When, attempt, fails, seen_late, stuck
from tests.e2e.scenarios.truth import GONE, JobSeen, PodSeen, Ran
from webhook.run_mark import RunMark
from webhook.telemetry import Event, State

T = 1_772_366_400.0
SUCCESS = Expected("monitor", SUCCEEDS, "Complete")
FAILURE = Expected("monitor", (RUN, fails(3, "attempt 1/1 · app 3")), "Failed")


def event(number: int, state: str, stamp: float, message: str = "", code: int | None = None, **more: Any) -> RunEvent:
    known = {"env": "", "host": "node", "metrics": {}, "repeat_of": None, "violations": (), **more}
    return RunEvent(number, T + stamp + 0.5, state, T + stamp, code, message, **known)


def heard(*events: RunEvent, series: str = "series", monitor: str = "monitor") -> list[Run]:
    return [Run(monitor, series, "", events)]


def pod(*ran: Ran, **more: Any) -> PodSeen:
    return PodSeen(**{"name": "p1", "created": T, "injected": True, "ran": ran, **more})


def app(code: int = 0, start: float = 5, end: float = 9, name: str = "app") -> Ran:
    return Ran(name, T + start, T + end, code)


def job(*pods: PodSeen, verdict: str = "complete", **more: Any) -> JobSeen:
    mark = RunMark("monitor", "name", verdict=verdict)
    known: dict[str, Any] = {"outcome": "Complete" if verdict == "complete" else "Failed", "mark": mark, **more}
    return JobSeen("series", T, pods=pods, **known)


STARTED = event(1, "run", 5)
DONE = event(2, "complete", 9, "attempt 1/7 · app 0", 0)
BROKEN = event(2, "fail", 9, "attempt 1/1 · app 3", 3)
RIGHT = job(pod(app()))


def test_what_is_right_passes() -> None:
    assert problems(SUCCESS, RIGHT, heard(STARTED, DONE), []) == []
    assert problems(FAILURE, job(pod(app(3)), verdict="fail"), heard(STARTED, BROKEN), []) == []


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], "heard []"),
        ([STARTED], "heard [run ''], not [run, complete]"),
        ([DONE, STARTED], "heard [complete"),
        ([STARTED, DONE, event(3, "fail", 10, "more")], "fail 'more'"),
        ([STARTED, replace(DONE, status_code=1)], "complete with code 1, not 0"),
        ([STARTED, replace(DONE, message="app 0")], "complete says 'app 0', not 'attempt 1/7 · app 0'"),
        ([STARTED, replace(DONE, stamp=T + 7)], "complete is not stamped with the last end"),
        ([replace(STARTED, stamp=T + 6.1), DONE], "run is not stamped with the first start"),
        ([replace(STARTED, stamp=None), DONE], "run has no stamp"),
    ],
)
def test_what_is_wrong_with_what_was_heard_is_told(events: list[RunEvent], words: str) -> None:
    (found,) = problems(SUCCESS, RIGHT, heard(*events) if events else [], [])
    assert words in found


def test_a_stamp_may_be_off_by_a_second() -> None:
    near = heard(replace(STARTED, stamp=T + 4.2), replace(DONE, stamp=T + 9.9))
    assert problems(SUCCESS, RIGHT, near, []) == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (replace(RIGHT, outcome="Failed"), "the Job is Failed, not Complete"),
        (replace(RIGHT, mark=None), "the mark says nothing, not complete"),
        (job(pod(app(), injected=False)), "pod 1 is not injected"),
    ],
)
def test_what_is_wrong_with_the_job_is_told(seen: JobSeen, words: str) -> None:
    assert problems(SUCCESS, seen, heard(STARTED, DONE), []) == [words]


def test_pods_after_the_first_may_be_injected_otherwise() -> None:
    pods = job(pod(app(3, 1, 2)), pod(app(), name="p2", injected=False))
    expected = replace(SUCCESS, injected=(True, False))
    assert problems(expected, pods, heard(replace(STARTED, stamp=T + 1), DONE), []) == []
    assert problems(SUCCESS, pods, heard(replace(STARTED, stamp=T + 1), DONE), []) == ["pod 2 is not injected"]


def test_a_mark_that_still_owes_is_told_and_one_that_is_gone_is_not_missed() -> None:
    owing = job(pod(app()), mark=RunMark("monitor", "name", verdict="complete", owed=(Event(State.RUN, T),)))
    assert problems(SUCCESS, owing, heard(STARTED, DONE), []) == ["the mark still owes run"]
    gone = job(pod(app()), outcome=GONE, mark=None)
    assert problems(replace(SUCCESS, ends=GONE), gone, heard(STARTED, DONE), []) == []


def test_nothing_is_heard_where_nothing_is_to_be() -> None:
    silent, unmarked = replace(SUCCESS, heard=()), job(pod(app()), mark=None)
    assert problems(silent, unmarked, [], []) == []
    assert problems(silent, unmarked, heard(STARTED), []) != []


def test_the_wrong_monitor_and_a_broken_protocol_are_told() -> None:
    assert problems(SUCCESS, RIGHT, heard(STARTED, DONE, monitor="another"), []) == [
        "told to monitor another, not monitor"
    ]
    found = Found(Kind.BAD_STAMP, "x", 1, "monitor", "series")
    assert problems(SUCCESS, RIGHT, heard(STARTED, DONE), [found]) == [f"violation: {found}"]
    assert problems(SUCCESS, RIGHT, heard(STARTED, DONE), [replace(found, series="another")]) == []


def test_a_violation_that_a_shape_asks_for_must_be_found_as_often() -> None:
    found = Found(Kind.SECOND_VERDICT, "fail after fail", 3, "monitor", "series")
    expected, told = replace(SUCCESS, violates=(Kind.SECOND_VERDICT,)), heard(STARTED, DONE)
    assert problems(expected, RIGHT, told, [found]) == []
    assert problems(expected, RIGHT, told, [found, found]) == [f"violation: {found}"]
    assert problems(expected, RIGHT, told, [replace(found, series="another")]) == [
        "second-verdict was to be found once more"
    ]
    other = replace(found, kind=Kind.RUN_AFTER_VERDICT)
    assert problems(expected, RIGHT, told, [found, other]) == [f"violation: {other}"]


def test_a_failed_attempt_is_stamped_with_one_of_the_failures() -> None:
    seen = job(pod(app(6, 5, 7)), pod(app(0, 8, 9), name="p2"))
    expected = replace(SUCCESS, heard=(RUN, attempt(6, "attempt 1/7 · app 6"), SUCCEEDS[1]))
    first = event(2, "fail", 7, "attempt 1/7 · app 6", 6)
    assert problems(expected, seen, heard(STARTED, first, replace(DONE, number=3)), []) == []
    (found,) = problems(expected, seen, heard(STARTED, replace(first, stamp=T + 9), replace(DONE, number=3)), [])
    assert "fail is not stamped with a failure" in found


def test_the_end_of_a_run_is_that_of_the_pods_that_succeeded() -> None:
    lingering = pod(app(137, 5, 30), name="p2", deleted=T + 29)
    assert problems(SUCCESS, job(pod(app()), lingering), heard(STARTED, DONE), []) == []


def test_the_end_of_a_failure_is_that_of_the_last_pod_or_of_all_of_a_crowd() -> None:
    pods = (pod(app(3, 5, 20)), pod(app(3, 6, 9), name="p2"))
    seen, told = job(*pods, verdict="fail"), heard(STARTED, BROKEN)
    assert problems(FAILURE, seen, told, []) == []
    (found,) = problems(replace(FAILURE, is_crowd=True), seen, told, [])
    assert "fail is not stamped" in found


def test_the_newest_failure_is_none_that_came_of_the_pods_deletion() -> None:
    restarted = pod(app(7, 5, 6), app(3, 7, 9), app(137, 19, 30), deleted=T + 20)
    told = heard(STARTED, BROKEN)
    expected = replace(FAILURE, heard=(RUN, fails(3, "attempt 1/1 · app 3", When.FAILURE)))
    assert problems(expected, job(restarted, verdict="fail"), told, []) == []


def test_a_message_may_be_a_pattern_and_a_stuck_start_is_stamped_after_its_threshold() -> None:
    expected = Expected("monitor", (stuck(r"app ImagePullBackOff: .+"),), GONE)
    seen = job(pod(), outcome=GONE)
    late = event(1, "fail", STUCK_SECONDS + 3, "app ImagePullBackOff: Back-off\nand more")
    assert problems(expected, seen, heard(late), []) == []
    early = replace(late, stamp=T + STUCK_SECONDS - 3)
    assert [("not stamped" in found) for found in problems(expected, seen, heard(early), [])] == [True]
    assert problems(expected, seen, heard(replace(late, message="app ErrImagePull: x")), []) != []


def test_what_counts_alone_makes_the_times() -> None:
    both = job(pod(app(), app(0, 1, 20, "helper")))
    assert problems(SUCCESS, both, heard(STARTED, DONE), []) == []
    assert problems(replace(SUCCESS, counting=frozenset({"app", "helper"})), both, heard(STARTED, DONE), []) != []


def test_a_repeat_is_told_apart_and_wants_a_reason() -> None:
    lost = replace(DONE, number=3, repeat_of=2)
    known = replace(lost, number=4, violations=("duplicate: …",))
    told = heard(STARTED, DONE, lost, known)
    duplicate = Found(Kind.DUPLICATE, "…", 4, "monitor", "series")
    assert problems(SUCCESS, RIGHT, told, [duplicate]) == []
    assert [one.reason for one in repeats("series", told)] == [ANSWER_LOST, ""]
    assert [one.reason for one in repeats("series", told, lambda first, again: f"{first.number} {again.number}")] == [
        ANSWER_LOST, "2 4",
    ]  # fmt: skip


def test_a_run_of_no_job_is_a_stranger() -> None:
    runs = [*heard(STARTED, DONE), *heard(STARTED, series="another"), *heard(STARTED, series="x", monitor="others")]
    (found,) = strangers(frozenset({"monitor"}), frozenset({"series"}), runs)
    assert "another" in found


def test_what_is_told_again_in_other_words_is_passed_over_where_a_reason_is_known() -> None:
    again = event(3, "fail", 10, "attempt 1/1 · app 3 OOMKilled", 3)
    told = heard(STARTED, BROKEN, again)
    found = retold(FAILURE, "series", told, lambda first, one: f"{first.number} before {one.number}")
    assert found == [(again, Repeat("fail", "2 before 3"))]
    assert problems(FAILURE, job(pod(app(3)), verdict="fail"), without({3}, told), []) == []
    assert retold(FAILURE, "series", told, lambda _first, _one: "") == []
    other_code = heard(STARTED, BROKEN, replace(again, status_code=137))
    assert retold(FAILURE, "series", other_code, lambda _first, _one: "why not") == []


def test_of_what_is_heard_more_than_once_nothing_is_passed_over() -> None:
    expected = replace(SUCCESS, heard=(RUN, attempt(6, ""), attempt(6, ""), SUCCEEDS[1]))
    told = heard(STARTED, *(event(number, "fail", number, code=6) for number in (2, 3, 4)), replace(DONE, number=5))
    assert retold(expected, "series", told, lambda _first, _one: "why not") == []
    assert retold(expected, "series", [], lambda _first, _one: "why not") == []


def test_who_comes_late_may_take_a_later_start_for_the_first() -> None:
    seen = job(pod(app(6, 1, 2), app(0, 5, 9)))
    assert problems(SUCCESS, seen, heard(STARTED, DONE), []) != []
    late = replace(SUCCESS, heard=seen_late(Shape("late", injected=False)).heard)
    assert problems(late, seen, heard(STARTED, DONE), []) == []
    assert seen_late(Shape("told by its sidecar")).heard == SUCCEEDS
    assert seen_late(Shape("led", injected=False, led=True)).heard == SUCCEEDS
