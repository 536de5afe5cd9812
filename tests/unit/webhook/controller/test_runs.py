"""Runs from their Jobs to Cronitor, over a running API server: what is written on the Job, and what is told."""

import logging
import time
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.unit.webhook.api_store import Fault, Request
from tests.unit.webhook.controller.conftest import World
from tests.unit.webhook.objects import (
    CREATED_AT,
    CRON_JOB_UID,
    JOB_UID,
    container_status,
    cron_job,
    ended,
    job,
    owned_by,
    pod,
    running,
    terminated,
)
from webhook import run_mark
from webhook.controller import outbox
from webhook.controller.marks import Absence
from webhook.controller.queue import Key
from webhook.errors import CronitorError, KubeError
from webhook.run_mark import RunMark
from webhook.telemetry import Event, State

Json = dict[str, Any]

JOB = "/apis/batch/v1/namespaces/shop/jobs/backup-1"
CRON_JOB = "/apis/batch/v1/namespaces/shop/cronjobs/backup"
POD = "/api/v1/namespaces/shop/pods/backup-1-x"
KEY = Key("job", "shop", "backup-1")
MARK = RunMark(CRON_JOB_UID, "shop/backup", job=JOB_UID)
STARTED_AT = "2026-03-01T12:00:05Z"
STARTED = replace(MARK, start=CREATED_AT + 5)
RUN_TOLD = '{"e":"run","t":1772366405.0,"a":1}'
COMPLETE_TOLD = '{"e":"complete","t":1772366409.0,"a":1}'
COMPLETE_PENDING = '{"e":"complete","t":1772366409.0,"a":0,"c":0}'
RUN = Event(State.RUN, CREATED_AT + 5)


def mark_of(world: World) -> RunMark | None:
    found = world.api.get(JOB)
    assert found is not None
    return run_mark.read(found["metadata"]["annotations"])


def marked(mark: RunMark, **more: Any) -> Json:
    return job(annotations={run_mark.ANNOTATION: run_mark.write(mark)}, **more)


def reconcile(world: World) -> float | None:
    again = world.runs.reconcile(KEY)
    world.seen()
    return again


def deliver(world: World, uid: str = JOB_UID) -> None:
    """What the outbox's threads do."""
    while world.outbox.reconcile(Key(outbox.KIND, "shop", uid)) is not None:
        pass


def settle(world: World, uid: str = JOB_UID) -> None:
    """Decide, deliver, note that it is delivered."""
    reconcile(world)
    deliver(world, uid)
    reconcile(world)


def told(world: World) -> list[tuple[str, int | None]]:
    return [(event.state.value, event.status_code) for _, _, event in world.telemetry.told]


def patches(world: World) -> list[str]:
    return world.api.asked("PATCH")


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"cronitor_controller_{name}_total", labels) or 0.0


@pytest.fixture
def included(world: World) -> World:
    world.label("shop")
    world.put(CRON_JOB, cron_job(include="true"))
    return world


def pod_of_job(
    *regular: Json,
    journal: str | None = None,
    uid: str = JOB_UID,
    phase: str = "Running",
    tells: str = "run,complete,fail",
) -> Json:
    own = container_status("cronitor", running(STARTED_AT) if journal is None else terminated(STARTED_AT, journal))
    return pod(
        metadata={
            "ownerReferences": [owned_by("Job", "backup-1", uid)],
            "annotations": {"k8s.cronitor.io/sidecar-tells": tells},
        },
        initContainers=[{"name": "cronitor", "restartPolicy": "Always"}],
        status={"phase": phase, "initContainerStatuses": [own], "containerStatuses": list(regular)},
    )


def pod_alone(*regular: Json, phase: str = "Running") -> Json:
    return pod(status={"phase": phase, "containerStatuses": list(regular)})


APP_RUNS = container_status("app", running(STARTED_AT))


def app_ended(code: int = 0, at: str = "2026-03-01T12:09:58Z") -> Json:
    end = terminated(STARTED_AT, code=code)
    end["terminated"]["finishedAt"] = at
    return container_status("app", end)


def now(seconds_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))


# --- opening ---------------------------------------------------------------------------------------------------------


def test_a_job_of_an_included_cron_job_is_marked_once(included: World) -> None:
    before = count("runs_opened")
    included.put(JOB, job())
    reconcile(included)
    assert mark_of(included) == MARK
    assert count("runs_opened") == before + 1
    reconcile(included)
    assert patches(included) == [f"PATCH {JOB}"]


def test_the_mark_is_all_that_is_written(included: World) -> None:
    before = included.put(JOB, job(annotations={"theirs": "kept"}))
    reconcile(included)
    after = included.api.get(JOB)
    assert after is not None
    assert after["metadata"]["annotations"].pop(run_mark.ANNOTATION)
    for found in (before, after):
        del found["metadata"]["resourceVersion"]
    assert after == before


@pytest.mark.parametrize(
    ("what", "a_job", "a_cron_job"),
    [
        ("not included", job(), cron_job()),
        ("excluded", job(), cron_job(include="true", exclude="true")),
        ("a value that cannot be read", job(), cron_job(include="yes")),
        ("finished before anybody saw it", job(status=ended()), cron_job(include="true")),
        ("a bare Job", job(owner={}), cron_job(include="true")),
        ("of a CronJob that was made anew", job(), cron_job(uid="newer", include="true")),
        ("of another CronJob", job(owner=owned_by("CronJob", "other", "u")), cron_job(include="true")),
    ],
)
def test_whose_jobs_are_not_marked(world: World, what: str, a_job: Json, a_cron_job: Json) -> None:
    world.label("shop")
    world.put(CRON_JOB, a_cron_job)
    world.put(JOB, a_job)
    reconcile(world)
    assert patches(world) == [], what


def test_a_namespace_without_the_label_opens_no_run(world: World) -> None:
    world.put(CRON_JOB, cron_job(include="true"))
    world.put(JOB, job())
    reconcile(world)
    assert patches(world) == []


def test_an_unknown_job_is_nothing_to_do(world: World) -> None:
    assert world.runs.reconcile(KEY) is None


def test_an_open_run_goes_on_when_label_and_annotation_have_gone(world: World) -> None:
    world.put(JOB, marked(MARK))
    world.put(CRON_JOB, cron_job(include="false", key="edited"))
    world.put(POD, pod_of_job(APP_RUNS))
    reconcile(world)
    assert mark_of(world) == STARTED


def test_an_open_run_goes_on_when_its_cron_job_has_gone(world: World) -> None:
    world.put(JOB, marked(MARK))
    world.put(POD, pod_of_job(APP_RUNS))
    reconcile(world)
    assert mark_of(world) == STARTED


def test_a_mark_that_somebody_spoilt_is_written_anew(included: World) -> None:
    included.put(JOB, job(annotations={run_mark.ANNOTATION: "spoilt"}))
    reconcile(included)
    assert mark_of(included) == MARK


def test_the_copied_manifest_of_a_finished_job_is_a_new_run(included: World) -> None:
    included.put(JOB, marked(RunMark("copied", "n", start=CREATED_AT, verdict="complete", job="the-original")))
    reconcile(included)
    assert mark_of(included) == MARK
    included.put(POD, pod_of_job(APP_RUNS))
    reconcile(included)
    assert mark_of(included) == STARTED


def test_a_job_that_nobody_has_begun_is_marked_once_it_has(included: World) -> None:
    included.put(JOB, job(status={"startTime": None}))
    reconcile(included)
    assert patches(included) == []
    included.put(JOB, job())
    reconcile(included)
    assert mark_of(included) == MARK


def test_an_annotation_that_cannot_be_read_is_told_once(included: World, caplog: pytest.LogCaptureFixture) -> None:
    included.put(CRON_JOB, cron_job(include="true", grace_seconds="soon"))
    included.put(JOB, job())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            reconcile(included)
    (record,) = [record for record in caplog.records if record.message == "bad_annotation"]
    assert record.__dict__["cronjob"] == "backup"
    assert "k8s.cronitor.io/grace-seconds: 'soon' cannot be used" in record.__dict__["problem"]
    assert mark_of(included) == MARK


# --- while the sidecar speaks ----------------------------------------------------------------------------------------


def test_the_start_and_then_what_the_sidecar_told_are_added_and_nothing_is_sent(included: World) -> None:
    included.put(JOB, job())
    settle(included)
    included.put(POD, pod_of_job(APP_RUNS))
    settle(included)
    assert mark_of(included) == STARTED
    journal = f"{COMPLETE_TOLD}\n{RUN_TOLD}"
    included.put(POD, pod_of_job(app_ended(), journal=journal, phase="Succeeded"))
    settle(included)
    included.put(JOB, job(annotations=included.api.get(JOB)["metadata"]["annotations"], status=ended()))  # type: ignore[index]
    settle(included)
    assert mark_of(included) == replace(STARTED, run=True, verdict="complete")
    assert len(patches(included)) == 3
    assert included.telemetry.told == []


def test_a_start_of_an_ignored_container_is_none(included: World) -> None:
    included.put(JOB, marked(MARK))
    waiting = container_status("app", {"waiting": {"reason": "PodInitializing"}})
    two = pod_of_job(waiting, container_status("istio-proxy", running(STARTED_AT)))
    two["spec"]["containers"].append({"name": "istio-proxy"})
    included.put(POD, two)
    settle(included)
    assert mark_of(included) == replace(MARK, selective=True)
    assert included.telemetry.told == []


def test_pods_of_an_earlier_job_of_the_same_name_do_not_count(included: World) -> None:
    included.put(JOB, marked(MARK))
    included.put(POD, pod_of_job(APP_RUNS, uid="earlier"))
    settle(included)
    assert patches(included) == []


def test_what_a_pod_showed_that_has_gone_is_remembered(included: World) -> None:
    included.put(JOB, marked(MARK))
    included.put(POD, pod_of_job(APP_RUNS, journal=RUN_TOLD))
    included.delete(POD)
    reconcile(included)
    assert mark_of(included) == replace(STARTED, run=True)
    assert included.telemetry.told == []


def test_a_jobs_end_waits_for_the_journal_of_its_sidecar(included: World) -> None:
    included.put(JOB, marked(STARTED, status=ended(at=now(0)) | {"succeeded": 1}))
    included.put(POD, pod_of_job(app_ended()))
    again = reconcile(included)
    assert again is not None
    assert 0 < again <= 60
    assert patches(included) == []
    included.put(POD, pod_of_job(app_ended(), journal=f"{COMPLETE_TOLD}\n{RUN_TOLD}", phase="Succeeded"))
    settle(included)
    assert mark_of(included) == replace(STARTED, run=True, verdict="complete")
    assert included.telemetry.told == []


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
        (Absence(CREATED_AT + 601, CREATED_AT + 700), False),
        (Absence(None, CREATED_AT + 700), False),
    ],
)
def test_a_job_first_seen_finished_is_told_if_it_ended_while_nobody_led(
    included: World, absence: Absence, is_told: bool
) -> None:
    included.runs.absence = absence
    included.put(POD, pod_alone(app_ended(), phase="Succeeded"))
    included.put(JOB, job(status=ended() | {"succeeded": 1}))
    settle(included)
    assert told(included) == ([("run", None), ("complete", 0)] if is_told else [])
    assert (mark_of(included) is not None) is is_told


def test_after_an_absence_what_the_journal_says_was_told_is_not_told_again(included: World) -> None:
    included.runs.absence = Absence(CREATED_AT, CREATED_AT + 700)
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
    included.runs.absence = Absence(None if since is None else began - since, began)
    settle(included)
    assert told(included) == ([("run", None), ("fail", None)] if is_told else [])
    assert included.book.named("shop", "backup-1") == []


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_change_that_is_no_news_does_not_keep_the_mark_from_being_written(included: World) -> None:
    included.put(JOB, job())
    included.put(JOB, job(status={"ready": 1}, annotations={"theirs": "changed"}))
    reconcile(included)
    assert mark_of(included) == MARK


def test_who_decided_on_an_older_version_is_refused_and_decides_again(included: World) -> None:
    included.put(JOB, job())

    def other_leader(request: Request) -> None:
        if request.method == "PATCH" and mark_of(included) is None:
            included.api.put(JOB, marked(RunMark("theirs", "shop/backup", job=JOB_UID)))

    included.api.on_request = other_leader
    assert reconcile(included) is not None
    reconcile(included)
    assert mark_of(included) == RunMark("theirs", "shop/backup", job=JOB_UID)
    assert len(patches(included)) == 1


def test_a_job_that_was_made_anew_meanwhile_is_not_marked_by_what_was_known_of_the_other(included: World) -> None:
    included.put(JOB, job())

    def replaced(request: Request) -> None:
        if request.method == "PATCH":
            included.api.delete(JOB)
            included.api.put(JOB, job(uid="newer"))

    included.api.on_request = replaced
    assert included.runs.reconcile(KEY) is not None
    assert mark_of(included) is None


def test_a_job_that_has_gone_meanwhile_is_no_failure(included: World) -> None:
    included.put(JOB, job())
    included.api.fail("PATCH", Fault(404, "NotFound"))
    before = count("runs_opened")
    assert included.runs.reconcile(KEY) is not None
    assert count("runs_opened") == before


@pytest.mark.parametrize("fault", [Fault(500), Fault(403, "Forbidden"), Fault()], ids=str)
def test_a_failure_is_raised(included: World, fault: Fault) -> None:
    included.put(JOB, job())
    included.api.fail("PATCH", fault)
    with pytest.raises(KubeError):
        included.runs.reconcile(KEY)
