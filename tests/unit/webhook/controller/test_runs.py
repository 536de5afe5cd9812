"""Marks on Jobs, as the controller writes them through the API server."""

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
from webhook.controller.queue import Key
from webhook.errors import KubeError
from webhook.run_mark import RunMark

Json = dict[str, Any]

JOB = "/apis/batch/v1/namespaces/shop/jobs/backup-1"
CRON_JOB = "/apis/batch/v1/namespaces/shop/cronjobs/backup"
POD = "/api/v1/namespaces/shop/pods/backup-1-x"
KEY = Key("job", "shop", "backup-1")
MARK = RunMark(CRON_JOB_UID, "shop/backup", job=JOB_UID)
STARTED_AT = "2026-03-01T12:00:05Z"
COMPLETE = '{"e":"complete","t":9.0,"a":1}'


def mark_of(world: World) -> RunMark | None:
    found = world.api.get(JOB)
    assert found is not None
    return run_mark.read(found["metadata"]["annotations"])


def marked(mark: RunMark, **more: Any) -> Json:
    return job(annotations={run_mark.ANNOTATION: run_mark.write(mark)}, **more)


def reconcile(world: World) -> float | None:
    again = world.opener.reconcile(KEY)
    world.seen()
    return again


def patches(world: World) -> list[str]:
    return world.api.asked("PATCH")


@pytest.fixture
def included(world: World) -> World:
    world.label("shop")
    world.put(CRON_JOB, cron_job(include="true"))
    return world


def test_a_job_of_an_included_cron_job_is_marked_once(included: World) -> None:
    before = REGISTRY.get_sample_value("cronitor_controller_runs_opened_total") or 0.0
    included.put(JOB, job())
    assert reconcile(included) is None
    assert mark_of(included) == MARK
    assert REGISTRY.get_sample_value("cronitor_controller_runs_opened_total") == before + 1
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
    assert reconcile(world) is None
    assert patches(world) == [], what


def test_a_namespace_without_the_label_opens_no_run(world: World) -> None:
    world.put(CRON_JOB, cron_job(include="true"))
    world.put(JOB, job())
    reconcile(world)
    assert patches(world) == []


def test_an_unknown_job_is_nothing_to_do(world: World) -> None:
    assert world.opener.reconcile(KEY) is None


def test_an_open_run_goes_on_when_label_and_annotation_have_gone(world: World) -> None:
    world.put(JOB, marked(MARK))
    world.put(CRON_JOB, cron_job(include="false", key="edited"))
    world.put(POD, pod_of_job(container_status("app", running(STARTED_AT))))
    reconcile(world)
    assert mark_of(world) == replace(MARK, start=CREATED_AT + 5)


def test_an_open_run_goes_on_when_its_cron_job_has_gone(world: World) -> None:
    world.put(JOB, marked(MARK))
    world.put(POD, pod_of_job(container_status("app", running(STARTED_AT))))
    reconcile(world)
    assert mark_of(world) == replace(MARK, start=CREATED_AT + 5)


def pod_of_job(*regular: Json, journal: str | None = None, uid: str = JOB_UID) -> Json:
    own = container_status("cronitor", running(STARTED_AT) if journal is None else terminated(STARTED_AT, journal))
    return pod(
        metadata={"ownerReferences": [owned_by("Job", "backup-1", uid)]},
        initContainers=[{"name": "cronitor", "restartPolicy": "Always"}],
        status={"initContainerStatuses": [own], "containerStatuses": list(regular)},
    )


def test_the_start_and_then_the_verdict_of_the_sidecar_are_added(included: World) -> None:
    included.put(JOB, job())
    reconcile(included)
    included.put(POD, pod_of_job(container_status("app", running(STARTED_AT))))
    reconcile(included)
    assert mark_of(included) == replace(MARK, start=CREATED_AT + 5)
    included.put(POD, pod_of_job(container_status("app", terminated(STARTED_AT)), journal=COMPLETE))
    reconcile(included)
    assert mark_of(included) == replace(MARK, start=CREATED_AT + 5, verdict="complete")
    reconcile(included)
    assert len(patches(included)) == 3


def test_a_start_of_an_ignored_container_is_none(included: World) -> None:
    included.put(JOB, marked(MARK))
    waiting = container_status("app", {"waiting": {"reason": "PodInitializing"}})
    included.put(POD, pod_of_job(waiting, container_status("istio-proxy", running(STARTED_AT))))
    reconcile(included)
    assert patches(included) == []


def test_pods_of_an_earlier_job_of_the_same_name_do_not_count(included: World) -> None:
    included.put(JOB, marked(MARK))
    included.put(POD, pod_of_job(container_status("app", running(STARTED_AT)), uid="earlier"))
    reconcile(included)
    assert patches(included) == []


def test_what_a_pod_that_has_gone_showed_is_not_remembered(included: World) -> None:
    included.put(JOB, marked(MARK))
    included.put(POD, pod_of_job(container_status("app", running(STARTED_AT))))
    included.delete(POD)
    reconcile(included)
    assert patches(included) == []


def now(seconds_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))


def test_a_job_that_has_just_ended_is_looked_at_again_for_its_journal(included: World) -> None:
    included.put(JOB, marked(MARK, status=ended(at=now(0))))
    again = reconcile(included)
    assert again is not None
    assert 0 < again <= 5
    assert patches(included) == []


def test_what_no_sidecar_told_is_left_to_the_controller_and_said(
    included: World, caplog: pytest.LogCaptureFixture
) -> None:
    included.put(JOB, marked(MARK, status=ended("Failed", at=now(60))))
    assert reconcile(included) is None
    assert mark_of(included) == replace(MARK, left="no sidecar told it")
    (record,) = [record for record in caplog.records if record.message == "left_to_controller"]
    fields = record.__dict__
    assert (fields["namespace"], fields["job"], fields["series"]) == ("shop", "backup-1", JOB_UID)


def test_who_decided_on_an_older_version_is_refused_and_decides_again(included: World) -> None:
    included.put(JOB, job())

    def other_leader(request: Request) -> None:
        if request.method == "PATCH" and mark_of(included) is None:
            included.api.put(JOB, marked(RunMark("theirs", "shop/backup", job=JOB_UID)))

    included.api.on_request = other_leader
    assert included.opener.reconcile(KEY) is None
    included.seen()
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
    assert included.opener.reconcile(KEY) is None
    assert mark_of(included) is None


def test_a_job_that_has_gone_meanwhile_is_no_failure(included: World) -> None:
    included.put(JOB, job())
    included.api.fail("PATCH", Fault(404, "NotFound"))
    before = REGISTRY.get_sample_value("cronitor_controller_runs_opened_total")
    assert included.opener.reconcile(KEY) is None
    assert REGISTRY.get_sample_value("cronitor_controller_runs_opened_total") == before


@pytest.mark.parametrize("fault", [Fault(500), Fault(403, "Forbidden"), Fault()], ids=str)
def test_a_failure_is_raised(included: World, fault: Fault) -> None:
    included.put(JOB, job())
    included.api.fail("PATCH", fault)
    with pytest.raises(KubeError):
        included.opener.reconcile(KEY)


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


def test_the_copied_manifest_of_a_finished_job_is_a_new_run(included: World) -> None:
    included.put(JOB, marked(RunMark("copied", "n", start=CREATED_AT, verdict="complete", job="the-original")))
    reconcile(included)
    assert mark_of(included) == MARK
    included.put(POD, pod_of_job(container_status("app", running(STARTED_AT))))
    reconcile(included)
    assert mark_of(included) == replace(MARK, start=CREATED_AT + 5)


def test_a_job_that_nobody_has_begun_is_marked_once_it_has(included: World) -> None:
    included.put(JOB, job(status={"startTime": None}))
    assert reconcile(included) is None
    assert patches(included) == []
    included.put(JOB, job())
    reconcile(included)
    assert mark_of(included) == MARK


def test_a_mark_that_somebody_spoilt_is_written_anew(included: World) -> None:
    included.put(JOB, job(annotations={run_mark.ANNOTATION: "spoilt"}))
    reconcile(included)
    assert mark_of(included) == MARK
