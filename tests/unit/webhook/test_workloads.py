"""What is kept of Jobs, CronJobs and pods, and the questions that are asked of them."""

from typing import Any

import pytest

from tests.unit.webhook.objects import CREATED, CREATED_AT, CRON_JOB_UID, JOB_UID, cron_job, ended, job, owned_by, pod
from webhook import workloads
from webhook.workloads import OwnerReference


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, False),
        ({"parallelism": 0}, False),
        ({"parallelism": None, "completions": None}, False),
        ({"parallelism": 2}, True),
        ({"completions": 2}, True),
        ({"parallelism": 5, "completions": None}, True),
        ({"completionMode": "Indexed", "completions": 1}, False),
        ({"backoffLimitPerIndex": 0}, True),
        ({"backoffLimitPerIndex": 3}, True),
    ],
)
def test_a_job_whose_pods_count_on_their_own_is_a_crowd(spec: dict[str, Any], expected: bool) -> None:
    assert workloads.is_crowd(job(**spec)) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, 0),
        ({"failed": 2}, 2),
        ({"failed": None}, 0),
        ({"uncountedTerminatedPods": {"failed": ["a"], "succeeded": ["b"]}}, 1),
        ({"failed": 1, "uncountedTerminatedPods": {"failed": ["a", "b"]}}, 3),
        ({"failed": 1, "uncountedTerminatedPods": {}}, 1),
    ],
)
def test_failed_pods_count_before_the_job_controller_has_counted_them(status: dict[str, Any], expected: int) -> None:
    assert workloads.failed_pods(job(status=status)) == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (None, False),
        ([], False),
        ([{"type": "Suspended", "status": "True"}], False),
        ([{"type": "SuccessCriteriaMet", "status": "True"}], False),
        ([{"type": "FailureTarget", "status": "True"}], False),
        ([{"type": "Complete", "status": "False"}], False),
        ([{"type": "FailureTarget", "status": "True"}, {"type": "Failed", "status": "True"}], True),
        ([{"type": "Suspended", "status": "False"}, {"type": "Complete", "status": "True"}], True),
    ],
)
def test_a_job_is_finished_by_its_terminal_condition_wherever_it_stands(conditions: Any, expected: bool) -> None:
    assert workloads.is_finished(job(status={"conditions": conditions})) is expected


def test_a_condition_is_found_by_its_type() -> None:
    found = workloads.condition(job(status=ended("Failed")), "Failed")
    assert found is not None
    assert found["status"] == "True"
    assert workloads.condition(job(), "Failed") is None


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ([owned_by("CronJob", "backup", "u")], OwnerReference("CronJob", "backup", "u")),
        ([owned_by("Workflow", "w", "x", "argoproj.io/v1"), owned_by("CronJob", "b", "u")],
         OwnerReference("CronJob", "b", "u")),
        ([owned_by("CronJob", "backup", "u", "example.org/v1")], None),
        ([owned_by("Job", "backup", "u")], None),
        ([], None),
        (None, None),
    ],
)  # fmt: skip
def test_the_owner_is_one_of_that_kind_in_batch(references: Any, expected: OwnerReference | None) -> None:
    assert workloads.owner({"metadata": {"ownerReferences": references}}, "CronJob") == expected


def test_a_job_is_trimmed_to_what_is_used() -> None:
    raw = job(annotations={"k8s.cronitor.io/run": "{}", "other": "x" * 5000, "batch.kubernetes.io/x": "y"})
    raw["metadata"] |= {"managedFields": [{}], "labels": {"a": "b"}, "resourceVersion": "7"}
    raw["spec"] |= {"template": {"spec": {}}, "selector": {}}
    trimmed = workloads.trim_job(raw)
    assert trimmed is not None
    assert set(trimmed) == {"metadata", "spec", "status"}
    assert trimmed["metadata"]["annotations"] == {"k8s.cronitor.io/run": "{}"}
    assert not {"managedFields", "labels"} & set(trimmed["metadata"])
    assert not {"template", "selector"} & set(trimmed["spec"])
    assert (trimmed["metadata"]["uid"], trimmed["metadata"]["resourceVersion"]) == (JOB_UID, "7")


def test_a_trimmed_job_answers_every_question_as_the_whole_one_does() -> None:
    raw = job(
        annotations={"cronjob.kubernetes.io/instantiate": "manual"},
        parallelism=3,
        status={"failed": 1, "uncountedTerminatedPods": {"failed": ["x"]}, **ended("Failed")},
    )
    trimmed = workloads.trim_job(raw)
    assert trimmed is not None
    for question in (workloads.is_crowd, workloads.failed_pods, workloads.is_finished, workloads.is_manual):
        assert question(trimmed) == question(raw)
    assert workloads.owner(trimmed, "CronJob") == OwnerReference("CronJob", "backup", CRON_JOB_UID)


def test_a_job_of_no_cron_job_is_not_kept() -> None:
    assert workloads.trim_job(job(owner={})) is None
    assert workloads.trim_job({"metadata": {"name": "x"}}) is None


def test_a_cron_job_is_trimmed_to_what_is_used() -> None:
    raw = cron_job(include="true")
    raw["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "x" * 5000
    raw["spec"]["jobTemplate"] = {"spec": {}}
    raw["status"] = {"lastScheduleTime": "x"}
    trimmed = workloads.trim_cron_job(raw)
    assert trimmed["metadata"]["annotations"] == {"k8s.cronitor.io/include": "true"}
    assert trimmed["spec"] == {"schedule": "* * * * *"}
    assert "status" not in trimmed


def test_a_pod_is_trimmed_to_how_its_containers_stand() -> None:
    raw = pod("p", metadata={"namespace": "shop", "uid": "u", "labels": {"k8s.cronitor.io/injected": "true", "a": "b"}})
    raw["metadata"] |= {"deletionGracePeriodSeconds": 30, "managedFields": [{}]}
    raw["metadata"]["annotations"] = {"k8s.cronitor.io/sidecar-tells": "run", "other": "x" * 5000}
    raw["spec"] |= {
        "nodeName": "node-1",
        "initContainers": [{"name": "cronitor", "image": "x", "restartPolicy": "Always", "env": []}],
        "volumes": [{}],
    }
    state = {"terminated": {"exitCode": 0, "message": "journal"}}
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "evicted"}
    raw["status"] = {
        "phase": "Failed",
        "reason": "Evicted",
        "startTime": CREATED,
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "False"}, {**disrupted, "lastProbeTime": None}],
        "initContainerStatuses": [{"name": "cronitor", "state": state, "restartCount": 2, "imageID": "x"}],
    }
    trimmed = workloads.trim_pod(raw)
    assert set(trimmed["metadata"]) == {
        "name", "namespace", "uid", "ownerReferences", "deletionGracePeriodSeconds", "labels", "annotations",
    }  # fmt: skip
    assert trimmed["metadata"]["labels"] == {"k8s.cronitor.io/injected": "true"}
    assert trimmed["metadata"]["annotations"] == {"k8s.cronitor.io/sidecar-tells": "run"}
    assert trimmed["spec"] == {
        "nodeName": "node-1",
        "restartPolicy": "Never",
        "initContainers": [{"name": "cronitor", "image": "x", "restartPolicy": "Always"}],
        "containers": [{"name": "app"}],
    }
    assert trimmed["status"] == {
        "phase": "Failed",
        "reason": "Evicted",
        "startTime": CREATED,
        "conditions": [disrupted],
        "initContainerStatuses": [{"name": "cronitor", "state": state, "restartCount": 2}],
        "containerStatuses": [],
    }


def test_trimming_a_pod_that_has_next_to_nothing_raises_nothing() -> None:
    assert workloads.trim_pod({"metadata": {"name": "p"}})["metadata"]["name"] == "p"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("2026-03-01T12:00:00Z", CREATED_AT),
        ("2026-03-01T12:00:00.250000Z", CREATED_AT + 0.25),
        ("2026-03-01T13:00:00+01:00", CREATED_AT),
    ],
)
def test_times_are_unix_seconds(text: str | None, expected: float | None) -> None:
    assert workloads.epoch(text) == expected


def test_a_job_that_a_person_made_is_manual() -> None:
    assert workloads.is_manual(job(annotations={workloads.INSTANTIATE: "manual"}))
    assert not workloads.is_manual(job())


def test_an_orphaned_job_is_kept_while_its_run_is_open() -> None:
    kept = workloads.trim_job(job(owner={}, annotations={workloads.RUN: "{}"}))
    assert kept is not None
    assert kept["metadata"]["annotations"] == {workloads.RUN: "{}"}


def test_a_job_of_no_cron_job_may_be_kept_by_its_name() -> None:
    raw = job(owner={})
    raw["metadata"]["resourceVersion"] = "7"
    assert workloads.trim_any_job(raw) == {
        "metadata": {"name": "backup-1", "namespace": "shop", "uid": JOB_UID, "resourceVersion": "7"}
    }
    assert workloads.trim_any_job(job()) == workloads.trim_job(job())


@pytest.mark.parametrize(
    ("status", "finished_at", "is_ending"),
    [
        ({}, None, False),
        (ended("Complete"), CREATED_AT + 600, False),
        (ended("Failed"), CREATED_AT + 600, False),
        (ended("SuccessCriteriaMet"), None, True),
        (ended("FailureTarget"), None, True),
        ({"conditions": [*ended("FailureTarget")["conditions"], *ended("Failed")["conditions"]]},
         CREATED_AT + 600, True),
        ({"conditions": [{"type": "FailureTarget", "status": "False"}]}, None, False),
        ({"conditions": [{"type": "Complete", "status": "False", "lastTransitionTime": CREATED}]}, None, False),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, None, False),
    ],
)  # fmt: skip
def test_how_far_a_job_has_come(status: Any, finished_at: float | None, is_ending: bool) -> None:
    assert workloads.finished_at(job(status=status)) == finished_at
    assert workloads.is_ending(job(status=status)) is is_ending


def test_a_suspended_job_says_so_in_its_spec() -> None:
    assert workloads.is_suspended(job(suspend=True))
    assert not workloads.is_suspended(job(suspend=None))
    assert not workloads.is_suspended(job())
