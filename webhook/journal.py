"""Reads the journal that a sidecar left as its termination message. Pure.

One JSON object a line; `e` is the event's state, `a` whether Cronitor took it (0 not known, 1 taken, 2 turned down for
good), `k` marks a stuck start, `left` says why the verdict is the controller's. Written by `sidecar/journal.py`;
tests/contract holds both to it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook import telemetry
from webhook.admission.decide import CONTAINER
from webhook.telemetry import Event, State

PENDING = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a sidecar says that it told, and what it could not deliver; both in the order of telling.

    `told` holds events that Cronitor took, or turned down for good: neither is to be told again.
    """

    told: tuple[Event, ...] = ()
    pending: tuple[Event, ...] = ()
    left: str = ""


def read(message: str) -> Report:
    """A cut or foreign line is passed over."""
    left = ""
    told: list[Event] = []
    pending: list[Event] = []
    for parsed in _lines(message):
        left = str(parsed.get("left", left))
        try:
            event = telemetry.from_json(parsed)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        (pending if parsed.get("a", PENDING) == PENDING else told).append(event)
    return Report(tuple(sorted(told, key=_told_order)), tuple(sorted(pending, key=_told_order)), left)


def of_pod(pod: Mapping[str, Any]) -> Report | None:
    """The newest report of a pod's sidecar, of whichever incarnation; None where none of them has ended yet."""
    for status in (pod.get("status") or {}).get("initContainerStatuses") or ():
        if status.get("name") == CONTAINER:
            ends = [(status.get(key) or {}).get("terminated") for key in ("state", "lastState")]
            reports = [read(end.get("message") or "") for end in ends if end]
            return _of_incarnations(reports) if reports else None
    return None


def _of_incarnations(reports: list[Report]) -> Report:
    """The newer one's journal holds what it found of the one before, unless it was ended before it looked."""
    newest, earlier = reports[0], reports[-1]
    if newest.told or newest.pending:
        return newest
    return Report(earlier.told, earlier.pending, newest.left or earlier.left)


def _lines(message: str) -> Iterator[dict[str, Any]]:
    for line in message.split("\n"):  # no other line end: a message may hold U+2028 or U+0085
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(parsed, dict):
            yield parsed


def _told_order(event: Event) -> tuple[bool, bool]:
    """A stuck start is told before the `run`, every verdict after it."""
    return (not event.stuck, event.state is not State.RUN)
