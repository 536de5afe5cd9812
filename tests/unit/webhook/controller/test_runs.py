"""Runs and their marks on the Jobs, over a running API server: when they are opened and written."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.webhook.api_store import Fault, Request
from tests.unit.webhook.controller.conftest import World
from tests.unit.webhook.controller.run_scene import (
    APP_RUNS,
    COMPLETE_TOLD,
    CRON_JOB,
    JOB,
    KEY,
    MARK,
    POD,
    RUN_TOLD,
    STARTED,
    STARTED_AT,
    app_ended,
    count,
    mark_of,
    marked,
    now,
    patches,
    pod_of_job,
    reconcile,
    settle,
)
from tests.unit.webhook.objects import (
    CREATED_AT,
    JOB_UID,
    container_status,
    cron_job,
    ended,
    job,
    owned_by,
    running,
)
from webhook import run_mark
from webhook.errors import KubeError
from webhook.run_mark import RunMark

Json = dict[str, Any]


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
    assert "k8s.cronitor.io/grace-seconds: 'soon' is ignored" in record.__dict__["problem"]
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
