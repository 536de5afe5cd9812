"""Starts that hang and that no sidecar can tell: unschedulable, refused, not begun by the kubelet, or waiting on what
does not heal. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook import workloads
from webhook.controller.attempts import STUCK_REASONS, Attempt, Container

Json = Mapping[str, Any]

NOTHING_STARTED = "its volumes, its network or an image are not ready"
"""A volume's Secret that is not there, say: the kubelet tells that in Events alone."""

FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 10.0, 600.0
"""Between failed pods of a Job (job_controller.go, `…JobPodFailureBackOff`)."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Seconds: `waiting` on an image or configuration; `unscheduled` for a pod without a node, that starts nothing on
    it, or that is not made."""

    waiting: float = 120.0
    unscheduled: float = 600.0


@dataclass(frozen=True, slots=True)
class Hanging:
    """What hangs, Kubernetes' own words on it, and when (Unix seconds) it counts as stuck."""

    what: str
    detail: str
    due: float


def find(
    job: Json, attempts: Sequence[Attempt], waiting_since: Mapping[str, float], refusal: str, thresholds: Thresholds
) -> Hanging | None:
    """The start of a Job that goes on which hangs now; of a crowd only while none of its pods has started."""
    if workloads.is_suspended(job) or job["spec"].get("parallelism") == 0:
        return None
    if workloads.is_crowd(job) and any(one.starts for one in attempts):
        return None
    alive = [one for one in attempts if not one.is_over]
    for attempt in (one for one in alive if one.deleted_at is None):
        if attempt.unschedulable_since is not None:
            due = attempt.unschedulable_since + thresholds.unscheduled
            return Hanging("pod Unschedulable", attempt.unschedulable_message, due)
        waiting = stuck_container(attempt)
        if waiting and (since := waiting_since.get(attempt.uid)) is not None:
            what = f"{waiting.name} {waiting.waiting}"
            return Hanging(what, waiting.waiting_message, since + thresholds.waiting)
        if attempt.scheduled_since is not None and not attempt.has_started:
            return Hanging("pod not started", NOTHING_STARTED, attempt.scheduled_since + thresholds.unscheduled)
    return None if alive else _not_made(job, attempts, refusal, thresholds)


def stuck_container(attempt: Attempt) -> Container | None:
    """The container that waits on what does not heal, where that is not for the pod's own sidecar to tell."""
    if attempt.tells is not None and "fail" in attempt.tells and not attempt.sidecar_waits:
        return None
    # A native sidecar that hangs, ours too, keeps all others from starting.
    blocking = (*attempt.native, *(c for c in attempt.containers if c.is_init or c in attempt.watched))
    return next((c for c in blocking if c.waiting in STUCK_REASONS), None)


def _not_made(job: Json, attempts: Sequence[Attempt], refusal: str, thresholds: Thresholds) -> Hanging | None:
    """The next pod should be there, once the Job controller has waited as long as it does after failures."""
    if any(one.phase == "Succeeded" for one in attempts):
        return None  # none is to come, but the Job's condition
    ends = [end for one in attempts for end in (one.finished_at, one.deleted_at, one.gone_at)]
    began = [workloads.epoch((job.get("status") or {}).get("startTime")), *ends]
    since = max((moment for moment in began if moment is not None), default=None)
    due = None if since is None else since + _backoff(job) + thresholds.unscheduled
    return None if due is None else Hanging("no pod could be created", refusal, due)


def _backoff(job: Json) -> float:
    """What the Job controller waits before the next pod: doubled by every failed one."""
    failed = workloads.failed_pods(job)
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failed - 1, 30), LONGEST_BACKOFF_SECONDS) if failed else 0.0
