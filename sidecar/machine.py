"""Decides what the sidecar tells, from what the API shows of its pod. Pure: no clock, no network, no environment.

`observe(progress, pod, now, rules, monotonic=…)` is called for every watch event, and again at `Step.wake_at`. It
gives the next progress and the events to tell, in order. The transition table, rows tried from the top; the first row
that applies ends the observation, but for the first, which lets the others go on:

| in phase | what the pod shows | tells | next phase |
|---|---|---|---|
| WAITING | a watched container has started | `run` with its `startedAt`, if that is ours to tell | RUNNING |
| TOLD, LEFT | anything | nothing | same |
| WAITING | being deleted, no stuck start was told | nothing: the controller may have told one | LEFT |
| WAITING, RUNNING | being deleted, now past the Job's deadline | `fail` DeadlineExceeded, no code | TOLD |
| WAITING, RUNNING | being deleted, not past a deadline | nothing | LEFT |
| WAITING, RUNNING | `Ready` is false for `PodFailed`, the attempt has not failed by itself | nothing | LEFT |
| WAITING | `OnFailure`, native sidecars alone have reached the limit, no stuck start was told | nothing | LEFT |
| WAITING, RUNNING | `OnFailure`, restarts at the limit, but for a part that is done | `fail`, the newest code | TOLD |
| RUNNING | every watched container ended with 0, a deadline is near | nothing | LEFT |
| RUNNING | every watched container ended with 0, one may restart in place | nothing | same |
| RUNNING | every watched container ended with 0 | `complete` | TOLD |
| RUNNING | `Never`, the attempt failed, a container may restart in place | nothing | same |
| RUNNING | `Never`, the attempt failed, retries are left | nothing | LEFT |
| RUNNING | `Never`, the attempt failed, none is left | `fail`, code of the first failure | TOLD |
| WAITING, RUNNING | a start has been stuck for the threshold | `fail` with the reason, no code, once | same |
| WAITING, RUNNING | a start is stuck for less | nothing; wakes when the threshold is over | same |

The attempt has failed when an init container ended with another code than 0, or when one of the watched containers
did and all containers that count have ended. What is not ours to tell (`Rules.tells`) turns TOLD into LEFT. A
failure that follows a stuck start is the same failure: TOLD, and nothing is told again; LEFT where the containers
started so late that the controller may have told one.

The start is not ours to tell in a pod that is not the run's first, unless `take_up` finds that the earlier ones could
not.

LEFT means: the controller's to tell, from the Job's own conditions. The reason is in `Progress.left`.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from sidecar.earlier import Beginning
from sidecar.events import Event, State, cut, fits
from sidecar.journal import Journal
from sidecar.pod import Container, Kind, Pod, Running, Terminated, Waiting
from sidecar.rules import Rules, is_selective, watched_containers

STUCK_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        "CreateContainerConfigError",
        "CreateContainerError",
        "CreatePodSandboxError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
        "RunContainerError",
    }
)
"""Reasons to wait that do not heal by themselves (kubelet: images/types.go, kuberuntime/kuberuntime_container.go)."""

DEADLINE_MARGIN = 5.0
"""Seconds before a deadline in which a `complete` is left to the controller: the pod's end comes 2-3 s after. As long
before the controller's threshold for a start it may tell one that it has yet to see."""

NOTHING_STARTED = "nothing has started: the controller may have told so"

IMPLIED_REASONS = frozenset({"", "Completed", "Error"})
"""Reasons that say no more than the exit code beside them."""


class Phase(Enum):
    """How far the run has come in this pod: see the table above."""

    WAITING = auto()
    RUNNING = auto()
    TOLD = auto()
    LEFT = auto()


@dataclass(frozen=True, slots=True)
class Progress:
    """What the sidecar remembers between observations. `started_at` is Unix seconds, `stuck_since` monotonic.

    `run_due`: earlier pods have left it to us to tell how the run began.
    """

    phase: Phase = Phase.WAITING
    started_at: float | None = None
    run_due: bool = False
    stuck_since: float | None = None
    stuck_told: bool = False
    left: str = ""

    @property
    def settled(self) -> bool:
        return self.phase in (Phase.TOLD, Phase.LEFT)


@dataclass(frozen=True, slots=True)
class Step:
    """What one observation comes to. `wake_at` is on the monotonic clock."""

    progress: Progress
    events: tuple[Event, ...] = ()
    wake_at: float | None = None


def begin(rules: Rules) -> Progress:
    """The progress of a sidecar that has seen nothing yet."""
    return Progress(started_at=rules.run_started_at, stuck_told=rules.stuck_told)


def recover(journal: Journal, rules: Rules) -> Progress:
    """The progress that the journal of an earlier incarnation of this sidecar tells of."""
    progress = begin(rules)
    for event in (entry.event for entry in journal.entries):
        match event:
            case Event(stuck=True):
                progress = replace(progress, stuck_told=True)
            case Event(state=State.RUN):
                progress = replace(progress, phase=Phase.RUNNING, started_at=event.stamp)
            case _:
                progress = replace(progress, phase=Phase.TOLD)
    return progress


def take_up(progress: Progress, beginning: Beginning) -> Step:
    """Take note of what earlier pods of the run leave of its start: tell it where their sidecars could not."""
    if progress.settled:
        return Step(progress)
    if beginning.completed:
        progress = replace(progress, phase=Phase.LEFT, left="that the run is complete is told by an earlier pod")
    if beginning.event is None:
        return Step(replace(progress, run_due=True))
    progress = replace(progress, started_at=beginning.event.stamp)
    return Step(progress, (beginning.event,) if beginning.owed else ())


def observe(progress: Progress, pod: Pod, now: float, rules: Rules, *, monotonic: float) -> Step:
    """Decide on one view of the pod. `now` is Unix seconds; `monotonic` is a clock that is never set, for waiting."""
    watched = watched_containers(pod, rules)
    start = _started(progress, watched, rules)
    progress = start.progress
    if progress.settled:
        return start
    step = (
        _killed(progress, pod, watched, now, rules)
        or _out_of_restarts(progress, pod, watched, now, rules)
        or _completed(progress, pod, watched, now, rules)
        or _failed(progress, pod, watched, now, rules)
        or _stuck(progress, pod, watched, now, rules, monotonic)
    )
    return replace(step, events=(*start.events, *step.events))


def all_ended(pod: Pod) -> bool:
    """Whether the kubelet has nothing left to run in this pod but native sidecars, so that it ends them now."""
    failed_inits = [c for c in pod.containers if c.kind is Kind.INIT and c.ended_badly]
    if pod.restart_policy == "Never" and any(not c.restarts_in_place for c in failed_inits):
        return True
    final_codes = (0,) if pod.restart_policy == "OnFailure" else range(-(2**31), 2**31)
    return bool(pod.regular) and all(
        isinstance(c.state, Terminated) and c.state.exit_code in final_codes and not c.restarts_in_place
        for c in pod.regular
    )


def _started(progress: Progress, watched: tuple[Container, ...], rules: Rules) -> Step:
    starts = [c.first_known_start for c in watched]
    known = [start for start in starts if start is not None]
    if progress.settled or not known:
        return Step(progress)
    ours = State.RUN in rules.tells and not rules.passes_run_on
    due = progress.run_due or (ours and progress.phase is Phase.WAITING)
    progress = replace(progress, phase=Phase.RUNNING)
    if not due:
        # The run began with an earlier pod: where nobody knows when, it has no duration.
        return Step(progress)
    progress = replace(progress, started_at=min(known), run_due=False)
    return Step(progress, (Event(State.RUN, min(known), "manual" if rules.manual else ""),))


def _killed(progress: Progress, pod: Pod, watched: tuple[Container, ...], now: float, rules: Rules) -> Step | None:
    if pod.deletion_requested_at is not None:
        deadline = _job_deadline(pod, rules)
        if deadline is None or now < deadline:
            return _leave(progress, "the pod is being deleted")
        if progress.phase is Phase.WAITING and not progress.stuck_told:
            return _leave(progress, NOTHING_STARTED)
        stamp = pod.deletion_requested_at
        message = cut(f"DeadlineExceeded · {_told(pod, watched, rules)}")
        return _fail(progress, stamp, message, None, pod, rules)
    # An init container that fails makes the kubelet show `PodFailed` as well: then its exit is the reason.
    if pod.failed_by_kubelet and (pod.restart_policy != "Never" or not _attempt_failed(pod, watched)):
        return _leave(progress, "the kubelet has failed the pod")
    return None


def _out_of_restarts(
    progress: Progress, pod: Pod, watched: tuple[Container, ...], now: float, rules: Rules
) -> Step | None:
    # Job controller, pastBackoffLimitOnFailure: a limit of 0 is passed by the first restart, any other one is
    # reached; the pod is then deleted, whatever its last attempt would have come to.
    if pod.restart_policy != "OnFailure" or pod.restarts < max(rules.backoff_limit, 1):
        return None
    if is_selective(pod, watched) and all(c.ended_well for c in watched):
        return None  # what counts was done before others used up the restarts
    counting = [c for c in pod.containers if c.kind is Kind.INIT or c in watched]
    ends = [end for c in counting for end in (c.state, c.last) if isinstance(end, Terminated) and end.exit_code != 0]
    newest = max(ends, key=lambda end: end.finished_at or 0, default=None)
    if newest is None and progress.phase is Phase.WAITING and not progress.stuck_told:
        return _leave(progress, NOTHING_STARTED)
    code = newest.exit_code if newest else None
    stamp = (newest.finished_at if newest else None) or now
    return _fail(progress, stamp, _told(pod, tuple(map(_as_failed, watched)), rules), code, pod, rules)


def _as_failed(container: Container) -> Container:
    """With its failure in place of what came after it: a last attempt that the limit ends may still end well."""
    return replace(container, state=container.last) if container.ended_well and container.last else container


def _completed(progress: Progress, pod: Pod, watched: tuple[Container, ...], now: float, rules: Rules) -> Step | None:
    ends = [c.state for c in watched if isinstance(c.state, Terminated) and c.state.exit_code == 0]
    if len(ends) < len(watched) or not ends:
        return None
    if any(c.restarts_in_place for c in watched):
        return Step(progress)
    deadline = _nearest_deadline(pod, rules)
    if deadline is not None and now > deadline - DEADLINE_MARGIN:
        return _leave(progress, "the containers ended close to a deadline")
    if State.COMPLETE not in rules.tells:
        return _leave(progress, "complete is not the sidecar's to tell")
    stamp = max((end.finished_at for end in ends if end.finished_at is not None), default=now)
    event = Event(
        State.COMPLETE,
        stamp,
        _told(pod, watched, rules),
        status_code=0,
        duration=_duration(progress, stamp),
        error_count=_failed_attempts(pod, rules),
    )
    return Step(replace(progress, phase=Phase.TOLD), (event,))


def _failed(progress: Progress, pod: Pod, watched: tuple[Container, ...], now: float, rules: Rules) -> Step | None:
    if pod.restart_policy == "OnFailure" or not _attempt_failed(pod, watched):
        return None
    if any(c.restarts_in_place for c in pod.containers):
        return Step(progress)
    if rules.failed_before < rules.backoff_limit:
        return _leave(progress, "the attempt failed, retries are left")
    counting = [c for c in pod.containers if c.kind is Kind.INIT or c in watched]
    first = first_failure(counting)
    ends = [c.state.finished_at for c in counting if isinstance(c.state, Terminated)]
    stamp = max((end for end in ends if end is not None), default=now)
    code = first.state.exit_code if first and isinstance(first.state, Terminated) else None
    return _fail(progress, stamp, _told(pod, watched, rules), code, pod, rules)


def _stuck(
    progress: Progress, pod: Pod, watched: tuple[Container, ...], now: float, rules: Rules, monotonic: float
) -> Step:
    # An init container that hangs, a native sidecar's too, keeps the watched ones from starting.
    blocking = [c for c in pod.containers if c in watched or c.kind in (Kind.INIT, Kind.NATIVE_SIDECAR)]
    stuck = next((c for c in blocking if isinstance(c.state, Waiting) and c.state.reason in STUCK_REASONS), None)
    if stuck is None:
        return Step(replace(progress, stuck_since=None))
    since = progress.stuck_since if progress.stuck_since is not None else monotonic
    progress = replace(progress, stuck_since=since)
    if progress.stuck_told or State.FAIL not in rules.tells:
        return Step(progress)
    due = since + rules.stuck_seconds
    if monotonic < due:
        return Step(progress, wake_at=due)
    assert isinstance(stuck.state, Waiting)
    # Some hold a whole answer of a registry.
    detail = f": {stuck.state.message}" if stuck.state.message else ""
    message = cut(f"{_attempt(pod, rules)} · {stuck.name} {stuck.state.reason}{detail}")
    event = Event(State.FAIL, now, message, stuck=True)
    return Step(replace(progress, stuck_told=True), (event,))


def first_failure(containers: list[Container]) -> Container | None:
    """The container that failed first: by `finishedAt`, ties by their order in the spec."""
    failed = [c for c in containers if c.ended_badly]
    return min(failed, key=_finished_at, default=None)


def _finished_at(container: Container) -> float:
    ended = container.state
    return ended.finished_at if isinstance(ended, Terminated) and ended.finished_at is not None else float("inf")


def _attempt_failed(pod: Pod, watched: tuple[Container, ...]) -> bool:
    if any(c.ended_badly for c in pod.containers if c.kind is Kind.INIT):
        return True
    counting = watched if is_selective(pod, watched) else pod.regular
    return any(c.ended_badly for c in watched) and all(isinstance(c.state, Terminated) for c in counting)


def _fail(progress: Progress, stamp: float, message: str, code: int | None, pod: Pod, rules: Rules) -> Step:
    if progress.stuck_told:
        return Step(replace(progress, phase=Phase.TOLD))
    if State.FAIL not in rules.tells:
        return _leave(progress, "fail is not the sidecar's to tell")
    if _may_be_told_already(progress, pod, stamp, rules):
        return _leave(progress, "its start took so long that the controller may have told so")
    event = Event(
        State.FAIL,
        stamp,
        message,
        status_code=code,
        duration=_duration(progress, stamp),
        error_count=_failed_attempts(pod, rules) + (pod.restart_policy != "OnFailure"),
    )
    return Step(replace(progress, phase=Phase.TOLD), (event,))


def _may_be_told_already(progress: Progress, pod: Pod, stamp: float, rules: Rules) -> bool:
    """Whether the controller may have told that this pod does not start: a failure after that is not told again."""
    watched = watched_containers(pod, rules)
    goes_on = pod.deletion_requested_at is None and any(not isinstance(c.state, Terminated) for c in pod.regular)
    if is_selective(pod, watched) and pod.restart_policy == "Never" and goes_on:
        return False  # what does not count does, and the controller waits for us
    starts = [start for c in watched if (start := c.first_known_start) is not None]
    if progress.started_at is not None and progress.started_at >= pod.created_at:
        starts.append(progress.started_at)  # restarts hide it
    return min(starts, default=stamp) - pod.created_at >= rules.unscheduled_seconds - DEADLINE_MARGIN


def _leave(progress: Progress, reason: str) -> Step:
    return Step(replace(progress, phase=Phase.LEFT, left=reason))


def _duration(progress: Progress, stamp: float) -> float | None:
    return None if progress.started_at is None else max(0.0, stamp - progress.started_at)


def _job_deadline(pod: Pod, rules: Rules) -> float | None:
    if rules.job_deadline_seconds is None:
        return None
    return (rules.job_started_at or pod.created_at) + rules.job_deadline_seconds


def _nearest_deadline(pod: Pod, rules: Rules) -> float | None:
    job = _job_deadline(pod, rules)
    # The kubelet counts a pod's own deadline from `status.startTime` (pkg/kubelet/active_deadline.go).
    began = pod.started_at or pod.created_at
    own = None if pod.active_deadline_seconds is None else began + pod.active_deadline_seconds
    return min((deadline for deadline in (job, own) if deadline is not None), default=None)


def _failed_attempts(pod: Pod, rules: Rules) -> int:
    """Attempts that have failed before the present one."""
    return rules.failed_before + (pod.restarts if pod.restart_policy == "OnFailure" else 0)


def _attempt(pod: Pod, rules: Rules) -> str:
    attempt = f"attempt {_failed_attempts(pod, rules) + 1}/{rules.backoff_limit + 1}"
    return f"manual · {attempt}" if rules.manual else attempt


def _told(pod: Pod, watched: tuple[Container, ...], rules: Rules) -> str:
    """The message of a verdict, such as `attempt 3/7 · app 137 OOMKilled · helper 0`.

    One that is too long names no container that ended well, but counts them: `attempt 1/1 · app 3 · 24 more 0`.
    """
    whole = " · ".join([_attempt(pod, rules), *(_standing(container) for container in watched)])
    if fits(whole):
        return whole
    bad = [c for c in watched if not c.ended_well]
    count = len(watched) - len(bad)
    well = [f"{count} more 0" if bad else f"{count} containers 0"] if count else []
    return cut(" · ".join([_attempt(pod, rules), *(_standing(container) for container in bad), *well]))


def _standing(container: Container) -> str:
    match container.state, container.last:
        case (Terminated() as end, _) | (_, Terminated() as end):
            reason = "" if end.reason in IMPLIED_REASONS else f" {end.reason}"
            return f"{container.name} {end.exit_code}{reason}"
        case Running(), _:
            return f"{container.name} running"
        case Waiting(reason=reason), _:
            return f"{container.name} {reason or 'not started'}"
    raise AssertionError("unreachable: the states are matched above")
