"""The mark on a Job: what is written reads back, and what somebody else wrote there counts as no mark."""

import json
from dataclasses import replace

import pytest

from webhook.annotations import AlertOn
from webhook.monitor_identity import MonitorIdentity
from webhook.run_mark import ANNOTATION, RunMark, of_job, read, write
from webhook.telemetry import Event, State

RUN = Event(State.RUN, 1772366400.0)
STUCK = Event(State.FAIL, 1772366300.25, "attempt 1/7 · pod Unschedulable", stuck=True)
COMPLETE = Event(State.COMPLETE, 1772366460.0, "attempt 1/7 · app 0", 0, 60.0, 0, host="node-1")
FAIL = Event(State.FAIL, 1772366460.0, "“ü” · 3/5 succeeded", 137, 59.999, 2, 3, host="node-1")
FIRST = Event(State.FAIL, 1772366410.0, "attempt 1/3 · app 5", 5, 10.0, 1, attempt="0f3a9c1e")
SECOND = Event(State.FAIL, 1772366430.0, "attempt 2/3 · app 6", 6, 30.0, 2, attempt="77b2d0aa")

MARK = RunMark("uid", "shop/backup")
FULL = RunMark(
    key="uid",
    name="shop/“backup” ü",
    env="prod",
    alert_on=AlertOn.ATTEMPT,
    containers=("app", "helper"),
    start=1772366400.5,
    run=True,
    stuck=True,
    verdict="fail",
    selective=True,
    owed=(STUCK, RUN, FIRST, FAIL),
    job="j",
    attempts=("0f3a9c1e", "77b2d0aa.3"),
)


@pytest.mark.parametrize(
    "mark",
    [
        MARK,
        RunMark("uid", "shop/backup", start=0.0),
        RunMark("uid", "shop/backup", run=True, verdict="complete"),
        RunMark("uid", "shop/backup", stuck=True, owed=(STUCK,)),
        RunMark("uid", "shop/backup", logs_complete=True),
        RunMark("uid", "shop/backup", run=True, owed=(RUN,)),
        RunMark("uid", "shop/backup", run=True, verdict="complete", owed=(COMPLETE,)),
        FULL,
    ],
)
def test_what_is_written_reads_back(mark: RunMark) -> None:
    assert read({ANNOTATION: write(mark)}) == mark
    assert write(read({ANNOTATION: write(mark)}) or MARK) == write(mark)


def test_it_is_compact_and_says_its_version() -> None:
    assert json.loads(write(MARK)) == {"v": 1, "key": "uid", "name": "shop/backup", "alert_on": "run"}
    assert " " not in write(RunMark("uid", "backup"))


def test_the_identity_is_the_frozen_one() -> None:
    assert FULL.identity == MonitorIdentity("uid", "shop/“backup” ü", "prod")
    logging = replace(MARK, logs_complete=True)
    assert logging.identity == MonitorIdentity("uid", "shop/backup", "", logs_complete=True)


def test_a_mark_of_an_earlier_version_has_its_completion_told_as_a_state() -> None:
    earlier = read({ANNOTATION: '{"v":1,"key":"uid","name":"shop/backup","alert_on":"run"}'})
    assert earlier is not None
    assert earlier.logs_complete is False


@pytest.mark.parametrize("annotations", [None, {}, {"k8s.cronitor.io/include": "true"}])
def test_without_the_annotation_there_is_no_mark(annotations: dict[str, str] | None) -> None:
    assert read(annotations) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        "null",
        "7",
        "[]",
        '"key"',
        "{}",
        '{"key":"a"}',
        '{"name":"a"}',
        "{",
        '{"key":"a","name":"b","alert_on":"never"}',
        '{"key":"a","name":"b","start":"soon"}',
        '{"key":"a","name":"b","start":[]}',
        '{"key":"a","name":"b","start":1' + "0" * 400 + "}",
        '{"key":"a","name":"b","start":NaN}',
        '{"key":"a","name":"b","containers":7}',
        '{"key":"a","name":"b","owed":7}',
        '{"key":"a","name":"b","attempts":7}',
        '{"key":"a","name":"b","owed":["run"]}',
        '{"key":"a","name":"b","owed":[{"e":"run"}]}',
        '{"key":"a","name":"b","owed":[{"e":"sleep","t":1}]}',
        '{"key":"a","name":"b","owed":[{"e":"fail","t":1,"c":1e400}]}',
        '{"key":"a","name":"b","owed":[{"e":"run","t":NaN}]}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:70],
)
def test_what_cannot_be_read_counts_as_no_mark(text: str) -> None:
    assert read({ANNOTATION: text}) is None


def test_what_is_told_of_an_attempt_is_no_verdict() -> None:
    owing = MARK.owing(RUN).owing(FIRST).owing(SECOND)
    assert (owing.verdict, owing.attempts) == ("", ("0f3a9c1e", "77b2d0aa"))
    assert owing.delivered(frozenset({RUN, FIRST})) == replace(owing, owed=(SECOND,))


def test_attempts_go_after_the_run_and_before_the_verdict() -> None:
    assert MARK.owing(STUCK).owing(RUN).owing(COMPLETE).owing(FIRST).owing(SECOND).owed == (
        STUCK, RUN, FIRST, SECOND, COMPLETE,
    )  # fmt: skip
    assert MARK.owing(FIRST).owing(RUN).owed == (RUN, FIRST)


def test_of_each_pod_the_newest_attempt_is_remembered() -> None:
    mark = MARK
    for attempt in ("aaaaaaaa.1", "bbbbbbbb.1", "aaaaaaaa.3", "bbbbbbbb"):
        mark = mark.owing(replace(FIRST, attempt=attempt))
    assert mark.attempts == ("aaaaaaaa.3", "bbbbbbbb")
    assert len(mark.owed) == 4


@pytest.mark.parametrize(("uid", "is_its_own"), [("j", True), ("another", False), (None, False)])
def test_a_mark_is_only_that_of_the_job_that_it_was_written_for(uid: str | None, is_its_own: bool) -> None:
    job = {"metadata": {"uid": uid, "annotations": {ANNOTATION: write(FULL)}}}
    assert of_job(job) == (FULL if is_its_own else None)
    assert of_job({"metadata": {"uid": uid}}) is None


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert read({ANNOTATION: '{"v":2,"key":"a","name":"b","new":{}}'}) == RunMark("a", "b")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (RUN, replace(MARK, run=True, start=RUN.stamp)),
        (STUCK, replace(MARK, stuck=True)),
        (COMPLETE, replace(MARK, verdict="complete")),
        (FAIL, replace(MARK, verdict="fail")),
    ],
)
def test_what_is_told_or_owed_is_decided(event: Event, expected: RunMark) -> None:
    assert MARK.owing(event) == replace(expected, owed=(event,))
    assert MARK.owing(event).delivered(frozenset({event})) == MARK.having_heard(event)
    assert MARK.having_heard(event) == replace(expected, run=expected.run or event.is_verdict), (
        "no run follows a verdict"
    )


def test_the_start_is_the_one_that_was_told_whatever_was_seen_before() -> None:
    assert replace(MARK, start=RUN.stamp + 3).having_heard(RUN).start == RUN.stamp


def test_events_are_owed_in_their_order() -> None:
    assert MARK.owing(STUCK).owing(RUN).owing(COMPLETE).owed == (STUCK, RUN, COMPLETE)


def test_the_first_verdict_that_is_heard_stands() -> None:
    assert MARK.having_heard(COMPLETE).having_heard(FAIL).verdict == "complete"
    assert MARK.having_heard(FAIL).having_heard(COMPLETE).verdict == "fail"
    assert MARK.having_heard(COMPLETE).having_heard(RUN).verdict == "complete"
    assert MARK.having_heard(COMPLETE).having_heard(STUCK).verdict == "complete"


@pytest.mark.parametrize(
    ("owed", "heard", "left"),
    [
        ((STUCK, RUN), COMPLETE, ()),
        ((STUCK, RUN), STUCK, (RUN,)),
        ((STUCK, RUN), RUN, (STUCK,)),
        ((RUN, COMPLETE), RUN, (COMPLETE,)),
        ((RUN, COMPLETE), COMPLETE, ()),
        ((FAIL,), FAIL, ()),
        ((FAIL,), COMPLETE, (FAIL,)),
        ((RUN, FIRST), RUN, (FIRST,)),
        ((STUCK, FIRST), STUCK, (FIRST,)),
        ((RUN, FIRST), COMPLETE, ()),
        ((RUN, FIRST), FAIL, ()),
        ((FIRST, FAIL), FAIL, ()),
        ((FIRST, FAIL), COMPLETE, (FIRST, FAIL)),
    ],
)
def test_what_a_sidecar_has_told_is_owed_no_more_nor_what_must_not_follow_it(
    owed: tuple[Event, ...], heard: Event, left: tuple[Event, ...]
) -> None:
    owing = MARK
    for event in owed:
        owing = owing.owing(event)
    assert owing.having_heard(heard).owed == left


def test_a_run_goes_before_the_verdict_that_is_owed() -> None:
    assert MARK.owing(COMPLETE).owing(RUN).owed == (RUN, COMPLETE)


def test_what_is_delivered_is_owed_no_more_and_stays_decided() -> None:
    owing = MARK.owing(RUN).owing(COMPLETE)
    assert owing.delivered(frozenset({RUN})) == replace(owing, owed=(COMPLETE,))
    assert owing.delivered(frozenset({RUN, COMPLETE, FAIL})) == RunMark(
        "uid", "shop/backup", start=RUN.stamp, run=True, verdict="complete"
    )
    assert owing.delivered(frozenset()) == owing


def test_an_event_that_was_read_back_is_known_as_the_one_that_was_delivered() -> None:
    written = read({ANNOTATION: write(FULL)})
    assert written is not None
    assert written.delivered(frozenset(FULL.owed)).owed == ()
