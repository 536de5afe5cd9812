"""Attempts of a run as the controller sees them: a Job's pods, reduced to what a verdict is made of. Pure.

Which containers count is decided as the sidecar decides it (`sidecar/machine.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook import journal, workloads
from webhook.admission.decide import CONTAINER
from webhook.admission.inject import TELLS, TELLS_ANNOTATION
from webhook.controller import pod_history
from webhook.journal import Report

Json = Mapping[str, Any]

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
"""Reasons to wait that do not heal by themselves; tests/contract holds them to the sidecar's."""

TAKEN_AWAY = frozenset({"Evicted", "DeadlineExceeded", "NodeLost", "Preempting", "Terminated", "NodeShutdown"})
"""Reasons of a pod's status that say that the attempt did not end by itself (kubelet: eviction, node shutdown,
active_deadline.go; node lifecycle controller)."""

GATED = "SchedulingGated"

IMPLIED_REASONS = frozenset({"", "Completed", "Error"})
"""Reasons of a container's end that say no more than the exit code beside them."""


@dataclass(frozen=True, slots=True)
class End:
    """How a container ended. `at` is Unix seconds, None where the kubelet gave none."""

    code: int
    reason: str = ""
    at: float | None = None
    started_at: float | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A container that is neither ours nor a native sidecar; `end` is its present state, `last` the one before.

    `restarts_in_place`: whether it has rules of its own on that (KEP-5307), so that no end of it is certainly final.
    """

    name: str
    is_init: bool
    end: End | None = None
    last: End | None = None
    running_since: float | None = None
    waiting: str = ""
    waiting_message: str = ""
    restarts: int = 0
    restarts_in_place: bool = False

    @property
    def starts(self) -> list[float]:
        known = [self.running_since, *(end.started_at for end in (self.last, self.end) if end)]
        return [start for start in known if start is not None]

    def standing(self, end: End | None) -> str:
        """As it stands in a message, with the end that counts: `app 137 OOMKilled`, `helper running`."""
        if end:
            return f"{self.name} {end.code}" + ("" if end.reason in IMPLIED_REASONS else f" {end.reason}")
        return f"{self.name} running" if self.running_since else f"{self.name} {self.waiting or 'not started'}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pod as last seen. Times are Unix seconds; `gone_at` is when it was seen to be no longer there.

    `containers` stand in the order of the spec, init ones first; `native` are other people's native sidecars, and ours.
    `reason` is the pod's own, `taken_away` why it did not end by itself. `tells` is what its own sidecar tells by
    itself, None where it has none; `sidecar_runs` whether that is up or may come up; `report` what its journal said
    last. `grace_ends_at`: when a pod that is being deleted has to be gone.
    """

    uid: str
    name: str
    node: str
    phase: str
    restart_policy: str
    gone_at: float | None
    containers: tuple[Container, ...]
    native: tuple[Container, ...]
    watched: tuple[Container, ...]
    tells: frozenset[str] | None
    sidecar_runs: bool
    sidecar_waits: bool
    report: Report
    restarts: int
    deleted_at: float | None
    grace_ends_at: float | None
    reason: str
    taken_away: str
    unschedulable_since: float | None
    unschedulable_message: str
    scheduled_since: float | None = None

    @property
    def has_started(self) -> bool:
        """Whether any container was tried but native sidecars, which may keep all others waiting."""
        return any(one.starts or one.end or one.last or one.restarts for one in self.containers)

    @property
    def sidecar_tells_stuck_starts(self) -> bool:
        """Whether its own sidecar is up, so that it tells by itself what waits on what does not heal."""
        own = next((container for container in self.native if container.name == CONTAINER), None)
        return own is not None and own.running_since is not None and "fail" in (self.tells or ())

    @property
    def is_stuck(self) -> bool:
        """Whether any container waits on what does not heal."""
        return any(container.waiting in STUCK_REASONS for container in (*self.native, *self.containers))

    @property
    def may_restart_in_place(self) -> bool:
        return any(container.restarts_in_place for container in self.containers)

    @property
    def has_ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    @property
    def is_yet_to_end(self) -> bool:
        """Whether it has failed before its containers have ended, as by its own deadline."""
        return self.has_ended and self.gone_at is None and any(c.running_since is not None for c in self.watched)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be seen of it."""
        return self.gone_at is not None or self.has_ended

    @property
    def has_done_its_part(self) -> bool:
        """Whether every watched container has ended with 0 by itself."""
        ends = [self._before_deletion(container.end) for container in self.watched]
        return bool(ends) and all(end is not None and end.code == 0 for end in ends)

    @property
    def has_failed_beside_others(self) -> bool:
        """Whether it has failed by itself while what does not count goes on, perhaps for ever."""
        return (
            self.restart_policy == "Never"
            and not self.is_over
            and self.deleted_at is None
            and self.is_selective
            and all(container.end is not None and not container.restarts_in_place for container in self.watched)
            and self.own_failure() is not None
        )

    @property
    def is_selective(self) -> bool:
        """Whether some regular container does not count, so that the watched ones alone decide."""
        return any(container not in self.watched for container in self.containers if not container.is_init)

    @property
    def starts(self) -> list[float]:
        return [start for container in self.watched for start in container.starts]

    @property
    def finished_at(self) -> float | None:
        """The last end of a watched container, once all that started have ended."""
        if any(container.running_since is not None for container in self.watched):
            return None
        return max((c.end.at for c in self.watched if c.end and c.end.at is not None), default=None)

    @property
    def standing(self) -> list[str]:
        """How each watched container ended or stands; rather an end of its own than one by the pod's deletion."""
        return [c.standing(self._before_deletion(c.end) or c.last or c.end) for c in self.watched]

    @property
    def standing_failed(self) -> list[str]:
        """The same of an attempt that has failed: rather a failure than what came after it in the same pod."""
        ends = [(c, self._before_deletion(c.end)) for c in self.watched]
        return [c.standing(end if end and end.code else c.last or end or c.end) for c, end in ends]

    def was_cut_short(self, since: float) -> bool:
        """Whether its deletion, asked for at this moment or later, ended what had not ended by itself."""
        if self.deleted_at is None or self.deleted_at < since:
            return False
        if self.restart_policy == "Never" and self.own_failure() is not None:
            return False
        return any(self._before_deletion(container.end) is None for container in self.watched)

    def own_failure(self) -> End | None:
        """The failure of the container that failed first, if the attempt ended by itself."""
        counting = [c for c in self.containers if c.is_init or c in self.watched]
        if self.restart_policy == "OnFailure":
            present = [] if self.was_failed_by_kubelet else [self._before_deletion(c.end) for c in counting]
            ends = [end for end in (*present, *(c.last for c in counting)) if end and end.code]
            return max(ends, key=lambda end: end.at or 0.0, default=None)
        if self.taken_away:
            return None
        ends = [end for c in counting if (end := self._before_deletion(c.end)) and end.code]
        return min(ends, key=lambda end: float("inf") if end.at is None else end.at, default=None)

    @property
    def was_failed_by_kubelet(self) -> bool:
        """Whether the kubelet ended it as a whole, or did not take it: it then gives the pod a reason."""
        return self.phase == "Failed" and bool(self.reason)

    def _before_deletion(self, end: End | None) -> End | None:
        """What a container came to by itself: its end after the pod's deletion was asked for is not that."""
        if end is None or self.deleted_at is None:
            return end
        return end if end.at is not None and end.at < self.deleted_at else None


def parse(pod: Json, *, gone_at: float | None, chosen: frozenset[str], ignored: frozenset[str]) -> Attempt:
    """Reduce a pod as the cache keeps it (`workloads.trim_pod`)."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    containers, native = _containers(spec, status)
    scheduled = _condition(status, "PodScheduled")
    disrupted = _condition(status, "DisruptionTarget")
    own = _own_status(status)
    words = str((metadata.get("annotations") or {}).get(TELLS_ANNOTATION)).split(",")
    injected = any(container.name == CONTAINER for container in native)
    deleted_at = workloads.epoch(metadata.get("deletionTimestamp"))
    # A pod's own deadline makes it Failed before its containers are told to end: the journal is yet to come.
    over = gone_at is not None or (status.get("phase") in ("Succeeded", "Failed") and not _is_up(own))
    return Attempt(
        uid=metadata.get("uid", ""),
        name=metadata.get("name", ""),
        node=spec.get("nodeName") or "",
        phase=status.get("phase") or "",
        restart_policy=spec.get("restartPolicy") or "Never",
        gone_at=gone_at,
        containers=containers,
        native=native,
        watched=_watched(containers, chosen, ignored),
        tells=frozenset(words).intersection(TELLS) if injected else None,
        # Ended, it is started again for as long as its pod lives and is not being deleted.
        sidecar_runs=injected and not over and not ((own.get("state") or {}).get("terminated") and deleted_at),
        sidecar_waits=injected and bool((own.get("state") or {}).get("waiting")),
        report=journal.of_pod(pod) or Report(),
        restarts=sum(pod_history.restarts(found) for found in _statuses(status)),
        deleted_at=pod_history.deletion_asked(metadata),
        grace_ends_at=deleted_at,
        reason=str(status.get("reason") or ""),
        taken_away=_taken_away(status, disrupted),
        unschedulable_since=_without_node_since(pod, scheduled),
        unschedulable_message=str(scheduled.get("message") or ""),
        scheduled_since=workloads.epoch(scheduled.get("lastTransitionTime")) if _holds(scheduled) else None,
    )


def hanging(pod: Json) -> list[str]:
    """The names of the pod's containers that wait on what does not heal."""
    return [
        str(one.get("name"))
        for one in _statuses(pod.get("status") or {})
        if ((one.get("state") or {}).get("waiting") or {}).get("reason") in STUCK_REASONS
    ]


def _without_node_since(pod: Json, scheduled: Json) -> float | None:
    """Since when it waits for a node, by itself: one that is gated waits for somebody to let it go.

    The scheduler gives the reason `Unschedulable`, or `SchedulerError` (a volume that is not bound, say); where
    `schedulerName` names none that runs, nobody gives any.
    """
    if not scheduled:
        has_node = (pod.get("spec") or {}).get("nodeName")
        return None if has_node else workloads.epoch(pod["metadata"].get("creationTimestamp"))
    if _holds(scheduled) or scheduled.get("reason") == GATED:
        return None
    return workloads.epoch(scheduled.get("lastTransitionTime"))


def _is_up(status: Json) -> bool:
    return bool((status.get("state") or {}).get("running"))


def _taken_away(status: Json, disrupted: Json) -> str:
    """Why the attempt did not end by itself, '' where nothing says so."""
    if _holds(disrupted):
        return str(disrupted.get("reason") or "DisruptionTarget")
    reason = str(status.get("reason") or "")
    return reason if reason in TAKEN_AWAY else ""


def _containers(spec: Json, status: Json) -> tuple[tuple[Container, ...], tuple[Container, ...]]:
    """Those that may count, and the native sidecars."""
    counting: list[Container] = []
    native: list[Container] = []
    for spec_key, status_key in (("initContainers", "initContainerStatuses"), ("containers", "containerStatuses")):
        statuses = {entry.get("name"): entry for entry in status.get(status_key) or ()}
        for container in spec.get(spec_key) or ():
            name, is_init = container.get("name", ""), spec_key == "initContainers"
            kept = native if is_init and container.get("restartPolicy") == "Always" else counting
            in_place = kept is counting and bool(container.get("restartPolicy") or container.get("restartPolicyRules"))
            kept.append(_container(name, statuses.get(name) or {}, is_init=is_init, restarts_in_place=in_place))
    return tuple(counting), tuple(native)


def _container(name: str, status: Json, *, is_init: bool, restarts_in_place: bool) -> Container:
    state = status.get("state") or {}
    running, waiting = state.get("running"), state.get("waiting") or {}
    return Container(
        name=name,
        is_init=is_init,
        end=_end(state.get("terminated")),
        last=_end((status.get("lastState") or {}).get("terminated")),
        running_since=_real(running.get("startedAt")) if running else None,
        waiting=str(waiting.get("reason") or ""),
        waiting_message=str(waiting.get("message") or ""),
        restarts=pod_history.restarts(status),
        restarts_in_place=restarts_in_place,
    )


def _end(terminated: Json | None) -> End | None:
    if not terminated:
        return None
    started, finished = _real(terminated.get("startedAt")), _real(terminated.get("finishedAt"))
    if started is not None and finished is not None:
        finished = max(finished, started)  # containerd notes the start once it is done: an instant exit comes before
    return End(
        code=int(terminated.get("exitCode") or 0),
        reason=str(terminated.get("reason") or ""),
        at=finished,
        started_at=started,
    )


def _watched(
    containers: tuple[Container, ...], chosen: frozenset[str], ignored: frozenset[str]
) -> tuple[Container, ...]:
    """Those whose starts and exits make the run. Names that would leave no regular container are passed over."""
    kept = tuple(c for c in containers if c.name not in ignored)
    candidates = kept if any(not c.is_init for c in kept) else containers
    return tuple(c for c in candidates if c.name in chosen) or candidates


def _own_status(status: Json) -> Json:
    return next((one for one in status.get("initContainerStatuses") or () if one.get("name") == CONTAINER), {})


def _statuses(status: Json) -> list[Json]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _condition(status: Json, kind: str) -> Json:
    return next((found for found in status.get("conditions") or () if found.get("type") == kind), {})


def _holds(condition: Json) -> bool:
    return condition.get("status") == "True"


def _real(timestamp: str | None) -> float | None:
    """A container that never started carries the zero time (year 1 or 1970) in its status."""
    moment = workloads.epoch(timestamp)
    return moment if moment is not None and moment > 0 else None
