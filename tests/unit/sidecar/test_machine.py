"""The transition table of `sidecar.machine`, row by row, and whole stories told through it."""

from dataclasses import replace
from typing import Any

import pytest

from sidecar.earlier import Beginning
from sidecar.events import MESSAGE_BYTES, Event, State, fits
from sidecar.journal import Delivery, Entry, Journal, decode, encode
from sidecar.machine import (
    Phase,
    Progress,
    Step,
    all_ended,
    begin,
    observe,
    recover,
    take_up,
)
from sidecar.pod import parse
from sidecar.rules import Rules, watched_containers
from tests.unit.sidecar.pods import CREATED, at, container, ended, own, pod, running, waiting

ALL = frozenset(State)
RULES = Rules(tells=ALL, backoff_limit=0)
RUNNING = Progress(phase=Phase.RUNNING, started_at=CREATED + 1.0)


def see(raw: dict[str, Any], rules: Rules = RULES, progress: Progress = RUNNING, now: float = 6) -> Step:
    return observe(progress, parse(raw), CREATED + now, rules, monotonic=now)


def told(step: Step) -> list[tuple[str, int | None]]:
    return [(event.state.value, event.status_code) for event in step.events]


def tell(*states: State, **rules: Any) -> Rules:
    return replace(RULES, tells=frozenset(states), **rules)


# --- WAITING -------------------------------------------------------------------------------------------------------


def test_nothing_is_told_before_a_container_has_started() -> None:
    step = see(pod(container("app", waiting("ContainerCreating"))), progress=Progress())
    assert step == Step(Progress())


def test_run_is_told_with_the_first_start() -> None:
    raw = pod(container("slow", waiting("PodInitializing")), container("app", running(3)))
    step = see(raw, progress=Progress())
    assert told(step) == [("run", None)]
    assert step.events[0].stamp == CREATED + 3
    assert step.progress.phase is Phase.RUNNING


def test_an_init_container_starts_the_run() -> None:
    raw = pod(container("app", waiting("PodInitializing")), init=(own(), container("setup", running(2))))
    assert see(raw, progress=Progress()).events[0].stamp == CREATED + 2


@pytest.mark.parametrize("state", [running(None), {"running": {}}, {"running": {"startedAt": "0001-01-01T00:00:00Z"}}])
def test_a_start_that_is_not_known_yet_is_none(state: dict[str, Any]) -> None:
    assert see(pod(container("app", state)), progress=Progress()) == Step(Progress())


def test_our_own_start_and_that_of_a_native_sidecar_are_no_start_of_the_run() -> None:
    mesh = container("mesh", running(1), restartPolicy="Always")
    assert see(pod(container("app", waiting()), init=(own(), mesh)), progress=Progress()).events == ()


def test_run_is_not_told_where_an_earlier_pod_has_told_it_but_the_duration_counts_from_there() -> None:
    rules = tell(State.COMPLETE, State.FAIL, run_started_at=CREATED - 100.0)
    step = see(pod(container("app", ended(0, end=5))), rules, Progress(started_at=CREATED - 100.0))
    assert told(step) == [("complete", 0)]
    assert step.events[0].duration == 105


def test_a_verdict_has_no_duration_where_nobody_knows_when_the_run_began() -> None:
    step = see(pod(container("app", ended(0, start=9, end=12))), tell(State.COMPLETE), Progress(), now=14)
    assert [event.duration for event in step.events] == [None]


def test_instant_exit_tells_both_from_one_view() -> None:
    assert told(see(pod(container("app", ended(0))), progress=Progress())) == [("run", None), ("complete", 0)]


def test_an_end_that_is_stamped_before_its_start_is_told_at_its_start() -> None:
    step = see(pod(container("app", ended(0, start=6, end=5))), progress=Progress())
    assert [(event.state, event.stamp) for event in step.events] == [
        (State.RUN, CREATED + 6),
        (State.COMPLETE, CREATED + 6),
    ]
    assert step.events[1].duration == 0


def test_the_first_start_of_a_restarted_container_is_that_of_its_last_incarnation() -> None:
    raw = pod(container("app", running(20), last=ended(1, start=2, end=10), restarts=1), restart_policy="OnFailure")
    step = see(raw, replace(RULES, backoff_limit=6), Progress())
    assert step.events[0].stamp == CREATED + 2


def test_a_manual_run_says_so() -> None:
    step = see(pod(container("app", ended(0))), replace(RULES, manual=True), Progress())
    assert [event.message for event in step.events] == ["manual", "manual · attempt 1/1 · app 0"]


EARLIER = Event(State.RUN, CREATED - 60.0)


def test_what_an_earlier_pod_could_not_tell_of_the_start_is_told_and_the_duration_counts_from_there() -> None:
    step = take_up(Progress(), Beginning(EARLIER, owed=True))
    assert step.events == (EARLIER,)
    after = see(pod(container("app", ended(0, end=5))), tell(State.COMPLETE, State.FAIL), step.progress)
    assert [(event.state, event.duration) for event in after.events] == [(State.COMPLETE, 65)]


def test_what_an_earlier_pod_has_told_is_not_told_again_but_the_duration_counts_from_there() -> None:
    step = take_up(Progress(), Beginning(EARLIER))
    assert step.events == ()
    after = see(pod(container("app", ended(0, end=5))), tell(State.COMPLETE, State.FAIL), step.progress)
    assert [(event.state, event.duration) for event in after.events] == [(State.COMPLETE, 65)]


@pytest.mark.parametrize("before", [Progress(), Progress(phase=Phase.RUNNING)])
def test_where_no_earlier_pod_has_started_our_own_start_is_the_runs(before: Progress) -> None:
    progress = take_up(before, Beginning(owed=True)).progress
    step = see(pod(container("app", running(2))), tell(State.COMPLETE, State.FAIL), progress)
    assert step.events == (Event(State.RUN, CREATED + 2),)
    assert see(pod(container("app", running(2))), tell(State.COMPLETE), step.progress).events == ()


@pytest.mark.parametrize("owed", [False, True])
def test_where_an_earlier_pod_has_told_that_the_run_is_complete_nothing_more_is_told(owed: bool) -> None:
    step = take_up(Progress(), Beginning(EARLIER, owed=owed, completed=True))
    assert step.events == ((EARLIER,) if owed else ())
    assert step.progress.phase is Phase.LEFT
    assert see(pod(container("app", ended(0, end=5))), progress=step.progress).events == ()


@pytest.mark.parametrize("phase", [Phase.TOLD, Phase.LEFT])
def test_nothing_of_the_start_is_told_after_the_verdict(phase: Phase) -> None:
    settled = Progress(phase=phase)
    for beginning in (Beginning(EARLIER, owed=True), Beginning(owed=True)):
        assert take_up(settled, beginning) == Step(settled)


# --- TOLD, LEFT ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [Phase.TOLD, Phase.LEFT])
def test_nothing_is_told_after_the_end(phase: Phase) -> None:
    progress = replace(RUNNING, phase=phase)
    assert see(pod(container("app", ended(3))), progress=progress) == Step(progress)


# --- being deleted, failed by the kubelet ---------------------------------------------------------------------------


def test_deletion_is_left_to_the_controller_even_if_all_exit_with_0() -> None:
    step = see(pod(container("app", ended(0)), deleted=4))
    assert (step.events, step.progress.phase) == ((), Phase.LEFT)
    assert "deleted" in step.progress.left


def test_deletion_past_the_jobs_deadline_is_its_failure() -> None:
    rules = replace(RULES, job_deadline_seconds=600, job_started_at=CREATED - 10.0)
    step = see(pod(container("app", running(1)), deleted=591), rules, now=592)
    (event,) = step.events
    assert (event.state, event.status_code, event.stamp, event.duration) == (State.FAIL, None, CREATED + 591, 590)
    assert event.message == "DeadlineExceeded · attempt 1/1 · app running"


def test_the_deadline_counts_from_the_pods_creation_where_the_jobs_start_is_not_known() -> None:
    rules = replace(RULES, job_deadline_seconds=600)
    assert see(pod(container("app", running()), deleted=599), rules, now=599.9).progress.phase is Phase.LEFT
    assert told(see(pod(container("app", running()), deleted=600), rules, now=600.1)) == [("fail", None)]


@pytest.mark.parametrize("stuck_told", [False, True])
def test_where_nothing_has_started_by_the_deadline_the_failure_may_be_told_already(stuck_told: bool) -> None:
    rules = replace(RULES, job_deadline_seconds=600)
    progress = Progress(stuck_told=stuck_told)
    step = see(pod(container("app", waiting("PodInitializing")), deleted=600), rules, progress, now=600.1)
    assert (step.events, step.progress.phase) == ((), Phase.TOLD if stuck_told else Phase.LEFT)


@pytest.mark.parametrize("stuck_told", [False, True])
def test_where_native_sidecars_alone_have_reached_the_limit_the_failure_may_be_told_already(stuck_told: bool) -> None:
    mesh = container("mesh", waiting("CrashLoopBackOff"), restarts=6, restartPolicy="Always")
    raw = pod(container("app", waiting("PodInitializing")), init=(own(), mesh), restart_policy="OnFailure")
    step = see(raw, replace(RULES, backoff_limit=6), Progress(stuck_told=stuck_told))
    assert (step.events, step.progress.phase) == ((), Phase.TOLD if stuck_told else Phase.LEFT)


def test_a_pod_that_the_kubelet_fails_is_left_to_the_controller() -> None:
    step = see(pod(container("app", ended(0)), ready_reason="PodFailed"))
    assert (step.events, step.progress.phase) == ((), Phase.LEFT)


def test_an_init_container_that_fails_is_told_although_the_kubelet_says_pod_failed() -> None:
    raw = pod(
        container("app", waiting("PodInitializing")),
        init=(own(), container("setup", ended(9))),
        ready_reason="PodFailed",
    )
    assert told(see(raw)) == [("fail", 9)]


def test_a_pod_that_the_kubelet_fails_between_restarts_is_left() -> None:
    raw = pod(container("app", ended(1)), restart_policy="OnFailure", ready_reason="PodFailed")
    assert see(raw, replace(RULES, backoff_limit=6)).progress.phase is Phase.LEFT


def test_another_reason_not_to_be_ready_changes_nothing() -> None:
    assert told(see(pod(container("app", ended(0)), ready_reason="PodCompleted"))) == [("complete", 0)]


# --- OnFailure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "restarts", "expected"),
    [(2, 1, []), (2, 2, [("fail", 7)]), (2, 3, [("fail", 7)]), (0, 0, []), (0, 1, [("fail", 7)])],
)
def test_the_restart_limit_fails_the_run_although_the_next_attempt_runs(
    limit: int, restarts: int, expected: list[tuple[str, int]]
) -> None:
    raw = pod(container("app", running(9), last=ended(7, end=8), restarts=restarts), restart_policy="OnFailure")
    assert told(see(raw, replace(RULES, backoff_limit=limit))) == expected


def test_at_the_limit_an_attempt_that_exits_with_0_does_not_help() -> None:
    raw = pod(container("app", ended(0, end=10), last=ended(7, end=8), restarts=2), restart_policy="OnFailure")
    assert told(see(raw, replace(RULES, backoff_limit=2))) == [("fail", 7)]


def test_what_counts_and_ended_well_is_complete_though_others_have_used_up_the_restarts() -> None:
    app = container("app", ended(0, end=10), last=ended(7, end=8), restarts=1)
    raw = pod(app, container("helper", running(11), last=ended(1, end=9), restarts=1), restart_policy="OnFailure")
    chosen = replace(RULES, backoff_limit=2, containers=frozenset({"app"}))
    assert told(see(raw, chosen)) == [("complete", 0)]
    assert told(see(raw, replace(chosen, containers=frozenset()))) == [("fail", 1)]


def test_at_the_limit_the_message_names_the_failure_and_not_what_came_after_it() -> None:
    raw = pod(
        container("app", ended(0, end=10), last=ended(7, end=8), restarts=2),
        container("helper", ended(0, end=4)),
        restart_policy="OnFailure",
    )
    (event,) = see(raw, replace(RULES, backoff_limit=2)).events
    assert (event.status_code, event.message) == (7, "attempt 3/3 · app 7 · helper 0")


def test_at_the_limit_an_init_container_gives_the_code_whatever_was_chosen() -> None:
    setup = container("setup", waiting("CrashLoopBackOff"), last=ended(9, end=8), restarts=2)
    raw = pod(container("app", waiting("PodInitializing")), init=(own(), setup), restart_policy="OnFailure")
    rules = replace(RULES, backoff_limit=2, containers=frozenset({"app"}))
    assert told(see(raw, rules, Progress())) == [("fail", 9)]


def test_our_own_restarts_count_as_the_job_controller_counts_them() -> None:
    raw = pod(
        container("app", running(9), last=ended(7), restarts=1),
        init=(own(restarts=1),),
        restart_policy="OnFailure",
    )
    assert told(see(raw, replace(RULES, backoff_limit=2))) == [("fail", 7)]


def test_success_after_restarts_below_the_limit_completes_and_counts_them() -> None:
    raw = pod(container("app", ended(0, end=30), last=ended(1), restarts=2), restart_policy="OnFailure")
    (event,) = see(raw, replace(RULES, backoff_limit=6)).events
    assert (event.state, event.error_count, event.message) == (State.COMPLETE, 2, "attempt 3/7 · app 0")


def test_a_failure_under_on_failure_is_no_verdict_before_the_limit() -> None:
    raw = pod(container("app", waiting("CrashLoopBackOff"), last=ended(1)), restart_policy="OnFailure")
    assert see(raw, replace(RULES, backoff_limit=6)) == Step(RUNNING)


# --- complete ------------------------------------------------------------------------------------------------------


def test_complete_waits_for_every_watched_container() -> None:
    assert see(pod(container("app", ended(0)), container("helper", running()))).events == ()
    step = see(pod(container("app", ended(0, end=5)), container("helper", ended(0, end=9))))
    (event,) = step.events
    assert (event.stamp, event.duration, event.error_count) == (CREATED + 9, 8, 0)
    assert event.message == "attempt 1/1 · app 0 · helper 0"


def test_native_sidecars_of_the_user_do_not_count() -> None:
    mesh = container("mesh", ended(143), restartPolicy="Always")
    assert told(see(pod(container("app", ended(0)), init=(own(), mesh)))) == [("complete", 0)]


@pytest.mark.parametrize("own_deadline", [True, False])
def test_complete_close_to_a_deadline_is_left_to_the_controller(own_deadline: bool) -> None:
    rules = RULES if own_deadline else replace(RULES, job_deadline_seconds=600)
    raw = pod(container("app", ended(0)), deadline=600 if own_deadline else None)
    assert told(see(raw, rules, now=594)) == [("complete", 0)]
    assert see(raw, rules, now=595.5).progress.phase is Phase.LEFT


def test_a_pods_own_deadline_counts_from_when_the_kubelet_took_it_on() -> None:
    raw = pod(container("app", ended(0)), deadline=600, started=100)
    assert told(see(raw, now=694)) == [("complete", 0)]
    assert see(raw, now=695.5).progress.phase is Phase.LEFT


def test_complete_that_is_not_ours_is_left() -> None:
    step = see(pod(container("app", ended(0))), tell(State.RUN))
    assert (step.events, step.progress.phase) == ((), Phase.LEFT)


@pytest.mark.parametrize("spec", [{"restartPolicy": "OnFailure"}, {"restartPolicyRules": [{"action": "Restart"}]}])
def test_a_container_that_may_restart_in_place_gives_no_verdict(spec: dict[str, Any]) -> None:
    for code in (0, 3):
        assert see(pod(container("app", ended(code), **spec))) == Step(RUNNING)


# --- fail under Never ----------------------------------------------------------------------------------------------


def test_a_failure_with_no_retry_left_is_told_with_its_code() -> None:
    (event,) = see(pod(container("app", ended(3, end=5)))).events
    assert (event.state, event.status_code, event.stamp, event.duration, event.error_count) == (
        State.FAIL, 3, CREATED + 5, 4, 1,
    )  # fmt: skip
    assert event.message == "attempt 1/1 · app 3"


def test_a_failure_with_retries_left_is_not_final() -> None:
    step = see(pod(container("app", ended(3))), replace(RULES, backoff_limit=2, failed_before=1))
    assert (step.events, step.progress.phase) == ((), Phase.LEFT)
    assert "retries" in step.progress.left


def test_the_last_retry_is_final_and_says_which_it_was() -> None:
    rules = replace(RULES, backoff_limit=2, failed_before=2)
    (event,) = see(pod(container("app", ended(137, reason="OOMKilled")), container("helper", ended(0))), rules).events
    assert (event.status_code, event.error_count) == (137, 3)
    assert event.message == "attempt 3/3 · app 137 OOMKilled · helper 0"


def test_the_code_is_that_of_the_container_that_failed_first() -> None:
    raw = pod(
        container("late", ended(1, end=9)), container("first", ended(2, end=4)), container("fine", ended(0, end=1))
    )
    (event,) = see(raw).events
    assert (event.status_code, event.stamp) == (2, CREATED + 9)


def test_a_tie_goes_to_the_order_in_the_spec() -> None:
    assert told(see(pod(container("a", ended(4, end=5)), container("b", ended(5, end=5))))) == [("fail", 4)]


def test_failure_waits_for_the_other_containers_to_end() -> None:
    assert see(pod(container("app", ended(3)), container("helper", running()))) == Step(RUNNING)


def test_a_failing_init_container_is_the_end() -> None:
    raw = pod(container("app", waiting("PodInitializing")), init=(own(), container("setup", ended(9))))
    (run, fail) = see(raw, progress=Progress()).events
    assert (run.state, fail.status_code, fail.message) == (
        State.RUN, 9, "attempt 1/1 · setup 9 · app PodInitializing",
    )  # fmt: skip


def test_fail_under_a_pod_failure_policy_is_the_controllers() -> None:
    step = see(pod(container("app", ended(3))), tell(State.RUN, State.COMPLETE))
    assert (step.events, step.progress.phase) == ((), Phase.LEFT)


# --- containers that count -----------------------------------------------------------------------------------------


def test_chosen_containers_alone_decide() -> None:
    rules = replace(RULES, containers=frozenset({"app"}))
    assert told(see(pod(container("app", ended(0)), container("helper", running())), rules)) == [("complete", 0)]
    assert told(see(pod(container("app", ended(3)), container("helper", running())), rules)) == [("fail", 3)]
    assert told(see(pod(container("app", ended(0)), container("helper", ended(1))), rules)) == [("complete", 0)]


def test_an_endless_ignored_container_is_not_waited_for() -> None:
    rules = replace(RULES, ignored=frozenset({"istio-proxy"}))
    raw = pod(container("app", ended(0)), container("istio-proxy", running()))
    assert told(see(raw, rules)) == [("complete", 0)]


def test_ignored_names_that_leave_no_regular_container_are_not_ignored() -> None:
    rules = replace(RULES, ignored=frozenset({"app", "istio-proxy"}))
    raw = pod(
        container("app", ended(3)), container("istio-proxy", ended(0)), init=(own(), container("setup", ended(0)))
    )
    assert [c.name for c in watched_containers(parse(raw), rules)] == ["setup", "app", "istio-proxy"]
    assert told(see(raw, rules)) == [("fail", 3)]


def test_a_choice_that_names_nothing_in_the_pod_counts_as_none() -> None:
    seen = watched_containers(parse(pod(container("app", running()))), replace(RULES, containers=frozenset({"typo"})))
    assert [c.name for c in seen] == ["app"]


def test_an_init_container_that_fails_is_told_whatever_was_chosen() -> None:
    rules = replace(RULES, containers=frozenset({"app"}))
    raw = pod(container("app", waiting("PodInitializing")), init=(own(), container("setup", ended(9))))
    assert told(see(raw, rules, Progress())) == [("fail", 9)]


# --- stuck ---------------------------------------------------------------------------------------------------------

STUCK = pod(container("app", waiting("ImagePullBackOff", "no such image")))


def test_a_stuck_start_wakes_at_its_threshold_and_is_told_once() -> None:
    first = see(STUCK, progress=Progress(), now=10)
    assert (first.events, first.wake_at) == ((), 130)
    again = see(pod(container("app", waiting("ErrImagePull"))), progress=first.progress, now=100)
    assert (again.events, again.wake_at) == ((), 130)
    due = see(STUCK, progress=again.progress, now=130)
    (event,) = due.events
    assert (event.state, event.status_code, event.stuck) == (State.FAIL, None, True)
    assert event.message == "attempt 1/1 · app ImagePullBackOff: no such image"
    assert see(STUCK, progress=due.progress, now=500).events == ()


def test_a_stuck_start_that_heals_in_time_is_forgotten() -> None:
    first = see(STUCK, progress=Progress(), now=10)
    healed = see(pod(container("app", running(20))), progress=first.progress, now=20)
    assert (told(healed), healed.progress.stuck_since) == ([("run", None)], None)


def test_complete_clears_a_stuck_start_and_a_failure_is_not_told_twice() -> None:
    stuck = Progress(stuck_told=True)
    assert told(see(pod(container("app", ended(0))), progress=stuck)) == [("run", None), ("complete", 0)]
    failed = see(pod(container("app", ended(3))), progress=stuck)
    assert (told(failed), failed.progress.phase) == ([("run", None)], Phase.TOLD)


LATE = replace(RULES, job_deadline_seconds=800, backoff_limit=6, failed_before=6)


@pytest.mark.parametrize(("start", "phase"), [(594, Phase.TOLD), (595, Phase.LEFT)])
def test_a_failure_after_a_start_that_the_controller_may_have_told_is_left_to_it(start: float, phase: Phase) -> None:
    chosen = replace(LATE, containers=frozenset({"app"}))
    deleted_beside = pod(container("app", running(start)), container("proxy", running(start)), deleted=950)
    for raw, rules in (
        (pod(container("app", ended(3, start=start, end=900))), LATE),
        (pod(container("app", ended(0, start=650)), container("helper", ended(3, start=start))), LATE),
        (
            pod(container("app", running(700)), init=(own(), container("setup", ended(0, start=start))), deleted=950),
            LATE,
        ),
        (
            pod(container("app", running(start), last=ended(3, start=start), restarts=6), restart_policy="OnFailure"),
            LATE,
        ),
        (deleted_beside, chosen),
        (pod(container("app", ended(3, start=start)), container("proxy", ended(0, start=start))), chosen),
    ):
        assert see(raw, rules, Progress(), now=960).progress.phase is phase


def test_where_the_runtime_could_not_start_it_its_end_is_as_late() -> None:
    never = {"terminated": {"exitCode": 128, "reason": "StartError", "startedAt": None, "finishedAt": at(700)}}
    assert see(pod(container("app", never)), LATE, Progress(), now=701).progress.phase is Phase.LEFT
    assert told(see(pod(container("app", never)), replace(LATE, unscheduled_seconds=900), Progress(), now=701)) == [
        ("fail", 128)
    ]


def test_a_start_in_time_that_restarts_hide_is_known() -> None:
    raw = pod(container("app", running(900), last=ended(3, start=800), restarts=6), restart_policy="OnFailure")
    assert told(see(raw, LATE, RUNNING, now=960)) == [("fail", 3)]


def test_such_a_start_changes_nothing_for_what_ends_well_or_is_not_told_by_the_jobs_end() -> None:
    assert told(see(pod(container("app", ended(0, start=700))), RULES, Progress(), now=900))[1:] == [("complete", 0)]
    beside = pod(container("app", ended(3, start=700)), container("proxy", running(700)))
    chosen = replace(RULES, containers=frozenset({"app"}))
    assert told(see(beside, chosen, Progress(), now=900))[1:] == [("fail", 3)]


def test_a_stuck_start_that_an_earlier_pod_has_told_is_not_told_again() -> None:
    told_before = replace(RULES, stuck_told=True)
    for progress in (begin(told_before), recover(Journal(), told_before)):
        stuck = see(STUCK, told_before, replace(progress, stuck_since=0), now=500)
        assert told(stuck) == []
        assert told(see(pod(container("app", ended(0))), told_before, stuck.progress)) == [
            ("run", None),
            ("complete", 0),
        ]


def test_a_native_sidecar_of_the_user_that_hangs_blocks_the_start_too() -> None:
    mesh = container("mesh", waiting("CreateContainerConfigError"), restartPolicy="Always")
    raw = pod(container("app", waiting("PodInitializing")), init=(own(), mesh))
    first = see(raw, progress=Progress(), now=0)
    assert told(see(raw, progress=first.progress, now=120)) == [("fail", None)]


def test_a_step_of_the_clock_makes_no_start_stuck() -> None:
    first = observe(Progress(), parse(STUCK), CREATED + 10.0, RULES, monotonic=50)
    stepped = observe(first.progress, parse(STUCK), CREATED + 7200.0, RULES, monotonic=60)
    assert (stepped.events, stepped.wake_at) == ((), 170)


def test_what_the_kubelet_says_of_a_stuck_start_is_cut() -> None:
    raw = pod(container("app", waiting("ErrImagePull", "x" * 5000)))
    (event,) = see(raw, progress=Progress(stuck_since=0), now=500).events
    assert event.message.startswith("attempt 1/1 · app ErrImagePull: xxx")
    assert len(event.message.encode()) == MESSAGE_BYTES


@pytest.mark.parametrize("deleted", [None, 700])
def test_the_message_of_a_verdict_is_no_longer_than_the_journal_holds(deleted: float | None) -> None:
    raw = pod(*(container(f"c{number}" + "x" * 58, ended(1)) for number in range(100)), deleted=deleted)
    (event,) = see(raw, replace(RULES, job_deadline_seconds=600), now=800).events
    assert fits(event.message)
    journal = Journal((Entry(event),))
    assert decode(encode(journal).decode()) == journal


@pytest.mark.parametrize(
    ("code", "message"), [(0, "attempt 1/1 · 30 containers 0"), (4, "attempt 1/1 · app 4 · 29 more 0")]
)
def test_a_message_that_would_be_too_long_counts_those_that_ended_well(code: int, message: str) -> None:
    raw = pod(container("app", ended(code)), *(container(f"helper-{number:02d}", ended(0)) for number in range(29)))
    (event,) = see(raw).events
    assert event.message == message


def test_waiting_for_other_reasons_is_not_stuck() -> None:
    assert see(pod(container("app", waiting("CrashLoopBackOff"))), progress=Progress()).wake_at is None


def test_stuck_is_the_controllers_where_fail_is() -> None:
    first = see(STUCK, tell(State.RUN, State.COMPLETE), Progress(), now=0)
    assert see(STUCK, tell(State.RUN, State.COMPLETE), first.progress, now=500).events == ()


# --- recovery, end -------------------------------------------------------------------------------------------------


def test_progress_is_recovered_from_the_journal() -> None:
    run = Entry(Event(State.RUN, CREATED + 1.0), Delivery.ACCEPTED)
    stuck = Entry(Event(State.FAIL, CREATED + 0.5, stuck=True))
    verdict = Entry(Event(State.COMPLETE, CREATED + 9.0))
    assert recover(Journal(), RULES).phase is Phase.WAITING
    assert recover(Journal((run,)), RULES) == Progress(Phase.RUNNING, CREATED + 1.0)
    assert recover(Journal((stuck, run)), RULES).stuck_told
    assert recover(Journal((run, verdict)), RULES).phase is Phase.TOLD


def test_after_recovery_the_run_is_not_told_again() -> None:
    progress = recover(Journal((Entry(Event(State.RUN, CREATED + 1.0)),)), RULES)
    assert told(see(pod(container("app", ended(0))), progress=progress)) == [("complete", 0)]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (pod(container("app", running())), False),
        (pod(container("app", ended(3))), True),
        (pod(container("app", ended(3)), restart_policy="OnFailure"), False),
        (pod(container("app", ended(0)), restart_policy="OnFailure"), True),
        (pod(container("app", ended(0)), container("b", running())), False),
        (pod(container("app", ended(0), restartPolicy="Always")), False),
        (pod(container("app", waiting()), init=(own(), container("setup", ended(1)))), True),
        (
            pod(container("app", waiting()), init=(own(), container("setup", ended(1))), restart_policy="OnFailure"),
            False,
        ),
        (
            pod(
                container("app", waiting()),
                init=(own(), container("setup", ended(1), restartPolicyRules=[{"action": "Restart"}])),
            ),
            False,
        ),
    ],
)
def test_the_pods_work_has_ended_when_nothing_will_run_again(raw: dict[str, Any], expected: bool) -> None:
    assert all_ended(parse(raw)) is expected
