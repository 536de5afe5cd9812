"""Builds the pods that the tests of the sidecar look at, as the API server would tell them."""

from datetime import UTC, datetime
from typing import Any

CREATED = 1_700_000_000


def at(seconds: float) -> str:
    """The time so many seconds after the pod's creation, as Kubernetes writes it."""
    return datetime.fromtimestamp(CREATED + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(reason: str = "", message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def running(since: float | None = 1) -> dict[str, Any]:
    return {"running": {"startedAt": None if since is None else at(since)}}


def ended(code: int = 0, *, start: float = 1, end: float = 5, reason: str = "") -> dict[str, Any]:
    implied = "Completed" if code == 0 else "Error"
    times = {"startedAt": at(start), "finishedAt": at(end)}
    return {"terminated": {"exitCode": code, "reason": reason or implied, **times}}


def container(
    name: str,
    state: dict[str, Any] | None = None,
    *,
    last: dict[str, Any] | None = None,
    restarts: int = 0,
    **spec: Any,
) -> dict[str, Any]:
    """Spec and status of one container in one: `pod` takes them apart."""
    return {
        "spec": {"name": name, **spec},
        "status": {"name": name, "state": state or {}, "lastState": last or {}, "restartCount": restarts},
    }


def own(state: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return container("cronitor", state or running(0), restartPolicy="Always", **more)


def pod(
    *containers: dict[str, Any],
    init: tuple[dict[str, Any], ...] = (),
    restart_policy: str = "Never",
    deleted: float | None = None,
    deadline: int | None = None,
    ready_reason: str = "",
    started: float | None = None,
) -> dict[str, Any]:
    """A pod with our sidecar first, the given init containers and containers after it."""
    inits = (own(), *init) if not any(c["spec"]["name"] == "cronitor" for c in init) else init
    metadata: dict[str, Any] = {"name": "pod", "creationTimestamp": at(0), "resourceVersion": "1"}
    if deleted is not None:
        metadata |= {"deletionTimestamp": at(deleted + 30), "deletionGracePeriodSeconds": 30}
    ready = [{"type": "Ready", "status": "False", "reason": ready_reason}] if ready_reason else []
    spec: dict[str, Any] = {
        "restartPolicy": restart_policy,
        "initContainers": [c["spec"] for c in inits],
        "containers": [c["spec"] for c in containers],
    }
    if deadline is not None:
        spec["activeDeadlineSeconds"] = deadline
    return {
        "metadata": metadata,
        "spec": spec,
        "status": {
            "conditions": [{"type": "PodScheduled", "status": "True"}, *ready],
            "initContainerStatuses": [c["status"] for c in inits],
            "containerStatuses": [c["status"] for c in containers],
            **({"startTime": at(started)} if started is not None else {}),
        },
    }
