"""What the controller knows and admission needs, as it stands in the release's ConfigMap. Pure.

It is also the controller's memory of its breakers: a new leader goes on from what stands there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

KEY = "state.json"


class Standing(Enum):
    """How a namespace's breaker stands: open, half-open, or closed with its history not forgotten yet."""

    OPEN = "open"
    TRYING = "trying"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Breaker:
    """Why the pods of a namespace go without the sidecar. Times in Unix seconds.

    `since` is when it was opened last; `until` when injection is tried again, or since when it has been; `changed`
    when it came to stand as it does; `times` how often it was opened without being forgotten in between.
    """

    reason: str
    since: float
    until: float
    changed: float
    times: int = 1
    standing: Standing = Standing.OPEN


@dataclass(frozen=True, slots=True)
class SharedState:
    """`provisioned`: labelled namespaces that have all that an injected pod needs. `breakers` by namespace, and so
    `annotations`: what is written on the Namespace for all its CronJobs, as far as admission needs it.
    """

    provisioned: frozenset[str] = frozenset()
    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def write(state: SharedState) -> dict[str, str]:
    """The ConfigMap's `data`."""
    document: dict[str, Any] = {"provisioned": sorted(state.provisioned)}
    if state.breakers:
        document["breakers"] = {name: _written(state.breakers[name]) for name in sorted(state.breakers)}
    if state.annotations:
        document["annotations"] = {
            name: dict(sorted(state.annotations[name].items())) for name in sorted(state.annotations)
        }
    return {KEY: json.dumps(document, separators=(",", ":"))}


def read(config_map: Mapping[str, Any] | None) -> SharedState:
    """The state in a ConfigMap; an empty one where it is missing or cannot be read, so that nothing is injected."""
    try:
        parsed = json.loads(((config_map or {}).get("data") or {})[KEY])
        return SharedState(
            frozenset(map(str, parsed["provisioned"])),
            _breakers(parsed.get("breakers")),
            _annotations(parsed.get("annotations")),
        )
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return SharedState()


def _written(breaker: Breaker) -> dict[str, Any]:
    return {
        "standing": breaker.standing.value,
        "reason": breaker.reason,
        "since": round(breaker.since, 3),
        "until": round(breaker.until, 3),
        "changed": round(breaker.changed, 3),
        "times": breaker.times,
    }


def _annotations(parsed: Any) -> dict[str, dict[str, str]]:
    """Those that can be read, as of breakers."""
    return {
        str(namespace): {str(key): str(text) for key, text in found.items()}
        for namespace, found in (parsed.items() if isinstance(parsed, dict) else ())
        if isinstance(found, dict)
    }


def _breakers(parsed: Any) -> dict[str, Breaker]:
    """Those that can be read: one that somebody has edited must not keep the rest from being known."""
    found = {}
    for name, entry in parsed.items() if isinstance(parsed, dict) else ():
        try:
            found[str(name)] = Breaker(
                reason=str(entry["reason"]),
                since=float(entry["since"]),
                until=float(entry["until"]),
                changed=float(entry["changed"]),
                times=int(entry["times"]),
                standing=Standing(entry["standing"]),
            )
        except (KeyError, ValueError, TypeError, OverflowError):
            continue
    return found
