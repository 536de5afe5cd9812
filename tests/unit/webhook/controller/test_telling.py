"""The fields of the events that the controller makes."""

import pytest

from tests.unit.webhook.controller.histories import (
    Json,
    T,
    a_job,
    attempt,
    container,
    done,
    ended,
    failed,
    going,
    runs,
    succeeded,
    waits,
)  # fmt: skip
from webhook import workloads
from webhook.controller import telling
from webhook.controller.attempts import Attempt
from webhook.telemetry import MESSAGE_LIMIT, Event, State

START, AT = T + 5, T + 600
MANUAL = {workloads.INSTANTIATE: "manual"}
CROWD: Json = {"completions": 3, "parallelism": 2}


def test_a_run_has_the_first_start_and_its_node() -> None:
    assert telling.run(START, a_job(), [attempt(container("app", waits())), going(name="p2")]) == Event(
        State.RUN, START, host="node-1"
    )
    assert telling.run(START, a_job(annotations=MANUAL), []) == Event(State.RUN, START, "manual")


def test_a_complete_has_everything() -> None:
    assert telling.complete(
        succeeded(failed=2), [done(3, 100), done(5, 300), done(0, 590, name="p3")], START, AT
    ) == Event(State.COMPLETE, T + 590, "attempt 3/7 · app 0", 0, 585.0, 2, host="node-1")


def test_a_fail_has_everything() -> None:
    attempts = [done(3, 100), done(5, 590, name="p2")]
    assert telling.fail(failed(failed=2, backoffLimit=1), attempts, START, AT, "BackoffLimitExceeded") == Event(
        State.FAIL, T + 590, "attempt 2/2 · app 5", 5, 585.0, 2, host="node-1"
    )


def test_a_crowd_counts_its_pods() -> None:
    job = succeeded(**CROWD, succeeded=3, failed=1)
    pods = [done(0, 100, name="p1"), done(7, 300, name="p2"), done(0, 590, name="p3"), done(0, 400, name="p4")]
    event = telling.complete(job, pods, START, AT)
    assert (event.succeeded, event.errors, event.stamp) == (3, 1, T + 590)
    assert event.message.startswith("3/3 succeeded · 1 failed · app 0")


@pytest.mark.parametrize(
    ("what", "attempts", "expected"),
    [
        ("the last end", [done(0, 590)], T + 590),
        ("no end was seen", [going()], AT),
        ("no pod was seen", [], AT),
        ("never before the start", [done(0, 3)], START),
    ],
)
def test_the_stamp_of_a_verdict(what: str, attempts: list[Attempt], expected: float) -> None:
    made = [
        telling.complete(succeeded(), attempts, START, AT),
        telling.fail(failed(), attempts, START, AT, "BackoffLimitExceeded"),
        telling.deleted(a_job(), attempts, START, AT),
    ]
    assert [event.stamp for event in made] == [expected] * 3, what
    assert [event.duration for event in made] == [expected - START] * 3


def test_without_a_start_there_is_no_duration() -> None:
    assert telling.fail(failed(), [], None, AT, "DeadlineExceeded").duration is None
    assert telling.deleted(a_job(), [], None, AT).duration is None


@pytest.mark.parametrize(
    ("reason", "code", "message"),
    [
        ("BackoffLimitExceeded", 3, "attempt 1/1 · app 3"),
        ("", 3, "attempt 1/1 · app 3"),
        ("PodFailurePolicy", 3, "PodFailurePolicy · attempt 1/1 · app 3"),
        ("DeadlineExceeded", None, "DeadlineExceeded · attempt 1/1 · app 3"),
        ("Something new", None, "Something new · attempt 1/1 · app 3"),
    ],
)
def test_a_code_where_an_exit_is_the_cause(reason: str, code: int | None, message: str) -> None:
    event = telling.fail(failed(), [done(3)], START, AT, reason)
    assert (event.status_code, event.message) == (code, message)


def test_in_a_crowd_the_code_and_the_words_are_of_the_newest_pod_that_failed() -> None:
    job = failed("FailedIndexes", **CROWD, backoffLimitPerIndex=0, failed=2, succeeded=1, failedIndexes="0,2")
    pods = [done(7, 100, name="p1"), done(8, 200, name="p2"), done(0, 300, name="p3")]
    event = telling.fail(job, pods, START, AT, "FailedIndexes")
    assert (event.status_code, event.stamp, event.succeeded, event.errors) == (8, T + 300, 1, 2)
    assert event.message == "FailedIndexes · 1/3 succeeded · 2 failed · failed indexes 0,2 · app 8"


def test_what_ran_on_until_the_pod_was_deleted_did_not_decide() -> None:
    app = container("app", ended(0, 600, 590), last=ended(5, 588, 580), restarts=2)
    job = failed(backoffLimit=2)
    event = telling.fail(job, [attempt(app, policy="OnFailure", deleted=589)], START, AT, "BackoffLimitExceeded")
    assert (event.status_code, event.stamp, event.errors) == (5, T + 588, 2)
    assert event.message == "attempt 3/3 · app 5"


def test_a_deletion_says_what_was_under_way() -> None:
    event = telling.deleted(a_job(failed=1, annotations=MANUAL), [done(3), going(name="p2")], START, AT)
    assert event == Event(
        State.FAIL, AT, "Job deleted · manual · attempt 2/7 · app running", duration=595.0, errors=1, host="node-1"
    )


@pytest.mark.parametrize(
    ("what", "counted", "attempts", "message"),
    [
        ("counted as failed for its deletion", 1, [going(deleted=300)], "attempt 1/7 · app running"),
        ("not counted yet", 0, [going(deleted=300)], "attempt 1/7 · app running"),
        ("the second, not counted yet", 1, [done(3), going(name="p2", deleted=300)], "attempt 2/7 · app running"),
        ("the second, counted", 2, [done(3), going(name="p2", deleted=300)], "attempt 2/7 · app running"),
        ("it had failed by itself", 1, [done(3)], "attempt 1/7 · app 3"),
        ("the first is remembered no more", 2, [going(name="p2", deleted=300)], "attempt 2/7 · app running"),
    ],
)
def test_a_deletion_is_of_the_attempt_that_it_ended(
    what: str, counted: int, attempts: list[Attempt], message: str
) -> None:
    event = telling.deleted(a_job(failed=counted), attempts, START, AT)
    assert event.message == f"Job deleted · {message}", what


def test_a_stuck_start_is_a_failure_without_a_code_that_may_heal() -> None:
    event = telling.stuck(a_job(failed=1), going(), AT, "app ImagePullBackOff", "Back-off")
    assert event == Event(State.FAIL, AT, "attempt 2/7 · app ImagePullBackOff: Back-off", stuck=True, host="node-1")
    assert telling.stuck(a_job(), None, AT, "no pod could be created", "").message == (
        "attempt 1/7 · no pod could be created"
    )


def test_an_attempt_has_its_own_code_end_and_number() -> None:
    failed_one = attempt(container("app", ended(5, 300)), container("helper", ended(0, 310)), phase="Failed")
    event = telling.attempt(a_job(failed=1), failed_one, "uid-p1", 1, failed_one.own_failure(), START, T + 300)
    assert event == Event(
        State.FAIL, T + 300, "attempt 1/7 · app 5 · helper 0", 5, 295.0, 1, host="node-1", attempt="uid-p1"
    )
    assert not event.is_verdict


def test_an_attempt_that_was_taken_away_says_why_and_has_no_code() -> None:
    by_hand = attempt(container("app", ended(143, 304)), deleted=300, phase="Failed")
    event = telling.attempt(a_job(annotations=MANUAL), by_hand, "uid-p1", 2, None, START, T + 304)
    assert (event.status_code, event.message) == (None, "manual · attempt 2/7 · app 143 · pod deleted")
    lost = done(137, 300, reason="NodeLost")
    assert telling.attempt(a_job(), lost, "uid-p1", 1, None, START, T + 300).message == (
        "attempt 1/7 · app 137 · NodeLost"
    )


def test_an_attempt_of_a_crowd_counts_its_pods() -> None:
    one = done(7, 300)
    event = telling.attempt(a_job(**CROWD, failed=2, succeeded=1), one, "uid-p1", 1, one.own_failure(), START, T + 300)
    assert (event.succeeded, event.errors, event.message) == (1, 2, "1/3 succeeded · 2 failed · app 7")


def many(state: Json) -> Attempt:
    return attempt(*(container(f"container-with-a-long-name-{number}", state) for number in range(100)))


@pytest.mark.parametrize(
    "made",
    [
        telling.complete(succeeded(), [many(ended())], START, AT),
        telling.fail(failed(), [many(ended(1))], START, AT, "PodFailurePolicy"),
        telling.deleted(a_job(), [many(runs())], START, AT),
        telling.stuck(a_job(), None, AT, "x", "y" * 5000),
        telling.fail(failed(**CROWD, failedIndexes="1,3," * 3000), [done(3)], START, AT, "FailedIndexes"),
    ],
)
def test_no_message_is_longer_than_cronitor_keeps(made: Event) -> None:
    assert len(made.message) <= MESSAGE_LIMIT


def test_what_is_said_of_an_attempt_is_short() -> None:
    event = telling.attempt(a_job(), many(ended(1)), "uid-p1", 1, None, START, AT)
    assert len(event.message) == telling.DETAIL_LIMIT


def test_a_limit_that_is_not_there_is_kubernetes_default() -> None:
    job = a_job()
    job["spec"].pop("backoffLimit")
    assert telling.complete(job, [done()], START, AT).message == "attempt 1/7 · app 0"
