"""A pod, reduced to what a verdict is made of."""

from typing import Any

import pytest

from tests.unit.webhook.controller.histories import (
    ALL,
    COMPLETE,
    RUN,
    VERDICT,
    Json,
    T,
    a_pod,
    at,
    attempt,
    container,
    done,
    ended,
    going,
    journal,
    runs,
    up,
    waits,
)  # fmt: skip
from webhook.controller.attempts import Attempt, parse
from webhook.controller.pod_history import remembering
from webhook.journal import Report

EVICTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
NEVER = {"terminated": {"exitCode": 128, "startedAt": "0001-01-01T00:00:00Z", "finishedAt": "1970-01-01T00:00:00Z"}}


def seconds(moments: list[float]) -> list[float]:
    return [moment - T for moment in moments]


def test_a_pod_that_has_next_to_nothing_is_an_attempt() -> None:
    found = parse({"metadata": {"name": "p"}}, gone_at=None, chosen=frozenset(), ignored=frozenset())
    assert (found.name, found.containers, found.starts, found.finished_at) == ("p", (), [], None)
    assert (found.tells, found.report, found.is_over, found.own_failure()) == (None, Report(), False, None)


# --- what counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "given", "starts"),
    [
        ("nothing has started", attempt(container("app", waits()), sidecar=up()), []),
        ("no status yet", attempt(container("app")), []),
        ("a container runs", going(sidecar=up()), [5]),
        ("a container has ended", done(), [5]),
        ("it never started", attempt(container("app", NEVER)), []),
        ("it was restarted", attempt(container("app", runs(9), last=ended(1, 8, 5))), [9, 5]),
        ("an init container", attempt(container("app", waits()), init=[container("setup", ended(0, 4, 3))]), [3]),
        ("a native sidecar of the user",
         attempt(container("app", runs(5)), init=[container("mesh", runs(2), native=True)]), [5]),
        ("ignored ones", attempt(container("istio-proxy", runs(2)), container("app", runs(5)), ignored=["istio-proxy"]),
         [5]),
        ("ignored ones and no others", attempt(container("istio-proxy", runs(2)), ignored=["istio-proxy"]), [2]),
        ("chosen ones", attempt(container("helper", runs(2)), container("app", runs(5)), chosen=["app"]), [5]),
        ("a choice that names nothing here", attempt(container("app", runs(5)), chosen=["typo"]), [5]),
        ("a container that has our name, and is none of ours", attempt(container("cronitor", runs(5))), [5]),
    ],
)  # fmt: skip
def test_which_starts_make_a_run(what: str, given: Attempt, starts: list[float]) -> None:
    assert seconds(given.starts) == starts, what


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (done(), False),
        (attempt(container("app"), container("helper")), False),
        (attempt(container("app"), container("helper"), chosen=["app"]), True),
        (attempt(container("app"), container("helper"), chosen=["app", "helper"]), False),
        (attempt(container("app"), container("istio-proxy"), ignored=["istio-proxy"]), True),
        (attempt(container("app"), init=[container("setup")], chosen=["app"]), False),
        (attempt(container("app"), init=[container("mesh", native=True)], sidecar=up()), False),
    ],
)
def test_a_pod_of_which_some_container_does_not_count_is_selective(given: Attempt, expected: bool) -> None:
    assert given.is_selective is expected


# --- its sidecar -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "given", "expected"),
    [
        ("none", going(), False),
        ("it runs", going(sidecar=up()), True),
        ("it has not started yet",
         attempt(container("app", waits()), sidecar=container("cronitor", waits(), native=True)), True),
        ("it ended and will be started again", going(sidecar=journal(RUN)), True),
        ("it ended, and its pod is on its way out", going(sidecar=journal(RUN), deleted=300), False),
        ("it runs, and its pod is on its way out", going(sidecar=up(), deleted=300), True),
        ("its pod has ended", done(sidecar=journal(RUN, COMPLETE)), False),
        ("its pod is gone", going(sidecar=up(), gone=300), False),
        ("its pod has failed by its own deadline, and nothing in it has ended yet",
         going(sidecar=up(), phase="Failed"), True),
    ],
)  # fmt: skip
def test_whether_its_sidecar_may_still_tell_something(what: str, given: Attempt, expected: bool) -> None:
    assert given.sidecar_runs is expected, what


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (going(), None),
        (going(sidecar=up(), tells=ALL), {"run", "complete", "fail"}),
        (going(sidecar=up(), tells=VERDICT), {"complete", "fail"}),
        (going(sidecar=up(), tells=""), set()),
        (attempt(container("cronitor", runs())), None),
        (attempt(container("app"), init=[container("cronitor")]), None),
    ],
)
def test_what_its_sidecar_tells_by_itself(given: Attempt, expected: set[str] | None) -> None:
    assert given.tells == expected


def test_its_journal_is_read() -> None:
    assert done(sidecar=journal(RUN, pending=(COMPLETE,))).report == Report((RUN,), (COMPLETE,))


# --- its end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "given", "code"),
    [
        ("success", done(), None),
        ("it runs", going(), None),
        ("one failure", done(3), 3),
        ("the first one", attempt(container("a", ended(1, 590)), container("b", ended(2, 580))), 2),
        ("in the same second the first in the spec", attempt(container("a", ended(1)), container("b", ended(2))), 1),
        ("one without a time is the last", attempt(container("a", NEVER), container("b", ended(2))), 2),
        ("an init container", attempt(container("app", waits()), init=[container("setup", ended(9))]), 9),
        ("an init container, though another is chosen",
         attempt(container("app", waits()), init=[container("setup", ended(9))], chosen=["app"]), 9),
        ("one that does not count", attempt(container("app", ended()), container("x", ended(7)), chosen=["app"]), None),
        ("a native sidecar",
         attempt(container("app", ended()), init=[container("mesh", ended(137), native=True)]), None),
        ("ours", attempt(container("app", ended()), sidecar=container("cronitor", ended(137), native=True)), None),
        ("taken away by an eviction", done(137, conditions=[EVICTED]), None),
        ("a disruption that did not come", done(3, conditions=[{**EVICTED, "status": "False"}]), 3),
        ("taken away by the node's pressure", done(137, reason="Evicted"), None),
        ("the pod's deadline", done(0, reason="DeadlineExceeded"), None),
        ("killed by its deletion", done(143, 305, deleted=300), None),
        ("before its deletion", done(3, 299, deleted=300), 3),
        ("the restart that counts is the newest", attempt(container("app", runs(60), last=ended(5, 50)),
                                                          policy="OnFailure"), 5),
        ("the present end is newer", attempt(container("app", ended(6, 60), last=ended(5, 50)), policy="OnFailure"), 6),
        ("in the same second the present end is newer",
         attempt(container("app", ended(6, 50), last=ended(5, 50)), policy="OnFailure"), 6),
        ("an end by the deletion is none, the one before it is",
         attempt(container("app", ended(143, 60), last=ended(5, 50)), policy="OnFailure", deleted=55), 5),
        ("a success after restarts", attempt(container("app", ended(0, 60), last=ended(5, 50)), policy="OnFailure"), 5),
        ("an init container that is restarted, though another is chosen",
         attempt(container("app", waits()), init=[container("setup", waits("CrashLoopBackOff"), last=ended(9, 50))],
                 chosen=["app"], policy="OnFailure"), 9),
    ],
)  # fmt: skip
def test_how_an_attempt_failed_by_itself(what: str, given: Attempt, code: int | None) -> None:
    failure = given.own_failure()
    assert (failure.code if failure else None) == code, what


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (done(end=590), 590),
        (going(), None),
        (attempt(container("app", ended(0, 590)), container("helper", ended(0, 595))), 595),
        (attempt(container("app", ended(0, 590)), container("helper", runs())), None),
        (attempt(container("app", ended(0, 590)), container("helper", runs()), chosen=["app"]), 590),
        (attempt(container("app", waits()), init=[container("setup", ended(9, 20))]), 20),
        (attempt(container("app", NEVER)), None),
    ],
)
def test_when_an_attempt_was_over(given: Attempt, expected: float | None) -> None:
    assert given.finished_at == (None if expected is None else T + expected)


def standing_rows() -> list[tuple[Json, str]]:
    return [
        (container("app", ended(3)), "app 3"),
        (container("app", ended(137, reason="OOMKilled")), "app 137 OOMKilled"),
        (container("app", ended(0)), "app 0"),
        (container("app", runs()), "app running"),
        (container("app", waits("CrashLoopBackOff"), last=ended(3)), "app 3"),
        (container("app", waits("ImagePullBackOff")), "app ImagePullBackOff"),
        (container("app"), "app not started"),
    ]


@pytest.mark.parametrize(("given", "expected"), standing_rows(), ids=lambda row: str(row)[:20])
def test_how_a_container_stands(given: Json, expected: str) -> None:
    assert attempt(given).standing == [expected]
    assert attempt(given).standing_failed == [expected]


def test_an_end_of_its_own_is_said_rather_than_the_one_by_the_deletion() -> None:
    restarted = container("app", ended(0, 60), last=ended(5, 50))
    assert attempt(restarted, policy="OnFailure", deleted=55).standing == ["app 5"]
    assert attempt(restarted, policy="OnFailure").standing == ["app 0"]
    assert attempt(restarted, policy="OnFailure").standing_failed == ["app 5"]
    assert attempt(container("app", ended(143, 60)), deleted=55).standing == ["app 143"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ""),
        ({"conditions": [EVICTED]}, "EvictionByEvictionAPI"),
        ({"conditions": [{"type": "DisruptionTarget", "status": "True"}]}, "DisruptionTarget"),
        ({"reason": "Evicted"}, "Evicted"),
        ({"reason": "NodeLost"}, "NodeLost"),
        ({"reason": "BackOff"}, ""),
    ],
)
def test_why_it_did_not_end_by_itself(given: dict[str, Any], expected: str) -> None:
    assert done(137, **given).taken_away == expected


def test_the_moment_of_a_deletion_is_before_its_grace() -> None:
    found = going(deleted=300, grace=120)
    assert (found.deleted_at, found.grace_ends_at) == (T + 300, T + 420)
    assert (going().deleted_at, going().grace_ends_at) == (None, None)


def test_since_when_it_cannot_be_scheduled() -> None:
    waiting = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    found = attempt(container("app"), conditions=[{**waiting, "lastTransitionTime": at(7)}])
    assert (found.unschedulable_since, found.unschedulable_message) == (T + 7, "0/3 nodes")
    gated = {**waiting, "reason": "SchedulingGated", "lastTransitionTime": at(7)}
    assert attempt(container("app"), conditions=[gated]).unschedulable_since is None
    broken = {**waiting, "reason": "SchedulerError", "lastTransitionTime": at(7)}
    assert attempt(container("app"), conditions=[broken]).unschedulable_since == T + 7
    there = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(7)}
    assert attempt(container("app"), conditions=[there]).unschedulable_since is None


def test_a_pod_that_no_scheduler_takes_waits_from_the_start() -> None:
    pod = a_pod(container("app"), created=30, phase="Pending")
    with_node = parse(pod, gone_at=None, chosen=frozenset(), ignored=frozenset())
    assert with_node.unschedulable_since is None, "it was bound by whoever made it"
    del pod["spec"]["nodeName"]
    without = parse(pod, gone_at=None, chosen=frozenset(), ignored=frozenset())
    assert without.unschedulable_since == T + 30


def test_what_the_kubelet_ended_stays_so_when_the_pod_is_cleaned_up() -> None:
    given: Json = {"policy": "OnFailure", "phase": "Failed", "reason": "Evicted", "deleted": 900, "gone": 901}
    assert attempt(container("app", ended(137, 300)), **given).own_failure() is None


@pytest.mark.parametrize(("last", "expected"), [(None, None), (ended(4, 100), 4)])
def test_what_the_kubelet_ended_is_no_failure_of_its_own_though_it_may_restart(
    last: Json | None, expected: int | None
) -> None:
    app = container("app", ended(137, 300), last=last, restarts=1 if last else 0)
    failure = attempt(app, policy="OnFailure", phase="Failed", reason="DeadlineExceeded").own_failure()
    assert (failure.code if failure else None) == expected
    alive = attempt(app, policy="OnFailure").own_failure()
    assert alive is not None
    assert alive.code == 137, "out of memory, say"


@pytest.mark.parametrize(
    ("what", "given", "expected"),
    [
        ("it failed", {}, True),
        ("it ended well", {"app": ended(0)}, False),
        ("it runs", {"app": runs()}, False),
        ("it is restarted in place", {"policy": "OnFailure"}, False),
        ("the pod is being deleted", {"deleted": 595}, False),
        ("the pod has ended", {"phase": "Failed"}, False),
    ],
)
def test_whether_it_has_failed_while_others_go_on(what: str, given: Json, expected: bool) -> None:
    given = {"app": ended(3), "chosen": ["app"], **given}
    found = attempt(container("app", given.pop("app")), container("mesh", runs()), **given)
    assert found.has_failed_beside_others is expected, what


def test_where_all_count_nobody_goes_on() -> None:
    assert not attempt(container("app", ended(3)), container("mesh", ended(0))).has_failed_beside_others


def test_a_container_with_rules_of_its_own_may_start_again() -> None:
    app = container("app", ended(3))
    app["spec"]["restartPolicyRules"] = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}]
    assert not attempt(app, container("mesh", runs()), chosen=["app"]).has_failed_beside_others


def test_restarts_are_those_of_all_containers_ours_included() -> None:
    given = attempt(
        container("app", runs(), restarts=2),
        container("helper", runs(), restarts=1),
        init=[container("mesh", runs(), native=True, restarts=1)],
        sidecar=container("cronitor", runs(), native=True, restarts=1),
    )
    assert given.restarts == 5


# --- what the kubelet tells no more ----------------------------------------------------------------------------------


def last_of(before: Json, now: Json) -> int | None:
    kept = remembering(a_pod(before), a_pod(now))
    last = kept["status"]["containerStatuses"][0].get("lastState") or {}
    return last["terminated"]["exitCode"] if last.get("terminated") else None


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (container("app", runs()), container("app", ended(0)), None),
        (container("app", runs(60), last=ended(5, 50), restarts=1), container("app", ended(0), restarts=1), 5),
        (container("app", ended(5, 50)), container("app", runs(60), restarts=1), 5),
        (container("app", ended(5, 50)), container("app", ended(5, 50)), None),
        (container("app", runs(60), last=ended(5, 50), restarts=1),
         container("app", ended(0), last=ended(6, 70), restarts=2), 6),
        (container("app", ended(5, 50)), container("app", waits("CrashLoopBackOff")), 5),
        (container("app", runs(60), last=ended(5, 50), restarts=1), container("app", runs(90), restarts=2), None),
        (container("app", ended(5, 50)), container("app", runs(90), restarts=2), None),
    ],
)  # fmt: skip
def test_an_earlier_end_is_remembered(before: Json, now: Json, expected: int | None) -> None:
    assert last_of(before, now) == expected


# --- when its deletion was asked for ---------------------------------------------------------------------------------


def parsed(pod: Json) -> Attempt:
    return parse(pod, gone_at=None, chosen=frozenset(), ignored=frozenset())


def test_the_deletion_counts_from_when_it_was_asked_for_first() -> None:
    asked = a_pod(container("app", runs()), deleted=100)
    let_go = a_pod(container("app", ended(143, 101)), deleted=102, grace=0, phase="Failed")
    kept = parsed(remembering(asked, let_go))
    assert (kept.deleted_at, kept.own_failure()) == (T + 100, None), "it did not end by itself"
    assert parsed(let_go).deleted_at == T + 102


def test_a_deletion_in_less_time_is_the_first_one_all_the_same() -> None:
    asked, hurried = a_pod(container("app", runs()), deleted=100), a_pod(container("app", runs()), deleted=100, grace=1)
    assert parsed(remembering(asked, hurried)).deleted_at == T + 100
    alive = a_pod(container("app", runs()))
    assert parsed(remembering(alive, asked)).deleted_at == T + 100
