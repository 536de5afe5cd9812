"""Faults that a test scripts: what goes wrong, for which requests, for how many or how long. The time is passed in."""

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """In what way Cronitor fails."""

    REFUSE = "refuse"  # no connection: the listening socket is closed, or (with `times`) connections are reset at once
    HANG = "hang"  # the request is read and never answered
    RESET = "reset"  # the request is read, then the connection is reset; Cronitor did not take it
    LOST = "lost"  # the request is taken, then the connection is reset before the answer
    STATUS = "status"  # the answer is an error: 5xx, 429 with Retry-After, …
    SLOW = "slow"  # the request is taken, the answer comes late, and byte by byte if asked


class Surface(StrEnum):
    """Which part of the stand-in a request is for."""

    TELEMETRY = "telemetry"
    MONITORS = "monitors"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. With neither `times` nor `seconds` it lasts until it is cleared; with both, until either is spent."""

    kind: FaultKind
    times: int | None = None
    seconds: float | None = None
    surface: Surface | None = None
    monitor: str = ""
    series: str = ""
    state: str = ""
    status: int = 503
    retry_after: str = ""
    error_form: str = "error"
    delay: float = 0.0
    pace: float = 0.0  # seconds between two bytes of the answer

    def __post_init__(self) -> None:
        """Refuses what cannot be done, so that a mistyped fault is not silently none."""
        if self.kind is FaultKind.REFUSE and (self.surface or self.monitor or self.series or self.state):
            raise ValueError("refuse is decided before anything is read: it cannot be limited, use reset")
        if self.kind is FaultKind.STATUS and not 400 <= self.status <= 599:
            raise ValueError(f"status {self.status} is no error")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1")

    @property
    def takes(self) -> bool:
        """Whether Cronitor has the event in spite of the fault."""
        return self.kind in (FaultKind.LOST, FaultKind.SLOW)

    def hits(self, surface: Surface, monitors: Collection[str], series: str, state: str) -> bool:
        """Whether a request (a batch names many monitors) is one of those that the fault is for."""
        return (
            self.surface in (None, surface)
            and (not self.monitor or self.monitor in monitors)
            and self.series in ("", series)
            and self.state in ("", state)
        )

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Fault":
        names = {one.name for one in fields(cls)}
        if unknown := set(document) - names:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(names))}")
        if "kind" not in document:
            raise ValueError("a fault needs a kind")
        given = dict(document) | {"kind": FaultKind(document["kind"])}
        if given.get("surface") is not None:
            given["surface"] = Surface(given["surface"])
        given["retry_after"] = str(given.get("retry_after", ""))
        return cls(**given)

    def as_json(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(slots=True)
class _Live:
    fault: Fault
    since: float
    used: int = 0

    def over(self, now: float) -> bool:
        spent = self.fault.times is not None and self.used >= self.fault.times
        return spent or (self.fault.seconds is not None and now >= self.since + self.fault.seconds)


@dataclass(slots=True)
class FaultTable:
    """The faults in force, oldest first: the first that hits a request is used, so that they form a script."""

    _live: list[_Live] = field(default_factory=list)

    def add(self, fault: Fault, now: float) -> None:
        self._live.append(_Live(fault, now))

    def clear(self) -> None:
        self._live.clear()

    def closed(self, now: float) -> bool:
        """Whether the listening sockets are to be closed."""
        return any(
            live.fault.kind is FaultKind.REFUSE and live.fault.times is None and not live.over(now)
            for live in self._live
        )

    def refuses(self, now: float) -> bool:
        """Whether a connection just made is to be reset at once."""
        for live in self._live:
            if live.fault.kind is FaultKind.REFUSE and not live.over(now):
                live.used += 1
                return True
        return False

    def take(
        self, now: float, surface: Surface, monitors: Collection[str] = (), series: str = "", state: str = ""
    ) -> Fault | None:
        """The fault that this request meets, used once."""
        for live in self._live:
            if live.fault.kind is FaultKind.REFUSE or live.over(now):
                continue
            if live.fault.hits(surface, monitors, series, state):
                live.used += 1
                return live.fault
        return None

    def as_json(self, now: float) -> list[dict[str, Any]]:
        return [live.fault.as_json() | {"used": live.used, "over": live.over(now)} for live in self._live]
