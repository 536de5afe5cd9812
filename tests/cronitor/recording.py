"""Every request with its arrival time, kept in order, and what a test declared to expect of the violations."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition
from typing import Any, TypeVar

from tests.cronitor.events import Event, Kind, Violation
from tests.cronitor.faults import Surface

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it came in. It holds no key: `key_kind` tells what sort of key was used."""

    number: int
    arrived: float
    surface: Surface
    scheme: str
    method: str
    path: str
    source: str
    key_kind: str
    headers: dict[str, str]
    parameters: tuple[tuple[str, str], ...]
    status: int | None  # None: there was no answer
    delivered: bool  # Cronitor took it
    fault: str = ""
    monitor: str = ""
    event: Event | None = None
    body: Any = None
    violations: tuple[Violation, ...] = ()
    repeat_of: int | None = None

    @property
    def series(self) -> str:
        return self.event.series if self.event else ""

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number, "arrived": self.arrived, "surface": self.surface, "scheme": self.scheme,
            "method": self.method, "path": self.path, "source": self.source, "key_kind": self.key_kind,
            "headers": self.headers, "parameters": [list(pair) for pair in self.parameters],
            "status": self.status, "delivered": self.delivered, "fault": self.fault, "monitor": self.monitor,
            "series": self.series, "state": self.event.state if self.event else "", "body": self.body,
            "violations": [{"kind": one.kind, "detail": one.detail} for one in self.violations],
            "repeat_of": self.repeat_of,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expectation:
    """A violation that a test brings about on purpose. An empty series or monitor stands for any."""

    kind: Kind
    series: str = ""
    monitor: str = ""

    def covers(self, kind: Kind, record: Recorded) -> bool:
        return kind == self.kind and self.series in ("", record.series) and self.monitor in ("", record.monitor)


@dataclass(frozen=True, slots=True)
class Found:
    """A violation and the request that it was found in."""

    kind: Kind
    detail: str
    number: int
    monitor: str
    series: str

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "detail": self.detail, "number": self.number} | {
            "monitor": self.monitor,
            "series": self.series,
        }

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail} (request {self.number}, monitor {self.monitor!r}, series {self.series!r})"


@dataclass(slots=True)
class Recording:
    """The requests since the last reset. Numbers go on through a reset, so that a follower's place stays valid."""

    _records: list[Recorded] = field(default_factory=list)
    _expected: list[Expectation] = field(default_factory=list)
    changed: Condition = field(default_factory=Condition)  # also the one lock of the whole stand-in
    resets: int = 0
    edits: int = 0
    _next: int = 1
    _closed: bool = False

    @property
    def next_number(self) -> int:
        return self._next

    def append(self, record: Recorded) -> None:
        with self.changed:
            self._records.append(record)
            self._next = record.number + 1
            self.changed.notify_all()

    def all(self) -> list[Recorded]:
        with self.changed:
            return list(self._records)

    @property
    def turns(self) -> tuple[int, int]:
        """Moves on with each reset and each edit of a person, which are no requests."""
        return self.resets, self.edits

    def after(self, number: int, timeout: float = 0.0, turns: tuple[int, int] | None = None) -> list[Recorded]:
        """What came after the given number; waits for something to come, or for another turn, until the timeout."""
        with self.changed:
            turns = self.turns if turns is None else turns
            self.changed.wait_for(lambda: self._closed or self.turns != turns or self._newer(number), timeout)
            return self._newer(number)

    def _newer(self, number: int) -> list[Recorded]:
        return self._records[bisect_right(self._records, number, key=lambda record: record.number) :]

    def wait_for(self, found: Callable[[], T | None], timeout: float) -> T | None:
        """Calls again after every request until it returns something, or the time is up."""
        with self.changed:
            return self.changed.wait_for(found, timeout)

    def edited(self) -> None:
        """Tells the followers that a person edited a monitor."""
        with self.changed:
            self.edits += 1
            self.changed.notify_all()

    def expect(self, expectation: Expectation) -> None:
        with self.changed:
            self._expected.append(expectation)

    def violations(self, *, unexpected_only: bool = True) -> list[Found]:
        with self.changed:
            return [
                Found(one.kind, one.detail, record.number, record.monitor, record.series)
                for record in self._records
                for one in record.violations
                if not (unexpected_only and any(each.covers(one.kind, record) for each in self._expected))
            ]

    def reset(self) -> None:
        with self.changed:
            self._records.clear()
            self._expected.clear()
            self.resets += 1
            self.changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Lets every follower go."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
