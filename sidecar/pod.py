"""A pod as the API server tells it, reduced to what the sidecar decides on. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

OWN_CONTAINER = "cronitor"

Json = Mapping[str, Any]


class Kind(Enum):
    """What part a container plays in the life of its pod."""

    OWN = "own"
    INIT = "init"
    NATIVE_SIDECAR = "native sidecar"
    REGULAR = "regular"


@dataclass(frozen=True, slots=True)
class Waiting:
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """`started_at` is None while the kubelet has not told it."""

    started_at: float | None


@dataclass(frozen=True, slots=True)
class Terminated:
    """The end of a container. Times are Unix seconds; the kubelet gives whole ones, or none at all."""

    exit_code: int
    reason: str = ""
    message: str = ""
    started_at: float | None = None
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the pod, from its spec and its status together.

    `restarts_in_place`: it has a restart policy or restart rules of its own (KEP-5307), so that its exit
    need not be the end of the attempt.
    """

    name: str
    kind: Kind
    state: Waiting | Running | Terminated
    last: Terminated | None = None
    restart_count: int = 0
    restarts_in_place: bool = False

    @property
    def ended_well(self) -> bool:
        return isinstance(self.state, Terminated) and self.state.exit_code == 0

    @property
    def ended_badly(self) -> bool:
        return isinstance(self.state, Terminated) and self.state.exit_code != 0

    @property
    def first_known_start(self) -> float | None:
        """The earliest start that the status still tells, in Unix seconds."""
        starts = [self.last.started_at if self.last else None]
        if not isinstance(self.state, Waiting):
            starts.append(self.state.started_at)
        known = [start for start in starts if start is not None]
        return min(known, default=None)


@dataclass(frozen=True, slots=True)
class Pod:
    """What one watch event says. `containers` stand in the order of the spec, init containers first.

    `started_at` is `status.startTime`: when the kubelet took the pod on.
    """

    containers: tuple[Container, ...]
    restart_policy: str = "Never"
    created_at: float = 0.0
    started_at: float | None = None
    deletion_requested_at: float | None = None
    active_deadline_seconds: int | None = None
    failed_by_kubelet: bool = False

    @property
    def own(self) -> Container | None:
        return next((container for container in self.containers if container.kind is Kind.OWN), None)

    @property
    def regular(self) -> tuple[Container, ...]:
        return tuple(container for container in self.containers if container.kind is Kind.REGULAR)

    @property
    def restarts(self) -> int:
        """The sum that the Job controller holds against `backoffLimit`: of all containers, ours included."""
        return sum(container.restart_count for container in self.containers)


def parse(pod: Json) -> Pod:
    """Reduce a v1 Pod in JSON. Missing parts count as not there yet; never raises on a valid Pod."""
    spec, status, metadata = pod.get("spec") or {}, pod.get("status") or {}, pod.get("metadata") or {}
    deleted_at = epoch(metadata.get("deletionTimestamp"))
    if deleted_at is not None:
        # The API server writes the moment at which the grace period will have passed.
        deleted_at -= metadata.get("deletionGracePeriodSeconds") or 0
    ready: Json = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), {})
    return Pod(
        containers=tuple(_containers(spec, status)),
        restart_policy=spec.get("restartPolicy") or "Always",
        created_at=epoch(metadata.get("creationTimestamp")) or 0.0,
        started_at=_real(epoch(status.get("startTime"))),
        deletion_requested_at=deleted_at,
        active_deadline_seconds=spec.get("activeDeadlineSeconds"),
        failed_by_kubelet=ready.get("status") == "False" and ready.get("reason") == "PodFailed",
    )


def remembering(before: Pod | None, now: Pod) -> Pod:
    """The pod as it is now; where it does not tell what a container came to before its restart, the view before does.

    That shows only while the kubelet still finds the container that ended.
    """
    known = {container.name: container for container in before.containers} if before else {}
    return replace(now, containers=tuple(_remembering(known.get(one.name), one) for one in now.containers))


def epoch(timestamp: str | None) -> float | None:
    """Unix seconds of an RFC 3339 time as Kubernetes writes it; None for none."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None


def _containers(spec: Json, status: Json) -> Iterator[Container]:
    for spec_key, status_key in (
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
    ):
        statuses = {entry.get("name"): entry for entry in status.get(status_key) or ()}
        for container in spec.get(spec_key) or ():
            yield _container(container, statuses.get(container["name"]) or {}, spec_key == "initContainers")


def _container(spec: Json, status: Json, is_init: bool) -> Container:
    last = (status.get("lastState") or {}).get("terminated")
    return Container(
        name=spec["name"],
        kind=_kind(spec, is_init),
        state=_state(status.get("state") or {}),
        last=_terminated(last) if last else None,
        restart_count=status.get("restartCount") or 0,
        restarts_in_place=bool(spec.get("restartPolicyRules"))
        or (bool(spec.get("restartPolicy")) and not (is_init and spec["restartPolicy"] == "Always")),
    )


def _remembering(before: Container | None, now: Container) -> Container:
    if before is None or now.last is not None:
        return now
    known = {before.restart_count: before.state, _number_of_last(before): before.last}
    end = known.get(_number_of_last(now))
    return replace(now, last=end) if isinstance(end, Terminated) else now


def _number_of_last(container: Container) -> int:
    """Of a container's runs, counted from 0, the one whose end is its last state; -1 for none."""
    return container.restart_count - (not isinstance(container.state, Waiting))


def _kind(spec: Json, is_init: bool) -> Kind:
    if not is_init:
        return Kind.REGULAR
    if spec["name"] == OWN_CONTAINER:
        return Kind.OWN
    return Kind.NATIVE_SIDECAR if spec.get("restartPolicy") == "Always" else Kind.INIT


def _state(state: Json) -> Waiting | Running | Terminated:
    if (running := state.get("running")) is not None:
        return Running(_real(epoch(running.get("startedAt"))))
    if (terminated := state.get("terminated")) is not None:
        return _terminated(terminated)
    waiting = state.get("waiting") or {}
    return Waiting(waiting.get("reason") or "", waiting.get("message") or "")


def _terminated(terminated: Json) -> Terminated:
    started, finished = (_real(epoch(terminated.get(key))) for key in ("startedAt", "finishedAt"))
    if started is not None and finished is not None:
        finished = max(finished, started)  # containerd notes the start once it is done: an instant exit comes before
    return Terminated(
        exit_code=terminated.get("exitCode") or 0,
        reason=terminated.get("reason") or "",
        message=terminated.get("message") or "",
        started_at=started,
        finished_at=finished,
    )


def _real(moment: float | None) -> float | None:
    """A container that never started carries the zero time (year 1 or 1970) in its status."""
    return moment if moment is not None and moment > 0 else None
