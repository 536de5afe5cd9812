"""An event as Cronitor's telemetry API takes it, as it stands in a mark and in a sidecar's journal. Pure.

Parameters as in https://cronitor.io/docs/telemetry-api; `stamp` is sent by all of Cronitor's own clients.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

COMPLETED = "Job completed"
"""What the message of a completion begins with that is told without a state."""
MESSAGE_LIMIT = 2000
"""Characters of `message` that Cronitor keeps (documented)."""


class State(Enum):
    """The `state` of a telemetry event."""

    RUN = "run"
    COMPLETE = "complete"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run. `stamp` is Unix seconds, `duration` seconds, `succeeded` and `errors` count pods or attempts.

    `stuck` marks the one `fail` that a later `complete` may clear; `host` is the node's name. `attempt` says of which
    failed attempt the `fail` is, where it is not the run's verdict (`webhook/controller/alerts.py`).
    """

    state: State
    stamp: float
    message: str = ""
    status_code: int | None = None
    duration: float | None = None
    errors: int | None = None
    succeeded: int | None = None
    stuck: bool = False
    host: str = ""
    attempt: str = ""

    @property
    def is_verdict(self) -> bool:
        return self.state is not State.RUN and not self.stuck and not self.attempt


def query(event: Event, series: str, env: str, *, logs_complete: bool = False) -> list[tuple[str, str]]:
    """The parameters of the telemetry request, in a stable order; what is unknown is left out.

    `logs_complete`: the true end lies outside the Job, so that its completion is a message and no state.
    """
    if logs_complete and event.state is State.COMPLETE:
        message = f"{COMPLETED} · {event.message}" if event.message else COMPLETED
        stamped = [("series", series), ("stamp", f"{event.stamp:.3f}")]
        return [*stamped, *_texts(env, event.host, message)]
    metrics = (("duration", event.duration), ("count", event.succeeded), ("error_count", event.errors))
    parameters = [("state", event.state.value), ("series", series), ("stamp", f"{event.stamp:.3f}")]
    if event.status_code is not None:
        parameters.append(("status_code", str(event.status_code)))
    for name, number in metrics:
        if number is not None:
            parameters.append(("metric", f"{name}:{number:.3f}" if isinstance(number, float) else f"{name}:{number}"))
    return [*parameters, *_texts(env, event.host, event.message)]


def _texts(env: str, host: str, message: str) -> list[tuple[str, str]]:
    texts = (("env", env), ("host", host), ("message", message[:MESSAGE_LIMIT]))
    return [(name, text) for name, text in texts if text]


def to_json(event: Event) -> dict[str, Any]:
    """With the keys of the sidecar's journal (`sidecar/journal.py`), and `s` succeeded, `h` host, `p` attempt."""
    optional = {
        "c": event.status_code,
        "d": event.duration,
        "n": event.errors,
        "s": event.succeeded,
        "k": event.stuck or None,
        "h": event.host or None,
        "p": event.attempt or None,
        "m": event.message or None,
    }
    known = {key: value for key, value in optional.items() if value is not None}
    return {"e": event.state.value, "t": event.stamp, **known}


def from_json(fields: Mapping[str, Any]) -> Event:
    """Raises KeyError, TypeError, ValueError or OverflowError for what is no event."""
    duration = fields.get("d")
    return Event(
        state=State(fields["e"]),
        stamp=finite(fields["t"]),
        message=str(fields.get("m", "")),
        status_code=_whole(fields.get("c")),
        duration=None if duration is None else finite(duration),
        errors=_whole(fields.get("n")),
        succeeded=_whole(fields.get("s")),
        stuck=bool(fields.get("k", False)),
        host=str(fields.get("h", "")),
        attempt=str(fields.get("p", "")),
    )


def finite(number: Any) -> float:
    """A number that is one, and so equal to itself: JSON as Python reads it knows others. Raises ValueError."""
    if not math.isfinite(found := float(number)):
        raise ValueError(f"{found} is no number")
    return found


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)
