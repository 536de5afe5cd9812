"""What is told to Cronitor, as values, and the query string they become. Pure.

Parameters as in Cronitor's telemetry API (https://cronitor.io/docs/telemetry-api); `stamp` is sent by all of
its own clients.
"""

import json
from dataclasses import dataclass
from enum import Enum

MESSAGE_LIMIT = 2000
"""Characters of `message` that Cronitor keeps (documented)."""

MESSAGE_BYTES = 300
"""As much as the journal can hold of each message, and so all that is told: an event that has to be told again, by the
next incarnation or by the controller, must be the same word for word."""

COMPLETED = "Job completed"
"""What the message of a completion begins with that is told without a state."""

_LONGEST_CHARACTER = len(r"\u0000")


class State(Enum):
    """The `state` of a telemetry event."""

    RUN = "run"
    COMPLETE = "complete"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run. `stamp` is Unix seconds, `duration` seconds.

    `stuck` marks the one `fail` that a later `complete` may clear: the start of a container that hangs.
    """

    state: State
    stamp: float
    message: str = ""
    status_code: int | None = None
    duration: float | None = None
    error_count: int | None = None
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """What every event of a run has in common. `series` is the Job's UID, `host` the node's name.

    `logs_complete`: the true end lies outside the Job, so that its completion is a message and no state.
    """

    series: str
    env: str = ""
    host: str = ""
    logs_complete: bool = False


def query(event: Event, identity: Identity) -> list[tuple[str, str]]:
    """The parameters of the telemetry request, in a stable order; what is unknown is left out."""
    if identity.logs_complete and event.state is State.COMPLETE:
        message = f"{COMPLETED} · {event.message}" if event.message else COMPLETED
        return [("series", identity.series), ("stamp", f"{event.stamp:.3f}"), *_texts(identity, message)]
    parameters = [
        ("state", event.state.value),
        ("series", identity.series),
        ("stamp", f"{event.stamp:.3f}"),
    ]
    if event.status_code is not None:
        parameters.append(("status_code", str(event.status_code)))
    if event.duration is not None:
        parameters.append(("metric", f"duration:{event.duration:.3f}"))
    if event.error_count is not None:
        parameters.append(("metric", f"error_count:{event.error_count}"))
    return [*parameters, *_texts(identity, event.message)]


def _texts(identity: Identity, message: str) -> list[tuple[str, str]]:
    texts = (("env", identity.env), ("host", identity.host), ("message", message[:MESSAGE_LIMIT]))
    return [(name, text) for name, text in texts if text]


def fits(text: str, limit: int = MESSAGE_BYTES) -> bool:
    """Whether it takes up at most `limit` bytes within a JSON string."""
    return _excess(text, limit) <= 0


def cut(text: str, limit: int = MESSAGE_BYTES) -> str:
    """As much of the beginning as fits."""
    text = text[:limit]
    while (excess := _excess(text, limit)) > 0:
        text = text[: -(excess // _LONGEST_CHARACTER or 1)]
    return text


def _excess(text: str, limit: int) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode()) - len('""') - limit
