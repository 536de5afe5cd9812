"""Pure: the recorded telemetry grouped into runs, one for each monitor and series, for tests and the page."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tests.cronitor.recording import Recorded


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One event of a run that Cronitor took."""

    number: int
    arrived: float
    state: str
    stamp: float | None
    status_code: int | None
    message: str
    env: str
    host: str
    metrics: dict[str, float]
    repeat_of: int | None
    violations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """All that was heard of one run. `name` is the monitor's, known once a PUT gave it."""

    monitor: str
    series: str
    name: str
    events: tuple[RunEvent, ...]

    @property
    def states(self) -> list[str]:
        """In the order of arrival, without exact repeats of an event whose acknowledgement was lost."""
        return [event.state for event in self.events if event.repeat_of is None]

    @property
    def verdict(self) -> str:
        """The last `complete` or `fail`, or nothing yet."""
        last = self._last()
        return last.state if last else ""

    @property
    def status_code(self) -> int | None:
        last = self._last()
        return last.status_code if last else None

    @property
    def message(self) -> str:
        return self.events[-1].message

    @property
    def env(self) -> str:
        return self.events[0].env

    @property
    def host(self) -> str:
        return next((event.host for event in reversed(self.events) if event.host), "")

    @property
    def duration(self) -> float | None:
        """As we told it by the metric, else by the stamps."""
        last = self._last()
        start = next((event.stamp for event in self.events if event.state == "run"), None)
        if last and "duration" in last.metrics:
            return last.metrics["duration"]
        return last.stamp - start if last and last.stamp is not None and start is not None else None

    def event(self, state: str) -> RunEvent:
        """The first event with this state."""
        return next(event for event in self.events if event.state == state)

    def _last(self) -> RunEvent | None:
        return next((one for one in reversed(self.events) if one.state in ("complete", "fail")), None)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "states": self.states, "verdict": self.verdict, "status_code": self.status_code,
            "message": self.message, "env": self.env, "host": self.host, "duration": self.duration,
        }  # fmt: skip

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Run":
        events = tuple(RunEvent(**one | {"violations": tuple(one["violations"])}) for one in document["events"])
        return cls(document["monitor"], document["series"], document["name"], events)

    def __str__(self) -> str:
        states = " → ".join(event.state or "message" for event in self.events)
        return f"{self.name or self.monitor} {self.series}: {states} ({self.message or 'no message'})"


def group(records: Iterable[Recorded], names: Mapping[str, str]) -> list[Run]:
    """The runs in the order in which they were first heard of. What Cronitor did not take is no part of them."""
    events: dict[tuple[str, str], list[RunEvent]] = {}
    for record in records:
        if record.event is not None and record.delivered:
            events.setdefault((record.monitor, record.series), []).append(_run_event(record))
    return [Run(monitor, series, names.get(monitor, ""), tuple(heard)) for (monitor, series), heard in events.items()]


def _run_event(record: Recorded) -> RunEvent:
    event = record.event
    if event is None:
        raise ValueError(f"request {record.number} is no telemetry")
    return RunEvent(
        number=record.number,
        arrived=record.arrived,
        state=event.state,
        stamp=event.stamp,
        status_code=event.status_code,
        message=event.message,
        env=event.env,
        host=event.host,
        metrics=dict(event.metrics),
        repeat_of=record.repeat_of,
        violations=tuple(f"{one.kind}: {one.detail}" for one in record.violations),
    )
