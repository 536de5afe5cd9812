"""What later views of a pod no longer tell, kept from the earlier ones. Pure."""

from collections.abc import Mapping
from typing import Any

from webhook import workloads

Json = Mapping[str, Any]


def remembering(before: Json, now: Json) -> dict[str, Any]:
    """The pod as it is now, with what later views no longer tell: earlier ends of its containers, and when its deletion
    was asked for first (a pod that the Job's finalizer holds gets another time as the kubelet lets it go).
    """
    status = dict(now.get("status") or {})
    for key in ("initContainerStatuses", "containerStatuses"):
        known = {entry.get("name"): entry for entry in (before.get("status") or {}).get(key) or ()}
        status[key] = [_remembering(known.get(entry.get("name")) or {}, entry) for entry in status.get(key) or ()]
    return {**now, "metadata": _remembering_deletion(before["metadata"], now["metadata"]), "status": status}


def _remembering_deletion(before: Json, now: Json) -> Json:
    asked, asked_anew = deletion_asked(before), deletion_asked(now)
    if asked is None or asked_anew is None or asked_anew <= asked:
        return now
    return {**now, **{key: before[key] for key in ("deletionTimestamp", "deletionGracePeriodSeconds") if key in before}}


def deletion_asked(metadata: Json) -> float | None:
    """When a pod's deletion was asked for, in Unix seconds; None where it was not.

    The API server writes the moment at which the grace period will have passed.
    """
    passes = workloads.epoch(metadata.get("deletionTimestamp"))
    return None if passes is None else passes - (metadata.get("deletionGracePeriodSeconds") or 0)


def _remembering(before: Json, now: Json) -> Json:
    if (now.get("lastState") or {}).get("terminated"):
        return now
    states = {restarts(before): before.get("state"), _number_of_last(before): before.get("lastState")}
    earlier = (states.get(_number_of_last(now)) or {}).get("terminated")
    return {**now, "lastState": {"terminated": earlier}} if earlier else now


def restarts(status: Json) -> int:
    """How often a container, by its status, was started again."""
    return int(status.get("restartCount") or 0)


def _number_of_last(status: Json) -> int:
    """Of a container's runs, counted from 0, the one whose end is its last state; -1 for none."""
    state = status.get("state") or {}
    return restarts(status) - bool(state.get("running") or state.get("terminated"))
