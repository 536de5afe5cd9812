"""Pure: the raw target of a request → what it is about. Read undecoded, so that a key may hold an encoded slash."""

from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Telemetry:
    """`/p/<key>/<monitor>` or its alias `/ping/<key>/<monitor>`."""

    key: str
    monitor: str


@dataclass(frozen=True, slots=True)
class MonitorList:
    """`/api/monitors`."""


@dataclass(frozen=True, slots=True)
class OneMonitor:
    """`/api/monitors/<key>`."""

    monitor: str


@dataclass(frozen=True, slots=True)
class Pause:
    """`/api/monitors/<key>/pause` for ever, `/pause/<hours>` for a time; 0 hours resumes."""

    monitor: str
    hours: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing that Cronitor is known to answer."""


Target = Telemetry | MonitorList | OneMonitor | Pause | Unknown


def read_target(raw: str) -> Target:
    path = raw.partition("?")[0]
    match [unquote(segment) for segment in path.split("/")]:
        case ["", "p" | "ping", key, monitor] if key and monitor:
            return Telemetry(key, monitor)
        case ["", "api", "monitors"] | ["", "api", "monitors", ""]:
            return MonitorList()
        case ["", "api", "monitors", monitor] if monitor:
            return OneMonitor(monitor)
        case ["", "api", "monitors", monitor, "pause"] if monitor:
            return Pause(monitor)
        case ["", "api", "monitors", monitor, "pause", hours] if monitor and hours.isdecimal():
            return Pause(monitor, hours)
    return Unknown()
