"""What the earlier pods of this run leave of its start, by their states and their sidecars' journals. Pure.

A pod that is not the run's first passes on the `run` that an earlier sidecar could not deliver: else its own verdict
might come first, and with no controller there, alone. Where an earlier one's journal says that the run is complete,
nothing more is told.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sidecar import journal as journals
from sidecar.events import Event, State
from sidecar.journal import Delivery, Entry
from sidecar.pod import Pod, Terminated, parse
from sidecar.rules import Rules, watched_containers


@dataclass(frozen=True, slots=True)
class Beginning:
    """The run's start. `owed`: nobody has told it, and no earlier pod will.

    `event` None: no container of theirs has started, so that this pod's own start is the run's. `completed`: what
    counts has ended well in one of them, as its journal says, though that pod failed or was taken away.
    """

    event: Event | None = None
    owed: bool = False
    completed: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """`beginning` None: it cannot be known; `final`: nor will it be, if asked again. `failed`: pods that failed by
    themselves: of one that is being deleted, as by a suspension, the Job alone knows whether it counts.
    """

    beginning: Beginning | None
    final: bool
    failed: int = 0


def find(pods: Iterable[dict[str, Any]], own_name: str, rules: Rules) -> Found:
    """From the Job's pods in JSON, this one's among them."""
    others = [pod for pod in pods if pod["metadata"]["name"] != own_name]
    found, failed = _find(others, rules), sum(map(_has_failed, others))
    if found.beginning and any(_told(pod, State.COMPLETE) for pod in others):
        return replace(found, beginning=replace(found.beginning, completed=True), failed=failed)
    return replace(found, failed=failed)


def _find(others: list[dict[str, Any]], rules: Rules) -> Found:
    entries = [entry for pod in others if (entry := _told(pod, State.RUN))]
    taken = next((entry for entry in entries if entry.delivery is not Delivery.PENDING), None)
    if taken:
        return Found(Beginning(taken.event), final=True)
    if any(pod["metadata"].get("deletionTimestamp") for pod in others):
        return Found(None, final=True)  # the controller alone reads what a pod that goes leaves
    if not all(_is_over(pod) for pod in others):
        return Found(None, final=False)
    if entries:
        return Found(Beginning(entries[0].event, owed=True), final=True)
    if not others and State.RUN in rules.tells:
        return Found(Beginning(owed=True), final=True)
    if len(others) < max(rules.failed_before, 1):
        return Found(None, final=True)  # one that is gone may have told it
    return Found(_never_told([parse(pod) for pod in others], rules), final=True)


def _never_told(pods: list[Pod], rules: Rules) -> Beginning:
    starts = [container.first_known_start for pod in pods for container in watched_containers(pod, rules)]
    known = [start for start in (*starts, rules.run_started_at) if start is not None]
    if not known:
        return Beginning(owed=True)
    return Beginning(Event(State.RUN, min(known), "manual" if rules.manual else ""), owed=True)


def _told(pod: dict[str, Any], state: State) -> Entry | None:
    """The event of this state in the journal of this pod's sidecar: of its newest incarnation that wrote one."""
    own = parse(pod).own
    if own is None:
        return None
    for end in (own.state, own.last):
        for entry in journals.decode(end.message).entries if isinstance(end, Terminated) else ():
            if entry.event.state is state:
                return entry
    return None


def _has_failed(pod: dict[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") == "Failed" and not pod["metadata"].get("deletionTimestamp")


def _is_over(pod: dict[str, Any]) -> bool:
    """Whether its journal will say no more than it does."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
