"""The events that the controller tells of a run, made from the Job and its attempts. Pure.

Fields as in the reporting contract: `status_code` is of the last attempt that ended by itself, the exit code of the
container that failed first; `stamp` of a verdict the last watched end, else the time of what decided it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from webhook import workloads
from webhook.controller.attempts import Attempt, End
from webhook.telemetry import MESSAGE_LIMIT, Event, State

Json = Mapping[str, Any]

DETAIL_LIMIT = 300
"""Characters of Kubernetes' own words on a stuck start, and of all that is said of an attempt: a mark holds many."""

BY_AN_EXIT = frozenset({"", "BackoffLimitExceeded", "PodFailurePolicy", "MaxFailedIndexesExceeded", "FailedIndexes"})
"""Reasons of a failed Job that a container's exit brought about (batch/v1, `JobReason…`)."""

IMPLIED = frozenset({"", "BackoffLimitExceeded"})
"""Those that the attempts' count says as well."""


def run(start: float, job: Json, attempts: Sequence[Attempt]) -> Event:
    """The first container start."""
    first = next((one for one in attempts if one.starts), None)
    return Event(State.RUN, start, "manual" if workloads.is_manual(job) else "", host=first.node if first else "")


def complete(job: Json, attempts: Sequence[Attempt], start: float | None, at: float) -> Event:
    """`at` counts where no end was seen."""
    succeeded = [one for one in attempts if one.phase == "Succeeded"] or list(attempts[-1:])
    stamp = _last_end(succeeded, at, start)
    last = succeeded[-1] if succeeded else None
    # A pod may have failed by what does not count: it is no failed attempt before itself.
    itself = last is not None and _failed_as_a_pod(last)
    failed = max(_errors(job, last, has_failed=False) - itself, 0)
    return Event(
        State.COMPLETE,
        stamp,
        _message(job, "", failed, last, last.standing if last else []),
        status_code=0,
        duration=_duration(stamp, start),
        errors=failed,
        succeeded=_succeeded(job),
        host=last.node if last else "",
    )


def fail(job: Json, attempts: Sequence[Attempt], start: float | None, at: float, reason: str) -> Event:
    """`reason` is that of the Job's condition; `at` counts where no end was seen."""
    code = _exit(attempts) if reason in BY_AN_EXIT else None
    shown = code[0] if code and workloads.is_crowd(job) else (attempts[-1] if attempts else None)
    stamp = _last_end(attempts if workloads.is_crowd(job) else attempts[-1:], at, start)
    if code and shown and _restarts_in_place(shown) and not shown.was_failed_by_kubelet and code[1].at is not None:
        stamp = max(code[1].at, start or 0.0)  # what ran on until the pod was deleted did not decide it
    failed = max(_failed_before(job, shown) - (not _restarts_in_place(shown)), 0)
    taken_away = shown.taken_away if shown else ""
    standing = shown.standing_failed if shown else []
    message = _message(job, "" if reason in IMPLIED else reason, failed, shown, standing)
    return Event(
        State.FAIL,
        stamp,
        (f"{message} · {taken_away}" if taken_away and taken_away != reason else message)[:MESSAGE_LIMIT],
        status_code=code[1].code if code else None,
        duration=_duration(stamp, start),
        errors=_errors(job, shown),
        succeeded=_succeeded(job),
        host=shown.node if shown else "",
    )


def deleted(job: Json, attempts: Sequence[Attempt], start: float | None, at: float) -> Event:
    """The Job was deleted, or replaced, before it had ended."""
    last = attempts[-1] if attempts else None
    stamp = _last_end(attempts[-1:], at, start)
    failed = _failed_before_deletion(job, attempts)
    return Event(
        State.FAIL,
        stamp,
        _message(job, "Job deleted", failed, last, last.standing if last else []),
        duration=_duration(stamp, start),
        errors=_errors_before_deletion(job, last, failed),
        succeeded=_succeeded(job),
        host=last.node if last else "",
    )


def attempt(
    job: Json, failed: Attempt, identity: str, number: int, failure: End | None, start: float, at: float
) -> Event:
    """An attempt that failed and is not the run's last word: `failure` by itself, None where it was taken away."""
    was_deleted = failure is None and not failed.taken_away and (failed.deleted_at or failed.gone_at)
    reason = failed.taken_away or ("pod deleted" if was_deleted else "")
    parts = [_head(job, failed, number - 1), *failed.standing_failed, reason]
    stamp = max(at, start)
    return Event(
        State.FAIL,
        stamp,
        " · ".join(part for part in parts if part)[:DETAIL_LIMIT],
        status_code=failure.code if failure else None,
        duration=_duration(stamp, start),
        errors=workloads.failed_pods(job) if workloads.is_crowd(job) else number,
        succeeded=_succeeded(job),
        host=failed.node,
        attempt=identity,
    )


def stuck(job: Json, last: Attempt | None, now: float, what: str, detail: str, code: int | None = None) -> Event:
    """A start, or a retry, that does not come: `what` hangs, and Kubernetes' words on it; `code` of what failed."""
    words = f": {detail[:DETAIL_LIMIT]}" if detail else ""
    before = workloads.failed_pods(job) if last is None or last.is_over else _failed_before(job, last)
    message = f"{_head(job, last, before)} · {what}{words}"[:MESSAGE_LIMIT]
    return Event(State.FAIL, now, message, status_code=code, stuck=True, host=last.node if last else "")


def _exit(attempts: Sequence[Attempt]) -> tuple[Attempt, End] | None:
    """The newest attempt that failed by itself, and how."""
    for attempt in reversed(attempts):
        if failure := attempt.own_failure():
            return attempt, failure
    return None


def _restarts_in_place(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt.restart_policy == "OnFailure"


def _failed_as_a_pod(attempt: Attempt) -> bool:
    return attempt.phase == "Failed" and (attempt.was_failed_by_kubelet or not _restarts_in_place(attempt))


def _failed_before(job: Json, attempt: Attempt | None, *, has_failed: bool = True) -> int:
    """Failed pods; under `OnFailure` restarts, and the other pods that have failed.

    `has_failed`: so has the Job, which then counts this pod as well once that is over, though its last attempt may
    have ended well.
    """
    failed = workloads.failed_pods(job)
    if attempt is None or not _restarts_in_place(attempt):
        return failed
    counted = attempt.phase == "Failed" or (has_failed and (attempt.is_over or attempt.deleted_at is not None))
    return attempt.restarts + max(failed - counted, 0)


def _failed_before_deletion(job: Json, attempts: Sequence[Attempt]) -> int:
    """The same without the last pod itself: of a Job that goes after its pods it may count as failed by then."""
    failed = workloads.failed_pods(job)
    lost = [one for one in attempts if one.phase == "Failed" or one.deleted_at is not None]
    itself = bool(lost) and lost[-1] is attempts[-1]
    restarts = attempts[-1].restarts if attempts and _restarts_in_place(attempts[-1]) else 0
    return restarts + failed - (itself and failed >= len(lost))


def _errors_before_deletion(job: Json, last: Attempt | None, failed: int) -> int:
    if last is None or workloads.is_crowd(job) or not _restarts_in_place(last):
        return workloads.failed_pods(job)
    return failed + _failed_as_a_pod(last)


def _errors(job: Json, attempt: Attempt | None, *, has_failed: bool = True) -> int:
    if workloads.is_crowd(job):
        return workloads.failed_pods(job)
    itself = attempt is not None and _restarts_in_place(attempt) and _failed_as_a_pod(attempt)
    return _failed_before(job, attempt, has_failed=has_failed) + itself


def _succeeded(job: Json) -> int | None:
    return int((job.get("status") or {}).get("succeeded") or 0) if workloads.is_crowd(job) else None


def _last_end(attempts: Sequence[Attempt], at: float, start: float | None) -> float:
    ends = [one.finished_at for one in attempts]
    known = [end for end in ends if end is not None]
    stamp = max(known) if known and len(known) == len(ends) else at
    return stamp if start is None else max(stamp, start)


def _duration(stamp: float, start: float | None) -> float | None:
    return None if start is None else max(0.0, stamp - start)


def _head(job: Json, attempt: Attempt | None, failed: int) -> str:
    limit = workloads.backoff_limit(job)
    head = _crowd_head(job) if workloads.is_crowd(job) else f"attempt {failed + 1}/{limit + 1}"
    return f"manual · {head}" if workloads.is_manual(job) else head


def _crowd_head(job: Json) -> str:
    status, completions = job.get("status") or {}, job["spec"].get("completions")
    of = f"/{completions}" if completions else ""
    parts = [f"{status.get('succeeded') or 0}{of} succeeded", f"{workloads.failed_pods(job)} failed"]
    if indexes := status.get("failedIndexes"):
        parts.append(f"failed indexes {indexes[:DETAIL_LIMIT]}")
    return " · ".join(parts)


def _message(job: Json, reason: str, failed: int, attempt: Attempt | None, standing: Sequence[str]) -> str:
    """Such as `attempt 3/7 · app 137 OOMKilled · helper 0`."""
    parts = [reason, _head(job, attempt, failed), *standing]
    return " · ".join(part for part in parts if part)[:MESSAGE_LIMIT]
