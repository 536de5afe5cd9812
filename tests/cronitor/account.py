"""The state of the stand-in and what every answer goes through: keys, faults, recording. One lock guards all of it."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from threading import Condition
from typing import Any, Self
from urllib.parse import parse_qsl

from tests.cronitor.events import Event, Kind, Violation
from tests.cronitor.faults import Fault, FaultKind, FaultTable, Surface
from tests.cronitor.monitors import Monitors
from tests.cronitor.rate_limits import RateLimits
from tests.cronitor.recording import Recorded, Recording
from tests.cronitor.redaction import Redaction
from tests.cronitor.rules import Rule, only
from tests.cronitor.runs import Run, group
from tests.cronitor.series import History

log = logging.getLogger("tests.cronitor")
KEY_KINDS = ("sdk", "telemetry")
SHOWN_HEADERS = ("User-Agent", "Content-Type", "Cronitor-Version", "Connection")
DEFAULT_LIST = "default"  # the notification list that every account has


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Where Cronitor's answers are known to differ, a test says which it wants.

    `notify`, `groups` and `tags` are those that the account has; None: whatever a monitor names. A monitor that names
    another list or group is refused; another tag is left out of it, as Cronitor was once seen to do.
    """

    rate_limits: bool = False
    answer_form: str = "object"  # of a PUT: "object" {"monitors": […]} or "array" […]
    put_status: int = 200  # 201 has been seen too
    notify: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.answer_form not in ("object", "array") or self.put_status not in (200, 201):
            raise ValueError("answer_form is object or array, put_status is 200 or 201")
        for name in ("notify", "groups", "tags"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, tuple) and all(isinstance(one, str) for one in value)):
                raise ValueError(f"{name} is a list of texts, or nothing")

    def altered(self, **given: Any) -> Self:
        """With these in place of what was; a list stands for a tuple."""
        if unknown := set(given) - {one.name for one in fields(self)}:
            raise ValueError(f"no such behaviour: {', '.join(sorted(unknown))}")
        values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in given.items()}
        return replace(self, **values)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Cronitor's own words for this are not published."""
        rules = []
        if self.notify is not None:
            rules.append(
                only("notify", (DEFAULT_LIST, *self.notify), "{key}: notification list '{value}' does not exist")
            )
        if self.groups is not None:
            rules.append(only("group", self.groups, "{key}: group '{value}' does not exist"))
        return tuple(rules)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request as the server read it."""

    arrived: float
    scheme: str
    method: str
    target: str
    source: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back: a text or a JSON document. The fault, if any, is for the server to act out."""

    status: int
    body: Any = "OK"
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    number: int = 0


def error(status: int, message: str, form: str = "error") -> Answer:
    """An error in one of the three forms that Cronitor has been seen to answer with."""
    match form:
        case "errors":
            return Answer(status, {"errors": [{"message": message}]})
        case "text":
            return Answer(status, message)
    return Answer(status, {"error": message})


@dataclass(slots=True)
class Account:
    """One Cronitor account. `keys` maps a key to its kind; with no keys at all, every key is an SDK key."""

    keys: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    behaviour: Behaviour = field(default_factory=Behaviour)
    rules: tuple[Rule, ...] = ()  # those that a test scripts
    monitors: Monitors = field(default_factory=Monitors)
    history: History = field(default_factory=History)
    recording: Recording = field(default_factory=Recording)
    faults: FaultTable = field(default_factory=FaultTable)
    limits: RateLimits = field(default_factory=RateLimits)
    redaction: Redaction = field(init=False)
    _first_rules: tuple[Rule, ...] = field(init=False)

    def __post_init__(self) -> None:
        if wrong := set(self.keys.values()) - set(KEY_KINDS):
            raise ValueError(f"a key is one of {', '.join(KEY_KINDS)}, not {', '.join(sorted(wrong))}")
        self.redaction = Redaction(self.keys)
        self._first_rules = self.rules

    @property
    def lock(self) -> Condition:
        return self.recording.changed

    @property
    def refusals(self) -> tuple[Rule, ...]:
        """All rules that a monitor must pass, beside the documented form."""
        return self.behaviour.rules + self.rules

    def key_kind(self, key: str) -> str:
        return self.keys.get(key, "unknown") if self.keys else "sdk"

    def fault_for(self, surface: Surface, monitors: Collection[str], event: Event | None = None) -> Fault | None:
        """The fault that a request meets now, used once."""
        series, state = (event.series, event.state) if event else ("", "")
        return self.faults.take(self.clock(), surface, monitors, series, state)

    def record(self, incoming: Incoming, answer: Answer, **more: Any) -> Answer:
        """Keeps the request with its answer, and adds the one fault that no parser sees: a key in the open."""
        path = self.redaction.path(incoming.target.partition("?")[0])
        query = self.redaction.text(incoming.query)
        found = list(more.pop("violations", ()))
        if query != incoming.query:
            found.append(Violation(Kind.KEY_SHOWN, "a key stands in the query string"))
        silent = answer.fault is not None and answer.fault.kind in (FaultKind.HANG, FaultKind.RESET, FaultKind.LOST)
        record = Recorded(
            number=self.recording.next_number,
            arrived=incoming.arrived,
            scheme=incoming.scheme,
            method=incoming.method,
            path=path,
            source=incoming.source,
            headers={name: self.redaction.text(incoming.headers.get(name, "")) for name in SHOWN_HEADERS},
            parameters=tuple(parse_qsl(query, keep_blank_values=True, errors="replace")),
            status=None if silent else answer.status,
            violations=tuple(found),
            **({"fault": answer.fault.kind} if answer.fault else {}) | more,
        )
        self.recording.append(record)
        _log(record)
        return replace(answer, number=record.number)

    def unknown(self, incoming: Incoming) -> Answer:
        """A path or method that Cronitor does not have."""
        with self.lock:
            found = Violation(Kind.UNKNOWN_PATH, "Cronitor is not known to answer here")
            return self.record(
                incoming,
                error(404, "Not found", "text"),
                surface=Surface.OTHER,
                key_kind="",
                delivered=False,
                violations=[found],
            )

    def acknowledge(self, number: int) -> None:
        """A late answer reached its client."""
        with self.lock:
            self.history.acknowledge(number)

    def runs(self) -> list[Run]:
        with self.lock:
            return group(self.recording.all(), self.monitors.names())

    def reset(self) -> None:
        """As new, but for the keys, the behaviour, and the faults, which are cleared where the doors are."""
        with self.lock:
            self.rules = self._first_rules
            self.monitors.clear()
            self.history.clear()
            self.limits = RateLimits()
            self.recording.reset()


def _log(record: Recorded) -> None:
    status = record.status if record.status is not None else "no answer"
    fault = f" fault={record.fault}" if record.fault else ""
    said = f" state={record.event.state} series={record.series}" if record.event else ""
    log.info("%s %s%s → %s%s", record.method, record.path, said, status, fault)
    for violation in record.violations:
        log.warning("violation %s: %s (request %d)", violation.kind, violation.detail, record.number)
