"""Runs from their Jobs to Cronitor, over a running API server: what is told, and how often."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.webhook.api_store import Fault
from tests.unit.webhook.controller.conftest import World
from tests.unit.webhook.controller.run_scene import (
    APP_RUNS,
    COMPLETE_PENDING,
    COMPLETE_TOLD,
    JOB,
    KEY,
    MARK,
    POD,
    RUN,
    RUN_TOLD,
    STARTED,
    app_ended,
    count,
    deliver,
    mark_of,
    marked,
    patches,
    pod_alone,
    pod_of_job,
    reconcile,
    settle,
    told,
)
from tests.unit.webhook.objects import (
    CREATED_AT,
    CRON_JOB_UID,
    JOB_UID,
    ended,
    job,
)
from webhook.controller.marks import Absence
from webhook.controller.queue import Key
from webhook.errors import CronitorError, KubeError
from webhook.telemetry import Event, State

Json = dict[str, Any]


# --- what the controller tells ---------------------------------------------------------------------------------------


def test_a_run_without_a_sidecar_is_told_from_its_start_to_its_end(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(APP_RUNS))
    settle(included)
    assert included.telemetry.told == [(CRON_JOB_UID, JOB_UID, RUN)]
    assert mark_of(included) == replace(STARTED, run=True)
    included.put(POD, pod_alone(app_ended(3), phase="Failed"))
    annotations = included.api.get(JOB)["metadata"]["annotations"]  # type: ignore[index]
    status = ended("Failed") | {"failed": 1}
    included.put(JOB, job(annotations=annotations, status=status, backoffLimit=0))
    settle(included)
    assert told(included) == [("run", None), ("fail", 3)]
    assert mark_of(included) == replace(STARTED, run=True, verdict="fail")
    for _ in range(3):
        settle(included)
    assert len(included.telemetry.told) == 2


def test_what_is_owed_is_stored_before_it_is_sent(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(APP_RUNS))
    reconcile(included)
    assert mark_of(included) == replace(STARTED, run=True, owed=(RUN,))
    assert included.telemetry.told == []


def test_what_was_taken_is_noted_when_the_replica_ends(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(APP_RUNS))
    reconcile(included)
    assert included.book.not_noted() == []
    deliver(included)
    assert included.book.not_noted() == [KEY]
    included.api.fail("PATCH", Fault(503), times=1)
    included.runs.note(KEY)  # which nobody can help
    included.runs.note(KEY)
    included.seen()
    assert mark_of(included) == replace(STARTED, run=True)
    assert included.book.not_noted() == []


def test_what_cannot_be_stored_is_not_sent(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(APP_RUNS))
    included.api.fail("PATCH", Fault(409, "Conflict"))
    assert reconcile(included) is not None
    deliver(included)
    assert included.telemetry.told == []


def test_what_was_owed_by_an_earlier_leader_is_delivered_and_closed(included: World) -> None:
    complete = Event(State.COMPLETE, CREATED_AT + 9, "attempt 1/7 · app 0", 0, 4.0, 0)
    owing = replace(STARTED, run=True, verdict="complete", owed=(RUN, complete))
    included.put(JOB, marked(owing, status=ended()))
    settle(included)
    assert [event for _, _, event in included.telemetry.told] == [RUN, complete]
    assert mark_of(included) == replace(owing, owed=())


def test_what_an_earlier_leader_may_have_sent_is_counted_once(included: World) -> None:
    before = count("events_repeated")
    included.put(JOB, marked(replace(STARTED, run=True, owed=(RUN,))))
    for _ in range(3):
        settle(included)
    assert count("events_repeated") == before + 1
    included.put(POD, pod_alone(app_ended(), phase="Succeeded"))
    annotations = included.api.get(JOB)["metadata"]["annotations"]  # type: ignore[index]
    included.put(JOB, job(annotations=annotations, status=ended() | {"succeeded": 1}))
    settle(included)
    assert told(included) == [("run", None), ("complete", 0)]
    assert count("events_repeated") == before + 1


def test_what_a_sidecar_could_not_deliver_is_delivered_with_its_own_stamp(included: World) -> None:
    included.put(JOB, marked(STARTED))
    included.put(POD, pod_of_job(app_ended(), journal=f"{COMPLETE_PENDING}\n{RUN_TOLD}", phase="Succeeded"))
    settle(included)
    assert [event for _, _, event in included.telemetry.told] == [Event(State.COMPLETE, CREATED_AT + 9, status_code=0)]
    assert mark_of(included) == replace(STARTED, run=True, verdict="complete")


def test_an_event_is_not_sent_twice_when_its_record_comes_late(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(APP_RUNS))
    reconcile(included)
    deliver(included)
    included.api.fail("PATCH", Fault(409, "Conflict"))
    reconcile(included)
    deliver(included)
    settle(included)
    assert told(included) == [("run", None)]
    assert mark_of(included) == replace(STARTED, run=True)


def test_cronitor_out_of_reach_leaves_the_event_owed(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(APP_RUNS))
    reconcile(included)
    included.telemetry.failures.append(CronitorError("telemetry failed: ConnectionError"))
    with pytest.raises(CronitorError):
        deliver(included)
    reconcile(included)
    assert mark_of(included) == replace(STARTED, run=True, owed=(RUN,))
    settle(included)
    assert told(included) == [("run", None)]
    assert mark_of(included) == replace(STARTED, run=True)


def test_a_correction_is_counted(included: World) -> None:
    before = count("corrections")
    included.put(JOB, marked(replace(STARTED, run=True, verdict="complete"), status=ended("Failed")))
    included.put(POD, pod_of_job(app_ended(), journal=f"{COMPLETE_TOLD}\n{RUN_TOLD}", phase="Succeeded"))
    settle(included)
    settle(included)
    assert told(included) == [("fail", None)]
    assert count("corrections") == before + 1


# --- Jobs that go ----------------------------------------------------------------------------------------------------


def test_a_job_deleted_in_mid_run_is_a_failure_and_then_forgotten(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(APP_RUNS))
    settle(included)
    included.delete(JOB)
    included.delete(POD)
    settle(included)
    assert told(included) == [("run", None), ("fail", None)]
    assert included.telemetry.told[-1][2].message.startswith("Job deleted")
    assert included.book.named("shop", "backup-1") == []
    assert included.book.entry(JOB_UID) is None


def test_a_job_that_is_deleted_before_it_has_a_pod_is_a_failure_and_then_forgotten(included: World) -> None:
    included.put(JOB, job())
    settle(included)
    included.delete(JOB)
    settle(included)
    assert told(included) == [("fail", None)]
    assert included.telemetry.told[-1][2].message == "Job deleted · attempt 1/7"
    assert included.book.entry(JOB_UID) is None


def test_a_job_that_is_gone_the_moment_it_ends_is_told_from_what_was_seen_last(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(APP_RUNS))
    settle(included)
    included.put(POD, pod_alone(app_ended(), phase="Succeeded"))
    annotations = included.api.get(JOB)["metadata"]["annotations"]  # type: ignore[index]
    included.put(JOB, job(annotations=annotations, status=ended() | {"succeeded": 1}))
    included.delete(JOB)
    included.delete(POD)
    settle(included)
    assert told(included) == [("run", None), ("complete", 0)]
    assert included.book.entry(JOB_UID) is None


def test_a_job_that_came_and_went_before_it_could_be_marked_is_told(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(app_ended(), phase="Succeeded"))
    included.put(JOB, job(status=ended() | {"succeeded": 1}))
    included.delete(JOB)
    included.delete(POD)
    settle(included)
    assert told(included) == [("run", None), ("complete", 0)]
    assert patches(included) == []


def test_a_replaced_job_is_a_run_of_its_own_beside_the_one_that_is_gone(included: World) -> None:
    included.put(JOB, job())
    included.put(POD, pod_alone(APP_RUNS))
    settle(included)
    included.delete(JOB)
    included.put(JOB, job(uid="newer"))
    included.delete(POD)
    reconcile(included)
    deliver(included)
    deliver(included, "newer")
    assert [(series, event.state.value) for _, series, event in included.telemetry.told] == [
        (JOB_UID, "run"), (JOB_UID, "fail"),
    ]  # fmt: skip
    assert mark_of(included) == replace(MARK, job="newer")


def test_a_job_that_vanished_unseen_is_lost_once_and_nothing_is_told(included: World) -> None:
    before = count("runs_lost")
    included.put(JOB, marked(MARK))
    included.put(POD, pod_alone(APP_RUNS))
    vanish(included, JOB, POD)
    settle(included)
    settle(included)
    assert included.telemetry.told == []
    assert count("runs_lost") == before + 1
    assert included.book.named("shop", "backup-1") == []


def vanish(world: World, *paths: str) -> None:
    """Deleted while no watch is open, and the history is gone."""
    world.api.fail("WATCH", Fault(410, "Expired"), times=len(world.informers))
    with world.api.store.changed:
        for path in paths:
            world.api.delete(path)
        world.api.forget()
    world.api.end_watches()
    world.seen()


# --- who led before --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("absence", "is_told"),
    [
        (Absence(CREATED_AT + 500, CREATED_AT + 700), True),
        (Absence(CREATED_AT + 610, CREATED_AT + 700), True),  # the one before us may have been late to see it
        (Absence(CREATED_AT + 616, CREATED_AT + 700), False),
        (Absence(CREATED_AT + 610, CREATED_AT + 700, first=CREATED_AT + 605), False),
        (Absence(None, CREATED_AT + 700), False),
    ],
)
def test_a_job_first_seen_finished_is_told_if_it_ended_while_nobody_led(
    included: World, absence: Absence, is_told: bool
) -> None:
    included.runs.lead(absence, [])
    included.put(POD, pod_alone(app_ended(), phase="Succeeded"))
    included.put(JOB, job(status=ended() | {"succeeded": 1}))
    settle(included)
    assert told(included) == ([("run", None), ("complete", 0)] if is_told else [])
    assert (mark_of(included) is not None) is is_told


def test_after_an_absence_what_the_journal_says_was_told_is_not_told_again(included: World) -> None:
    included.runs.lead(Absence(CREATED_AT, CREATED_AT + 700), [])
    included.put(POD, pod_of_job(app_ended(), journal=f"{COMPLETE_TOLD}\n{RUN_TOLD}", phase="Succeeded"))
    included.put(JOB, job(status=ended() | {"succeeded": 1}))
    settle(included)
    assert included.telemetry.told == []
    assert mark_of(included) == replace(STARTED, run=True, verdict="complete")


@pytest.mark.parametrize(("since", "is_told"), [(60.0, True), (None, False)])
def test_a_job_that_went_before_we_led_is_told_only_if_nobody_led(
    included: World, since: float | None, is_told: bool
) -> None:
    included.put(JOB, marked(MARK))
    included.put(POD, pod_alone(APP_RUNS))
    included.delete(JOB)
    included.delete(POD)
    began = time.time() + 1
    included.runs.lead(Absence(None if since is None else began - since, began), [])
    settle(included)
    assert told(included) == ([("run", None), ("fail", None)] if is_told else [])
    assert included.book.named("shop", "backup-1") == []


# --- what the next leader has to look at -----------------------------------------------------------------------------

NOW = CREATED_AT + 5000.0


def test_before_all_has_been_looked_at_once_nothing_is_known_to_be_noted(included: World) -> None:
    other = Key("job", "shop", "other-1")
    assert included.runs.noted_until(NOW) is None
    included.runs.lead(Absence(), [KEY, other])
    included.runs.reconcile(KEY)
    assert included.runs.noted_until(NOW) is None
    included.runs.reconcile(other)
    assert included.runs.noted_until(NOW) == NOW


def test_a_job_that_could_not_be_looked_at_is_looked_at_again_first(included: World) -> None:
    included.put(JOB, job())
    included.runs.lead(Absence(), [KEY])
    included.api.fail("PATCH", Fault(500))
    with pytest.raises(KubeError):
        included.runs.reconcile(KEY)
    assert included.runs.noted_until(NOW) is None
    included.runs.reconcile(KEY)
    assert included.runs.noted_until(NOW) == NOW


def test_a_job_whose_mark_is_refused_does_not_hold_up_the_rest(included: World) -> None:
    included.put(JOB, job())
    included.runs.lead(Absence(), [KEY])
    included.api.fail("PATCH", Fault(403, "Forbidden"))
    with pytest.raises(KubeError):
        included.runs.reconcile(KEY)
    assert included.runs.noted_until(NOW) == NOW


def test_an_end_that_has_no_mark_yet_is_not_noted(included: World) -> None:
    included.runs.lead(Absence(), [])
    included.put(JOB, job())
    assert included.runs.noted_until(NOW) == NOW, "a Job that goes on is found by whoever leads next"
    now = datetime.fromtimestamp(int(time.time()), UTC)
    included.put(POD, pod_alone(app_ended(), phase="Succeeded"))
    included.put(JOB, job(status=ended(at=now.isoformat()) | {"succeeded": 1}))
    assert included.runs.noted_until(now.timestamp() + 60) == now.timestamp()
    settle(included)
    assert included.runs.noted_until(now.timestamp() + 60) == now.timestamp() + 60


def test_an_end_that_has_long_had_no_mark_does_not_hold_up_the_rest(included: World) -> None:
    included.runs.lead(Absence(), [])
    included.put(JOB, job())
    included.put(JOB, job(status=ended() | {"succeeded": 1}))
    assert included.runs.noted_until(NOW) == NOW


def test_a_job_that_is_gone_is_not_noted_before_it_is_told(included: World) -> None:
    included.runs.lead(Absence(), [])
    included.put(JOB, marked(MARK))
    included.put(POD, pod_alone(APP_RUNS))
    included.delete(POD)
    included.delete(JOB)
    went = time.time()
    assert included.runs.noted_until(went + 60) == pytest.approx(went, abs=30)
    settle(included)
    assert told(included) == [("run", None), ("fail", None)]
    assert included.runs.noted_until(went + 60) == went + 60
