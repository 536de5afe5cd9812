"""Pure: the query string of one telemetry request → an Event, and what in it breaks the documented form."""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl

MESSAGE_LIMIT = 2000
STATES = ("run", "complete", "fail", "ok")
METRICS = ("count", "duration", "error_count", "length")
PARAMETERS = ("state", "series", "message", "metric", "status_code", "env", "host", "stamp")
A_DAY = 86_400.0


class Kind(StrEnum):
    """What we can do wrong; tests declare the ones they expect by these words."""

    UNKNOWN_PARAMETER = "unknown-parameter"
    REPEATED_PARAMETER = "repeated-parameter"
    EMPTY_PARAMETER = "empty-parameter"
    MISSING_STATE = "missing-state"
    UNKNOWN_STATE = "unknown-state"
    MISSING_SERIES = "missing-series"
    MESSAGE_TOO_LONG = "message-too-long"
    BAD_STAMP = "bad-stamp"
    BAD_STATUS_CODE = "bad-status-code"
    BAD_METRIC = "bad-metric"
    BAD_ENCODING = "bad-encoding"
    UNKNOWN_METHOD = "unknown-method"
    UNKNOWN_PATH = "unknown-path"
    UNKNOWN_KEY = "unknown-key"
    DUPLICATE = "duplicate"
    SECOND_VERDICT = "second-verdict"
    COMPLETE_WITHOUT_RUN = "complete-without-run"
    RUN_AFTER_VERDICT = "run-after-verdict"
    SERIES_SPLIT = "series-split"
    STAMP_BEFORE_RUN = "stamp-before-run"
    DURATION_DISAGREES = "duration-disagrees"
    STATUS_CONTRADICTS = "status-contradicts-state"
    KEY_SHOWN = "key-shown"
    PASSWORD_GIVEN = "password-given"
    UNKNOWN_ATTRIBUTE = "unknown-attribute"
    REPEATED_MONITOR = "repeated-monitor"
    BATCH_TOO_LARGE = "batch-too-large"


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a request broke the protocol."""

    kind: Kind
    detail: str


@dataclass(frozen=True, slots=True)
class Event:
    """What one telemetry request says. Values that could not be read are None; texts that were not given are empty."""

    monitor: str
    state: str
    series: str = ""
    stamp: float | None = None
    message: str = ""
    status_code: int | None = None
    metrics: tuple[tuple[str, float], ...] = ()
    env: str = ""
    host: str = ""

    def metric(self, name: str) -> float | None:
        return dict(self.metrics).get(name)


class _Reading:
    """The parameters of one request and the violations found while they are read."""

    def __init__(self, query: str) -> None:
        self.violations: list[Violation] = []
        self._given: dict[str, list[str]] = {}
        for name, value in self._pairs(query):
            self._given.setdefault(name, []).append(value)

    def fault(self, kind: Kind, detail: str) -> None:
        self.violations.append(Violation(kind, detail))

    def _pairs(self, query: str) -> list[tuple[str, str]]:
        if not query.isascii():
            self.fault(Kind.BAD_ENCODING, "the query string holds bytes that are not percent-encoded")
        try:
            return parse_qsl(query, keep_blank_values=True, errors="strict")
        except UnicodeDecodeError as error:
            self.fault(Kind.BAD_ENCODING, f"the query string is not UTF-8: {error.reason}")
            return parse_qsl(query, keep_blank_values=True, errors="replace")

    def check_names(self) -> None:
        for name, values in self._given.items():
            if name not in PARAMETERS:
                self.fault(Kind.UNKNOWN_PARAMETER, f"{name!r} is not a parameter of the telemetry API")
            elif len(values) > 1 and name != "metric":
                self.fault(Kind.REPEATED_PARAMETER, f"{name} is given {len(values)} times")
            if name in PARAMETERS and "" in values:
                self.fault(Kind.EMPTY_PARAMETER, f"{name} is given with no value")

    def text(self, name: str) -> str:
        return self._given.get(name, [""])[0]

    def texts(self, name: str) -> list[str]:
        return [value for value in self._given.get(name, []) if value]


def read_event(monitor: str, query: str, arrived: float) -> tuple[Event, tuple[Violation, ...]]:
    """Reads a telemetry request that arrived at the given time (Unix seconds)."""
    reading = _Reading(query)
    reading.check_names()
    event = Event(
        monitor=monitor,
        state=_state(reading),
        series=reading.text("series"),
        stamp=_stamp(reading, arrived),
        message=_message(reading),
        status_code=_status_code(reading),
        metrics=_metrics(reading),
        env=reading.text("env"),
        host=reading.text("host"),
    )
    if event.state in ("run", "complete", "fail") and not event.series:
        reading.fault(Kind.MISSING_SERIES, f"{event.state} without a series cannot be tied to its run")
    if event.state == "complete" and event.status_code:
        reading.fault(Kind.STATUS_CONTRADICTS, f"complete with status_code {event.status_code}")
    return event, tuple(reading.violations)


def _state(reading: _Reading) -> str:
    state = reading.text("state")
    if not state:
        if not reading.text("message"):  # a message alone is an event without a state
            reading.fault(Kind.MISSING_STATE, "neither a state nor a message is given")
    elif state not in STATES:
        reading.fault(Kind.UNKNOWN_STATE, f"{state!r} is none of {', '.join(STATES)}")
    return state


def _message(reading: _Reading) -> str:
    message = reading.text("message")
    if len(message) > MESSAGE_LIMIT:
        reading.fault(Kind.MESSAGE_TOO_LONG, f"{len(message)} characters, {MESSAGE_LIMIT} are allowed")
    return message


def _stamp(reading: _Reading, arrived: float) -> float | None:
    text = reading.text("stamp")
    if not text:
        return None
    if not re.fullmatch(r"\d{10}(\.\d{1,6})?", text, re.ASCII):
        reading.fault(Kind.BAD_STAMP, f"{text!r} is not Unix seconds such as 1767225600.123")
        return None
    stamp = float(text)
    if stamp > arrived + A_DAY:
        reading.fault(Kind.BAD_STAMP, f"{text} is more than a day in the future")
    return stamp


def _status_code(reading: _Reading) -> int | None:
    text = reading.text("status_code")
    if not text:
        return None
    if not re.fullmatch(r"0|-?[1-9]\d{0,9}", text, re.ASCII) or not -(2**31) <= int(text) < 2**31:
        reading.fault(Kind.BAD_STATUS_CODE, f"{text!r} is not an exit code")
        return None
    return int(text)


def _metrics(reading: _Reading) -> tuple[tuple[str, float], ...]:
    metrics: dict[str, float] = {}
    for text in reading.texts("metric"):
        name, colon, number = text.partition(":")
        if name not in METRICS or not colon or not re.fullmatch(r"\d+(\.\d+)?", number, re.ASCII):
            reading.fault(Kind.BAD_METRIC, f"{text!r} is not a NAME:NUMBER with one of {', '.join(METRICS)}")
        elif name in metrics:
            reading.fault(Kind.BAD_METRIC, f"{name} is given twice")
        else:
            metrics[name] = float(number)
    return tuple(metrics.items())
