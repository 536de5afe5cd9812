"""Starts that hang and that no sidecar can tell: unschedulable, refused, not begun by the kubelet, or waiting on what
does not heal; and retries that cannot come while a container runs on. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook import workloads
from webhook.controller.attempts import STUCK_REASONS, Attempt, Container

Json = Mapping[str, Any]

NOTHING_STARTED = "its volumes, its network, an image or a native sidecar are not ready"
"""The kubelet tells of some of them in Events alone."""

FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 10.0, 600.0
"""Between failed pods of a Job (job_controller.go, `…JobPodFailureBackOff`)."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Seconds: `waiting` on an image or configuration; `unscheduled` for a pod without a node, that starts nothing on
    it, that is not made, or that cannot be made while a failed one goes on."""

    waiting: float = 120.0
    unscheduled: float = 600.0


@dataclass(frozen=True, slots=True)
class Hanging:
    """What hangs, Kubernetes' own words on it, and when (Unix seconds) it counts as stuck.

    `code` is the exit code of an attempt that no other follows.
    """

    what: str
    detail: str
    due: float
    code: int | None = None


def find(
    job: Json,
    attempts: Sequence[Attempt],
    waiting_since: Mapping[tuple[str, str], float],
    waited: Mapping[str, float],
    refusal: str,
    thresholds: Thresholds,
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
        if waiting and (since := waiting_since.get((attempt.uid, waiting.name))) is not None:
            what = f"{waiting.name} {waiting.waiting}"
            return Hanging(what, waiting.waiting_message, since + thresholds.waiting)
        has_waited = attempt.is_stuck or waited.get(attempt.uid, 0.0) >= thresholds.waiting
        is_told = attempt.sidecar_tells_stuck_starts and has_waited
        if attempt.scheduled_since is not None and not attempt.has_started and not is_told:
            detail = _blocking_sidecar(attempt) or NOTHING_STARTED
            return Hanging("pod not started", detail, attempt.scheduled_since + thresholds.unscheduled)
        failed_at = attempt.finished_at if attempt.has_failed_beside_others else None
        if failed_at is not None and (attempt.may_restart_in_place or workloads.may_be_retried(job)):
            return _not_retried(attempt, failed_at + thresholds.unscheduled)
    return None if alive or workloads.is_managed_elsewhere(job) else _not_made(job, attempts, refusal, thresholds)


def stuck_container(attempt: Attempt) -> Container | None:
    """The container that waits on what does not heal, where that is not for the pod's own sidecar to tell."""
    if attempt.tells is not None and "fail" in attempt.tells and not attempt.sidecar_waits:
        return None
    # A native sidecar that hangs, ours too, keeps all others from starting.
    blocking = (*attempt.native, *(c for c in attempt.containers if c.is_init or c in attempt.watched))
    return next((c for c in blocking if c.waiting in STUCK_REASONS), None)


def _blocking_sidecar(attempt: Attempt) -> str:
    """A native sidecar that has not come up, so that nothing after it starts; '' for none that can be named."""
    return next((f"{one.name} {one.waiting}" for one in attempt.native if one.waiting and one.restarts), "")


def _not_retried(attempt: Attempt, due: float) -> Hanging:
    """The Job controller makes the next pod once this one has ended, which it does not while any container runs."""
    failure = attempt.own_failure()
    going = [one.name for one in attempt.containers if one not in attempt.watched and one.running_since is not None]
    return Hanging(
        " · ".join(attempt.standing_failed),
        f"no retry while {', '.join(going) or 'another container'} runs",
        due,
        failure.code if failure else None,
    )


def _not_made(job: Json, attempts: Sequence[Attempt], refusal: str, thresholds: Thresholds) -> Hanging | None:
    """The next pod should be there, once the Job controller has waited as long as it does after failures."""
    if any(one.phase == "Succeeded" for one in attempts):
        return None  # none is to come, but the Job's condition
    ends = [end for one in attempts for end in (one.finished_at, one.deleted_at, one.gone_at)]
    began = [workloads.epoch((job.get("status") or {}).get("startTime")), *ends]
    since = max((moment for moment in began if moment is not None), default=None)
    due = None if since is None else since + _backoff(job, attempts) + thresholds.unscheduled
    return None if due is None else Hanging("no pod could be created", refusal, due)


def _backoff(job: Json, attempts: Sequence[Attempt]) -> float:
    """What the Job controller waits before the next pod: doubled by every failed one, those included that a
    podFailurePolicy ignores (backoff_utils.go, `newBackoffRecord`)."""
    failed = max(workloads.failed_pods(job), sum(one.phase == "Failed" for one in attempts))
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failed - 1, 30), LONGEST_BACKOFF_SECONDS) if failed else 0.0
