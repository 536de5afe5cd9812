"""CronJobs and Jobs as the caches keep them, and the questions that are asked of them. Pure.

Objects are parsed JSON of batch/v1, trimmed to what is used here: some 1 kB instead of 4 or more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webhook.annotations import PREFIX

Json = Mapping[str, Any]
JsonObject = dict[str, Any]

RUN = PREFIX + "run"
"""Annotation of a Job: the mark of its run (`webhook/run_mark.py`)."""

INSTANTIATE = "cronjob.kubernetes.io/instantiate"
"""Annotation of a Job that a person made from a CronJob (`kubectl create job --from`)."""

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "ownerReferences")
_JOB_SPEC = (
    "parallelism",
    "completions",
    "completionMode",
    "backoffLimit",
    "backoffLimitPerIndex",
    "activeDeadlineSeconds",
    "podFailurePolicy",
    "suspend",
    "ttlSecondsAfterFinished",
    "managedBy",
)
_JOB_STATUS = (
    "active",
    "failed",
    "succeeded",
    "failedIndexes",
    "startTime",
    "completionTime",
    "conditions",
    "uncountedTerminatedPods",
)
DEFAULT_BACKOFF_LIMIT = 6
JOB_CONTROLLER = "kubernetes.io/job-controller"
_TERMINAL = ("Complete", "Failed")
_PRECEDING = ("SuccessCriteriaMet", "FailureTarget")
_POD_CONDITIONS = frozenset({"PodScheduled", "DisruptionTarget"})
_CRON_JOB_SPEC = ("schedule", "timeZone", "suspend", "concurrencyPolicy", "startingDeadlineSeconds")


@dataclass(frozen=True, slots=True)
class OwnerReference:
    kind: str
    name: str
    uid: str


def owner(found: Json, kind: str) -> OwnerReference | None:
    """The owner of `kind` (batch/*) of an object, if it has one."""
    for reference in (found.get("metadata") or {}).get("ownerReferences") or ():
        if reference.get("kind") == kind and str(reference.get("apiVersion", "")).startswith("batch/"):
            return OwnerReference(kind, reference.get("name", ""), reference.get("uid", ""))
    return None


def trim_job(job: JsonObject) -> JsonObject | None:
    """A Job reduced to what is used; None for one that no CronJob owns, unless its run is open (an orphaned one's)."""
    if owner(job, "CronJob") is None and RUN not in ((job.get("metadata") or {}).get("annotations") or {}):
        return None
    return {
        "metadata": _trim_metadata(job),
        "spec": _pick(job.get("spec"), _JOB_SPEC),
        "status": _pick(job.get("status"), _JOB_STATUS),
    }


def trim_any_job(job: JsonObject) -> JsonObject:
    """As `trim_job`, but one that no CronJob owns is kept by its name: so that nobody has to ask for it again."""
    return trim_job(job) or {"metadata": _pick(job.get("metadata"), ("name", "namespace", "uid", "resourceVersion"))}


def trim_limit_range(limit_range: JsonObject) -> JsonObject:
    """A LimitRange without its metadata's weight."""
    return {"metadata": _trim_metadata(limit_range), "spec": _pick(limit_range.get("spec"), ("limits",))}


def trim_cron_job(cron_job: JsonObject) -> JsonObject:
    """A CronJob reduced to what is used."""
    return {"metadata": _trim_metadata(cron_job), "spec": _pick(cron_job.get("spec"), _CRON_JOB_SPEC)}


def is_crowd(job: Json) -> bool:
    """Whether a Job may have several pods that count on their own: told by the controller alone."""
    spec = job["spec"]
    return (
        (spec.get("parallelism") or 0) > 1
        or (spec.get("completions") or 0) > 1
        or spec.get("backoffLimitPerIndex") is not None
    )


def failed_pods(job: Json) -> int:
    """Pods of this Job that have failed, those the Job controller is about to count included."""
    status = job.get("status") or {}
    uncounted = (status.get("uncountedTerminatedPods") or {}).get("failed") or ()
    return int(status.get("failed") or 0) + len(uncounted)


def backoff_limit(job: Json) -> int:
    return int(job["spec"].get("backoffLimit", DEFAULT_BACKOFF_LIMIT))


def may_be_retried(job: Json) -> bool:
    """Whether another failed pod is perhaps not the Job's last: which ones count a podFailurePolicy decides."""
    return failed_pods(job) < backoff_limit(job) or bool(job["spec"].get("podFailurePolicy"))


def active_pods(job: Json) -> int:
    """Pods of this Job that had not ended when the Job controller looked last."""
    return int((job.get("status") or {}).get("active") or 0)


def attempts_before_next(job: Json) -> int:
    """Attempts that a pod which is just being made follows, as far as the Job says.

    Of a Job with one pod at a time an active one has failed when another is made; the Job controller counts it after
    that where it comes to both at once. With a podFailurePolicy it may never be counted.
    """
    is_certain = not is_crowd(job) and not job["spec"].get("podFailurePolicy")
    return failed_pods(job) + (min(active_pods(job), 1) if is_certain else 0)


def condition(job: Json, kind: str) -> Json | None:
    """The condition of this type, whatever its status; never by its place in the list."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((found for found in conditions if found.get("type") == kind), None)


def true_condition(job: Json, *kinds: str) -> Json | None:
    """The first of these conditions that holds; None where none does."""
    found = (condition(job, kind) for kind in kinds)
    return next((one for one in found if one is not None and one.get("status") == "True"), None)


def is_finished(job: Json) -> bool:
    """Whether the Job has its terminal condition."""
    return true_condition(job, *_TERMINAL) is not None


def finished_at(job: Json) -> float | None:
    """When the terminal condition came, in Unix seconds; None where there is none."""
    return epoch((true_condition(job, *_TERMINAL) or {}).get("lastTransitionTime"))


def is_ending(job: Json) -> bool:
    """Whether it is decided how the Job ends; its terminal condition follows once its pods have ended."""
    return true_condition(job, *_PRECEDING) is not None


def is_suspended(job: Json) -> bool:
    return bool(job["spec"].get("suspend"))


def is_managed_elsewhere(job: Json) -> bool:
    """Whether another controller runs the Job, and in another cluster perhaps: then no pod of it is to be seen here
    (KEP-4368, `spec.managedBy`)."""
    return bool(job["spec"].get("managedBy", JOB_CONTROLLER) != JOB_CONTROLLER)


def is_manual(job: Json) -> bool:
    return (job["metadata"].get("annotations") or {}).get(INSTANTIATE) == "manual"


def epoch(timestamp: str | None) -> float | None:
    """Unix seconds of an RFC 3339 time as Kubernetes writes it; None for none."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None


def _trim_metadata(found: Json) -> JsonObject:
    metadata = found.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    return {**_pick(metadata, _METADATA), "annotations": {**_ours(annotations), **_pick(annotations, (INSTANTIATE,))}}


def _pick(found: Json | None, names: tuple[str, ...]) -> JsonObject:
    return {name: found[name] for name in names if name in found} if found else {}


def trim_pod(pod: JsonObject) -> JsonObject:
    """A Job's pod reduced to what is used: who owns it, how its containers stand, why it waits or was taken away."""
    metadata, spec, status = pod.get("metadata") or {}, pod.get("spec") or {}, pod.get("status") or {}
    init = [_pick(container, ("name", "image", "restartPolicy")) for container in spec.get("initContainers") or ()]
    containers = {
        key: [_pick(entry, ("name", "state", "lastState", "restartCount")) for entry in status.get(key) or ()]
        for key in ("initContainerStatuses", "containerStatuses")
    }
    conditions = [
        _pick(condition, ("type", "status", "reason", "message", "lastTransitionTime"))
        for condition in status.get("conditions") or ()
        if condition.get("type") in _POD_CONDITIONS
    ]
    return {
        "metadata": {
            **_pick(metadata, (*_METADATA, "deletionGracePeriodSeconds")),
            "labels": _ours(metadata.get("labels")),
            "annotations": _ours(metadata.get("annotations")),
        },
        "spec": {
            **_pick(spec, ("nodeName", "restartPolicy")),
            "initContainers": init,
            "containers": [
                _pick(container, ("name", "restartPolicy", "restartPolicyRules"))
                for container in spec.get("containers") or ()
            ],
        },
        "status": {**_pick(status, ("phase", "reason", "startTime")), "conditions": conditions, **containers},
    }


def _ours(found: Mapping[str, str] | None) -> dict[str, str]:
    return {key: text for key, text in (found or {}).items() if key.startswith(PREFIX)}
