"""Which failed attempts of a run are told each on its own (`alert-on: attempt`), beside its `run` and verdict. Pure.

Only the controller tells them: a `fail` for each attempt that is known not to be the run's last word.

| an attempt is | told once |
|---|---|
| a pod that failed, or was taken away | another came after it; or the Job counts it, has retries left, and goes on |
| a pod that was deleted by hand | another came after it, and the Job counts it |
| of a crowd, a pod that failed | the Job counts it as above; or has ended, not by this one |
| `OnFailure`: a container's failure | a restart follows that is below the limit; of several only the newest |

Never more pods than the Job counts: none that was suspended, none that a podFailurePolicy ignores. Not told is what
never started or failed before the run began; nor anything once the verdict is decided, or while a sidecar may have told
it that cannot be read yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from webhook import workloads
from webhook.controller import telling
from webhook.controller.attempts import Attempt, Container, End
from webhook.run_mark import RunMark
from webhook.telemetry import Event

MOST = 50
"""So many pods of one run are told, and so many events wait for Cronitor: the mark must fit the Job's annotations."""

RUN_SECONDS = 15.0
"""So long after a container's start its sidecar has told `run`; its journal says so only when the pod has ended."""

UID_LENGTH = 8

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be told now; seconds after which to look again though nothing changes."""

    events: tuple[Event, ...] = ()
    look_again: float | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """`is_over`: how the Job ends is decided, or it is going; `has_succeeded`: it ends well."""

    job: Json
    attempts: Sequence[Attempt]
    is_over: bool
    has_succeeded: bool

    @property
    def lost(self) -> list[Attempt]:
        """The pods that the Job counts as failed, or will; those that still take their time to end included."""
        return [one for one in self.attempts if _is_lost(one)]

    @property
    def has_retries(self) -> bool:
        # Before Kubernetes 1.31 the last failure is counted a moment before anything says that it was the last.
        per_index = self.job["spec"].get("backoffLimitPerIndex") is not None
        is_left = not per_index or workloads.active_pods(self.job) > 0
        return is_left and workloads.failed_pods(self.job) <= workloads.backoff_limit(self.job)


def due(mark: RunMark, job: Json, attempts: Sequence[Attempt], *, gone: bool, now: float) -> Due:
    """`mark` is as it is to be otherwise. Not to be asked once the verdict was decided in an earlier look."""
    if mark.start is None or (not mark.verdict and any(_may_have_told(one, job) for one in attempts)):
        return Due()
    is_over = gone or workloads.is_finished(job) or workloads.is_ending(job) or _is_deleted(job)
    has_succeeded = workloads.true_condition(job, "Complete", "SuccessCriteriaMet") is not None
    run = _Run(job, attempts, is_over, has_succeeded)
    restarts = _restarts(mark, run, mark.start)
    if not mark.run:
        if not restarts or not any(_tells_run(one) for one in attempts):
            return Due()
        if (wait := mark.start + RUN_SECONDS - now) > 0:
            return Due(look_again=wait)
    pods = _pods(mark, run, mark.start, now) if mark.run else []
    waiting = sum(bool(event.attempt) for event in mark.owed)
    room = max(MOST - max(len(mark.attempts), waiting), 0)
    return Due(tuple(sorted([*pods, *restarts], key=lambda event: event.stamp)[:room]))


def deliverable(mark: RunMark, job: Json, attempts: Sequence[Attempt]) -> tuple[Event, ...]:
    """What is owed, but for failed attempts while a sidecar may have told the verdict: they must not follow it."""
    if mark.verdict or not any(_may_have_told(one, job) for one in attempts):
        return mark.owed
    return tuple(takewhile(lambda event: not event.attempt, mark.owed))


def _may_have_told(attempt: Attempt, job: Json) -> bool:
    """Whether its sidecar, whose journal cannot be read yet, may have told the verdict by what is seen of the pod."""
    if not attempt.sidecar_runs or not (attempt.tells or frozenset()) & {"complete", "fail"}:
        return False
    if attempt.has_done_its_part or attempt.deleted_at is not None:
        return True
    if attempt.restart_policy == "OnFailure":
        return attempt.restarts >= _restart_limit(job)
    return attempt.own_failure() is not None


def _tells_run(attempt: Attempt) -> bool:
    """Whether its sidecar goes on and has told the run's start, as far as can be known while it does."""
    return attempt.sidecar_runs and not attempt.sidecar_waits and "run" in (attempt.tells or ())


# --- pods ------------------------------------------------------------------------------------------------------------


def _pods(mark: RunMark, run: _Run, start: float, now: float) -> list[Event]:
    told = {one for one in mark.attempts if "." not in one}
    counted, has_policy = workloads.failed_pods(run.job), bool(run.job["spec"].get("podFailurePolicy"))
    # Of those that were deleted the Job may count some: not the ones that went because it was suspended.
    failed = [one for one in run.lost if not _was_deleted(one) or _identity(one) in told]
    deleted = [one for one in run.lost if one not in failed]
    known = len({_identity(one) for one in failed} | told)
    untold = [one for one in failed if _identity(one) not in told]
    left = max(counted - len(told), 0)
    # A podFailurePolicy has fewer counted than have failed: the newest, as a rule, since each is told at once.
    counting = [*(_newest(untold, left) if has_policy else untold[:left]), *_newest(deleted, counted - known)]
    due = [
        one for one in counting if _has_begun(one, start, now) and _is_settled(one, run, all_counted=counted >= known)
    ]
    numbered = [one for one in run.lost if one in failed or one in due]
    in_all = (counted if has_policy else max(counted, known)) - _counted_unseen(run, numbered, counted - known)
    numbers = {_identity(one): max(in_all - later, 1) for later, one in enumerate(reversed(numbered))}
    return [
        telling.attempt(
            run.job, one, _identity(one), numbers[_identity(one)], _failure(one), start, _ended_at(one, now)
        )
        for one in due
    ]


def _counted_unseen(run: _Run, numbered: Sequence[Attempt], unknown: int) -> int:
    """Of the failures that the Job counts and that are not known yet, those of pods which came after these."""
    if not numbered or workloads.is_crowd(run.job):
        return 0
    newer = len(run.attempts) - 1 - run.attempts.index(numbered[-1])
    return max(min(unknown, newer), 0)


def _newest(attempts: list[Attempt], count: int) -> list[Attempt]:
    return attempts[-count:] if count > 0 else []


def _is_settled(attempt: Attempt, run: _Run, *, all_counted: bool) -> bool:
    """Whether this is certainly not the run's last word; `all_counted` is whether the Job counts all such pods."""
    if not attempt.is_over and not run.is_over:
        return False  # it is being deleted: how its containers end is still to be seen
    is_crowd = workloads.is_crowd(run.job)
    if not is_crowd and attempt is not run.attempts[-1]:
        return True
    if _was_deleted(attempt):
        return False
    if run.is_over:
        return is_crowd and (run.has_succeeded or attempt is not _last_to_fail(run.lost))
    return all_counted and run.has_retries


def _is_lost(attempt: Attempt) -> bool:
    if attempt.phase == "Succeeded" or (attempt.is_selective and attempt.has_done_its_part):
        return False
    return attempt.is_over or attempt.deleted_at is not None


def _was_deleted(attempt: Attempt) -> bool:
    """Whether its deletion is all that is known to have ended it."""
    by_itself = bool(attempt.taken_away) or _failure(attempt) is not None
    return not by_itself and (attempt.deleted_at is not None or attempt.gone_at is not None)


def _last_to_fail(lost: Sequence[Attempt]) -> Attempt | None:
    by_themselves = [one for one in lost if not _was_deleted(one)]
    return max(by_themselves, key=lambda one: _ended_at(one, float("inf")), default=None)


def _has_begun(attempt: Attempt, start: float, now: float) -> bool:
    """What never started is no attempt, and what failed before the run's own start would contradict it."""
    return bool(attempt.starts or _failure(attempt)) and _ended_at(attempt, now) >= start


def _failure(attempt: Attempt) -> End | None:
    """Under `OnFailure` a pod never fails by an exit: those are attempts of their own."""
    return None if attempt.restart_policy == "OnFailure" else attempt.own_failure()


def _ended_at(attempt: Attempt, otherwise: float) -> float:
    failure = _failure(attempt)
    ends = (failure.at if failure else None, attempt.finished_at, attempt.gone_at, attempt.deleted_at)
    return next((end for end in ends if end is not None), otherwise)


# --- restarts in place -----------------------------------------------------------------------------------------------


def _restarts(mark: RunMark, run: _Run, start: float) -> list[Event]:
    if run.is_over and not run.has_succeeded:
        return []  # perhaps by this very failure
    found = []
    for attempt in run.attempts:
        failure = attempt.own_failure()
        if attempt.restart_policy != "OnFailure" or failure is None or failure.at is None or failure.at < start:
            continue
        number = _failures(c for c in attempt.containers if c.is_init or c in attempt.watched)
        if _is_lost(attempt) or number <= _told_of(attempt, mark) or not _is_below_limit(run):
            continue
        identity, attempts = f"{_identity(attempt)}.{number}", attempt.restarts + _pending(attempt.containers)
        found.append(telling.attempt(run.job, attempt, identity, attempts, failure, start, failure.at))
    return found


def _is_below_limit(run: _Run) -> bool:
    """Job controller, pastBackoffLimitOnFailure: the restarts of all its pods that go on."""
    alive = [one for one in run.attempts if not one.is_over]
    restarts = sum(one.restarts + _pending(one.containers) for one in alive)
    return run.has_succeeded or restarts < _restart_limit(run.job)


def _told_of(attempt: Attempt, mark: RunMark) -> float:
    """The newest failure in this pod that was told; all of them where the pod itself was."""
    for one in mark.attempts:
        pod, _, number = one.partition(".")
        if pod == _identity(attempt):
            return int(number) if number.isdecimal() else float("inf")
    return 0


def _failures(containers: Iterable[Container]) -> int:
    """Restarts, those included that are still to come."""
    found = list(containers)
    return sum(one.restarts for one in found) + _pending(found)


def _pending(containers: Iterable[Container]) -> int:
    """Containers that have failed and are not started again yet."""
    return sum(bool(one.end and one.end.code) or one.waiting == "CrashLoopBackOff" for one in containers)


def _restart_limit(job: Json) -> int:
    return max(workloads.backoff_limit(job), 1)


def _identity(attempt: Attempt) -> str:
    return attempt.uid[:UID_LENGTH]


def _is_deleted(job: Json) -> bool:
    return bool(job["metadata"].get("deletionTimestamp"))
