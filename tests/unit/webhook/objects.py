"""Builds the CronJobs, Jobs and pods that the tests of the webhook look at, as the API server would tell them."""

from typing import Any

from webhook.journal import Report

Json = dict[str, Any]

NAMESPACE = "shop"
CREATED = "2026-03-01T12:00:00Z"
CREATED_AT = 1772366400.0
CRON_JOB_UID = "11111111-aaaa"
JOB_UID = "22222222-bbbb"


def owned_by(kind: str, name: str, uid: str, api_version: str = "batch/v1") -> Json:
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}


def cron_job(
    of_name: str = "backup", /, *, uid: str = CRON_JOB_UID, namespace: str = NAMESPACE, **annotations: str
) -> Json:
    """Annotations by their key without prefix: `key_inference="name"` is `k8s.cronitor.io/key-inference: name`."""
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": of_name,
            "namespace": namespace,
            "uid": uid,
            "annotations": {f"k8s.cronitor.io/{key.replace('_', '-')}": text for key, text in annotations.items()},
        },
        "spec": {"schedule": "* * * * *"},
    }


def job(
    name: str = "backup-1",
    *,
    uid: str = JOB_UID,
    namespace: str = NAMESPACE,
    owner: Json | None = None,
    annotations: dict[str, str] | None = None,
    status: Json | None = None,
    **spec: Any,
) -> Json:
    """A Job of the CronJob above, or of `owner`; an empty `owner` is none."""
    owner = owned_by("CronJob", "backup", CRON_JOB_UID) if owner is None else owner
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "creationTimestamp": CREATED,
            "annotations": annotations or {},
            "ownerReferences": [owner] if owner else [],
        },
        "spec": {"parallelism": 1, "completions": 1, "backoffLimit": 6, **spec},
        "status": {"startTime": CREATED, **(status or {})},
    }


def ended(kind: str = "Complete", at: str = "2026-03-01T12:10:00Z") -> Json:
    """The status of a Job that has its terminal condition."""
    return {"conditions": [{"type": kind, "status": "True", "lastTransitionTime": at}]}


def pod(name: str = "", *, metadata: Json | None = None, status: Json | None = None, **spec: Any) -> Json:
    """A pod of the Job above, as it comes to admission: without a name, with what the API server defaults."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **({"name": name} if name else {"generateName": "backup-1-"}),
            "labels": {"batch.kubernetes.io/job-name": "backup-1"},
            "ownerReferences": [owned_by("Job", "backup-1", JOB_UID)],
            **(metadata or {}),
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 30,
            "containers": [{"name": "app", "image": "busybox:1.36", "resources": {}}],
            **spec,
        },
        **({"status": status} if status else {}),
    }


def container_status(name: str, state: Json | None = None, last: Json | None = None) -> Json:
    return {"name": name, "state": state or {}, "lastState": last or {}, "restartCount": 1 if last else 0}


def running(since: str) -> Json:
    return {"running": {"startedAt": since}}


def terminated(start: str | None = None, message: str = "", code: int = 0) -> Json:
    return {"terminated": {"exitCode": code, "startedAt": start, "message": message}}


def verdict_told(report: Report) -> str:
    """`complete` or `fail` where the journal says that one was told, else ''."""
    return next((event.state.value for event in report.told if event.is_verdict), "")
