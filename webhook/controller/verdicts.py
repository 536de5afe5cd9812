"""What is to be told of a run, from its Job, the pods as last seen, their journals and the time. Pure.

`decide(mark, seen, rules, now)` gives the mark as it is then to be, with what the controller owes in `RunMark.owed`,
and when to look again. The controller speaks only where the sidecar could not:

| seen | told by the controller |
|---|---|
| a journal whose sidecar has ended, with events not delivered | those very events, in their order |
| a container has started, no sidecar has told it nor will | `run`, with the first start |
| Complete, no `complete` told | `complete`, once every sidecar has ended and its journal is read |
| Failed, no verdict told | `fail` with the condition's reason; nothing after a stuck start that was told |
| Failed, `complete` told, and all containers count | `fail`, a correction |
| Complete, `fail` told, and all containers count | `complete`, a correction: the Job was given more retries, or time |
| the Job is gone unfinished | `fail`, Job deleted (`config.onJobDeleted: silent`: nothing) |
| the Job ended because its pods were deleted with it | the same |
| the watched containers of an uninjected pod have all ended with 0, others go on | `complete` |
| the same of a pod that has ended as a whole, and its sidecar has not told it | `complete` |
| the last attempt of an uninjected pod has failed, others go on | `fail` |
| a start hangs that no sidecar can tell, or a retry | one `fail` after its threshold, cleared by a later `complete` |
| `alert-on: attempt`, and an attempt failed that is not the run's last word | a `fail` of its own (`alerts.py`) |
| the Job vanished while no watch was open | nothing: whether it had ended cannot be known |

`SuccessCriteriaMet` and `FailureTarget` precede the terminal condition; they decide where that does not come.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from webhook import workloads
from webhook.admission.decide import EARLIER_RUN
from webhook.annotations import AlertOn
from webhook.controller import alerts, stuck, telling
from webhook.controller.attempts import Attempt
from webhook.controller.stuck import Thresholds
from webhook.run_mark import RunMark
from webhook.telemetry import Event, State

SIDECAR_SECONDS = 60.0
"""After what decided the Job, its sidecars may take so long to end: a lost node's never do."""
PODS_SECONDS = 15.0
"""How long the pods that the Job has counted may still be under way to the cache: their watch may be opened again later
than the Jobs'."""
CROWD_SECONDS = 10.0
"""After the first start that was seen of several pods: the kubelet shows each by itself, once it has made all of its
containers, which takes a busy node that long."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say; `tell_deleted` is `config.onJobDeleted: fail`."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    tell_deleted: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """One run as last seen. `attempts` oldest first; `gone_at` (Unix seconds) once the Job is no longer there.

    `vanished`: it went while no watch was open, so that its last state is not known. `waiting_since`: since when a
    container, by its pod's UID and its name, has been seen to wait on what does not heal; `waited`: for how many
    seconds any of a pod's did, at the longest. `refusal`: why its pods cannot be created. `decided_seen_at`: since when
    it has been seen how the Job ends.
    """

    job: Json
    attempts: tuple[Attempt, ...] = ()
    gone_at: float | None = None
    vanished: bool = False
    waiting_since: Mapping[tuple[str, str], float] = field(default_factory=dict)
    waited: Mapping[str, float] = field(default_factory=dict)
    refusal: str = ""
    decided_seen_at: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The mark as it is to be; seconds after which to look again though nothing changes."""

    mark: RunMark
    look_again: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the Job came to, why, and when that was decided."""

    state: str
    reason: str
    at: float


def decide(mark: RunMark, seen: Seen, rules: Rules, now: float) -> Decision:
    """`now` is Unix seconds. Deciding again on the result changes nothing."""
    mark = _with_start(mark, seen)
    for attempt in seen.attempts:
        for event in attempt.report.told:
            mark = mark.having_heard(event)
    decision = _decide(mark, seen, rules, now)
    tells_attempts = mark.alert_on is AlertOn.ATTEMPT and not mark.verdict and not seen.vanished
    return _with_alerts(decision, seen, now) if tells_attempts else decision


def _decide(mark: RunMark, seen: Seen, rules: Rules, now: float) -> Decision:
    """The run's start, its verdict, and a start that hangs."""
    outcome = _outcome(seen, now)
    mark = _handed_over(mark, seen, outcome)
    patience = _patience(mark, seen, outcome, now)
    if outcome is None and (left := _until_first_start_is_known(mark, seen, now)) > 0:
        return Decision(mark, left)
    if patience and workloads.is_crowd(seen.job):
        return Decision(mark, patience)  # a pod that is still to be seen may have been the first to start
    mark = _with_run(mark, seen, final=outcome is not None and not patience)
    if outcome is None:
        return _unfinished(mark, seen, rules, now)
    if patience:
        return Decision(mark, patience)
    return Decision(_with_verdict(mark, seen, outcome, rules))


def _with_alerts(decision: Decision, seen: Seen, now: float) -> Decision:
    """With the attempts that failed; they go before a verdict that has just been decided."""
    mark = decision.mark
    due = alerts.due(mark, seen.job, seen.attempts, gone=seen.gone_at is not None, now=now)
    for event in due.events:
        mark = mark.owing(event)
    waits = [wait for wait in (decision.look_again, due.look_again) if wait is not None]
    return Decision(mark, decision.look_again if mark.verdict else min(waits, default=None))


def is_closed(mark: RunMark, seen: Seen) -> bool:
    """Whether nothing more is to be told of this run, whatever comes."""
    over = seen.gone_at is not None or workloads.is_finished(seen.job)
    return over and not mark.owed and (bool(mark.verdict) or seen.vanished)


def _with_start(mark: RunMark, seen: Seen) -> RunMark:
    starts = [start for attempt in seen.attempts for start in attempt.starts]
    selective = mark.selective or any(attempt.is_selective for attempt in seen.attempts)
    known = starts if mark.start is None else [mark.start] if mark.run else [mark.start, *starts]
    return replace(mark, start=min(known, default=None), selective=selective)


def _handed_over(mark: RunMark, seen: Seen, outcome: Outcome | None) -> RunMark:
    """Take on what sidecars that have ended could not deliver."""
    for attempt in seen.attempts:
        if attempt.sidecar_runs:
            continue
        for event in attempt.report.pending:
            if event.state is State.RUN and outcome is None and _passes_on(attempt, seen):
                continue
            if _is_missing(event, mark) and not _contradicts(event, outcome, attempt):
                mark = mark.owing(replace(event, host=event.host or attempt.node))
    return mark


def _is_missing(event: Event, mark: RunMark) -> bool:
    if event.state is State.RUN:
        return not mark.run
    return not mark.verdict and not (event.stuck and mark.stuck)


def _contradicts(event: Event, outcome: Outcome | None, attempt: Attempt) -> bool:
    if outcome is None or not event.is_verdict or attempt.is_selective:
        return False
    return outcome.state in ("complete", "fail") and event.state.value != outcome.state


def _with_run(mark: RunMark, seen: Seen, *, final: bool) -> RunMark:
    """`final`: no sidecar that could still tell it is waited for."""
    if mark.run or mark.verdict or seen.vanished:
        return mark
    will_be_told = any(_may_tell_run(one, seen) for one in seen.attempts)
    if mark.start is None or (will_be_told and not final):
        return mark
    return mark.owing(telling.run(mark.start, seen.job, seen.attempts))


def _until_first_start_is_known(mark: RunMark, seen: Seen, now: float) -> float:
    """Seconds in which another pod of a crowd may yet show that it started before those that have shown it."""
    if mark.start is None or mark.run or mark.verdict or not workloads.is_crowd(seen.job):
        return 0.0
    on_their_way = any(one.scheduled_since is not None and not one.starts and not one.is_over for one in seen.attempts)
    return mark.start + CROWD_SECONDS - now if on_their_way else 0.0


def _may_tell_run(attempt: Attempt, seen: Seen) -> bool:
    """Whether its sidecar tells the run's start, or will. One whose containers never start tells none of its own."""
    if not attempt.sidecar_runs or not attempt.tells:
        return False
    if "run" in attempt.tells:  # with `EARLIER_RUN` too: that of an earlier pod, or else its own
        return bool(attempt.starts) or EARLIER_RUN in attempt.tells
    if EARLIER_RUN not in attempt.tells:
        return False
    earlier = seen.attempts[: seen.attempts.index(attempt)]
    # It can pass on what an earlier one owes where all those pods are there to be read, and stay.
    stay = all(one.gone_at is None and one.deleted_at is None for one in earlier)
    return stay and len(earlier) >= max(workloads.failed_pods(seen.job), 1)


def _passes_on(attempt: Attempt, seen: Seen) -> bool:
    """Whether a later pod's sidecar tells what this one's could not deliver of the run's start."""
    return any(_may_tell_run(one, seen) for one in _later(attempt, seen))


def _later(attempt: Attempt, seen: Seen) -> tuple[Attempt, ...]:
    return seen.attempts[seen.attempts.index(attempt) + 1 :]


def _outcome(seen: Seen, now: float) -> Outcome | None:
    for kind, state in (("Complete", "complete"), ("Failed", "fail")):
        if found := workloads.true_condition(seen.job, kind):
            return _decided(found, state, seen, now)
    for kind, state in (("SuccessCriteriaMet", "complete"), ("FailureTarget", "fail")):
        found = workloads.true_condition(seen.job, kind)
        if found and (seen.gone_at is not None or now >= _at(found, seen, now) + SIDECAR_SECONDS):
            return _decided(found, state, seen, now)
    if seen.gone_at is not None and not seen.vanished:
        return Outcome("deleted", "", seen.gone_at)
    return None


def _decided(condition: Json, state: str, seen: Seen, now: float) -> Outcome:
    """As the condition says, unless that came of the Job's deletion: one in the foreground outlives its pods."""
    at = _at(condition, seen, now)
    deleted = workloads.epoch(seen.job["metadata"].get("deletionTimestamp"))
    if deleted is not None and any(one.was_cut_short(deleted) for one in seen.attempts):
        # Times are whole seconds: a Job whose TTL is 0 is deleted in the second in which it has ended.
        has_ttl = seen.job["spec"].get("ttlSecondsAfterFinished") is not None
        if at > deleted or (at == deleted and not has_ttl):
            return Outcome("deleted", "", at)
    return Outcome(state, _reason(condition, state), at)


def _reason(condition: Json, state: str) -> str:
    return str(condition.get("reason") or "") if state == "fail" else ""


def _at(condition: Json, seen: Seen, now: float) -> float:
    return workloads.epoch(condition.get("lastTransitionTime")) or seen.gone_at or now


def _patience(mark: RunMark, seen: Seen, outcome: Outcome | None, now: float) -> float | None:
    """Seconds until what is still under way (journals, the pods' last states) is taken as lost; None for no wait."""
    if outcome is None:
        return None
    running = [one for one in seen.attempts if one.sidecar_runs]
    if outcome.state == "deleted" and any(one.deleted_at is None for one in running):
        return SIDECAR_SECONDS  # not on its way out: garbage collection is late, or it was orphaned and goes on
    since = max([outcome.at, *(one.grace_ends_at for one in running if one.grace_ends_at)])
    if running and (left := since + SIDECAR_SECONDS - now) > 0:
        return left
    seen_at = max(outcome.at, seen.decided_seen_at or 0.0)
    if outcome.state == "deleted":  # while its pod was about to start?
        is_to_come = mark.start is None and any(not one.is_over for one in seen.attempts)
    else:
        is_to_come = not _all_counted(seen) or any(one.is_yet_to_end for one in seen.attempts)
    left = seen_at + PODS_SECONDS - now
    return left if is_to_come and left > 0 else None


def _all_counted(seen: Seen) -> bool:
    """Whether the ends of all pods are seen that the Job has counted."""
    status = seen.job.get("status") or {}
    counted = int(status.get("succeeded") or 0) + workloads.failed_pods(seen.job)
    return sum(one.is_over for one in seen.attempts) >= counted


def _unfinished(mark: RunMark, seen: Seen, rules: Rules, now: float) -> Decision:
    if seen.vanished or mark.verdict or workloads.is_ending(seen.job):
        # What precedes the terminal condition is believed in the end, should that not come.
        return Decision(mark, SIDECAR_SECONDS if workloads.is_ending(seen.job) else None)
    done = _done_beside_others(mark, seen)
    if done and done.deleted_at is None and not _is_told_by_a_sidecar(done, seen):
        return Decision(_complete_by(done, mark, seen, now))
    if failed := _failed_beside_others(mark, seen):
        return Decision(mark.owing(telling.fail(*failed, mark.start, now, "")))
    hanging = stuck.find(seen.job, seen.attempts, seen.waiting_since, seen.waited, seen.refusal, rules.thresholds)
    if hanging is None or mark.stuck:
        return Decision(mark)
    if now < hanging.due:
        return Decision(mark, hanging.due - now)
    last = seen.attempts[-1] if seen.attempts else None
    return Decision(mark.owing(telling.stuck(seen.job, last, now, hanging.what, hanging.detail, hanging.code)))


def _done_beside_others(mark: RunMark, seen: Seen) -> Attempt | None:
    """The first pod whose watched containers have all ended well, where others do not count and may go on for ever."""
    if mark.start is None or workloads.is_crowd(seen.job):
        return None
    return next((one for one in seen.attempts if one.is_selective and one.has_done_its_part), None)


def _is_told_by_a_sidecar(done: Attempt, seen: Seen) -> bool:
    """Whether its completion is still a sidecar's to tell: its own, or a later pod's where its own has left it."""
    if "complete" in (done.tells or ()) and (done.sidecar_runs or not done.has_ended):
        return True
    return any("complete" in (one.tells or ()) for one in _later(done, seen))


def _failed_beside_others(mark: RunMark, seen: Seen) -> tuple[Json, tuple[Attempt, ...]] | None:
    """The Job as if it had counted the failure of its last pod, and its pods; None unless that failure is final, nobody
    else tells it, and what does not count may go on for ever."""
    last = seen.attempts[-1] if seen.attempts else None
    if last is None or mark.stuck or not last.has_failed_beside_others or workloads.is_crowd(seen.job):
        return None
    if "fail" in (last.tells or ()) or last.may_restart_in_place or workloads.may_be_retried(seen.job):
        return None
    failed = workloads.failed_pods(seen.job) + 1
    status = {**(seen.job.get("status") or {}), "failed": failed, "uncountedTerminatedPods": {}}
    return {**seen.job, "status": status}, seen.attempts


def _complete_by(attempt: Attempt, mark: RunMark, seen: Seen, at: float) -> RunMark:
    return mark.owing(telling.complete(seen.job, (attempt,), mark.start, attempt.finished_at or at))


def _with_verdict(mark: RunMark, seen: Seen, outcome: Outcome, rules: Rules) -> RunMark:
    match outcome.state, mark.verdict:
        case ("complete", ""):
            mark = _with_run_at_last(mark, seen)
            return mark.owing(telling.complete(seen.job, seen.attempts, mark.start, outcome.at))
        case ("complete", "fail") if any(_has_told_completion(attempt) for attempt in seen.attempts):
            return replace(mark, verdict="complete", run=True, owed=())  # nothing may follow it
        case ("complete", "fail") if not mark.selective:  # it was given more retries, or time, after its pod was made
            return mark.owing(telling.complete(seen.job, seen.attempts, mark.start, outcome.at))
        case ("fail", "complete") if not mark.selective:
            return mark.owing(telling.fail(seen.job, seen.attempts, mark.start, outcome.at, outcome.reason))
        case (_, verdict) if verdict:
            return mark
        case _ if done := _done_beside_others(mark, seen):
            return _complete_by(done, mark, seen, outcome.at)
        case _ if mark.stuck:
            return replace(mark, verdict="fail")  # the failure that follows a stuck start is the same failure
        case ("fail", _):
            return mark.owing(telling.fail(seen.job, seen.attempts, mark.start, outcome.at, outcome.reason))
    never_ran = mark.start is None and workloads.is_suspended(seen.job)
    if not rules.tell_deleted or never_ran:
        return replace(mark, verdict="silent")
    return mark.owing(telling.deleted(seen.job, seen.attempts, mark.start, outcome.at))


def _has_told_completion(attempt: Attempt) -> bool:
    return any(event.state is State.COMPLETE for event in attempt.report.told)


def _with_run_at_last(mark: RunMark, seen: Seen) -> RunMark:
    """A Job that is complete has run, though nobody saw it start.

    Where no pod of it has been seen it ran while we were away: then only the verdict is told, perhaps again.
    """
    start = mark.start or workloads.epoch((seen.job.get("status") or {}).get("startTime"))
    if mark.run or start is None or not (seen.attempts or workloads.is_managed_elsewhere(seen.job)):
        return mark
    return replace(mark, start=start).owing(telling.run(start, seen.job, seen.attempts))
