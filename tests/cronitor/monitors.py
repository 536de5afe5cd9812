"""Cronitor's monitors: what a PUT may hold, and the store behind the monitors API."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import available_timezones

from tests.cronitor.events import Kind, Violation

Attributes = dict[str, Any]
TEXT_LIMIT = 100
BATCH_LIMIT = 100  # more were seen to time out in Cronitor's own clients
TYPES = ("job", "check", "heartbeat", "site")
_CRON_FIELD = r"[\dA-Za-z*/,\-?#]+"
_SCHEDULE = re.compile(rf"@\w+( \w+)?|every \d+ \w+|{_CRON_FIELD}( +{_CRON_FIELD}){{4}}")
_ASSERTION = re.compile(r"(metric|response)\.[\w.]+ *(<=|>=|!=|<|>|=|contains) *\S.*")


class RejectedError(Exception):
    """A PUT that Cronitor answers with 400; nothing of it is kept."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


def _text(value: object, limit: int | None = None) -> bool:
    return isinstance(value, str) and bool(value) and (limit is None or len(value) <= limit)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _texts(value: object, limit: int | None = None) -> bool:
    return isinstance(value, list) and all(_text(one, limit) for one in value)


def _timezone(value: object) -> bool:
    return isinstance(value, str) and value in available_timezones()


def _schedule(value: object) -> bool:
    return isinstance(value, str) and bool(_SCHEDULE.fullmatch(value))


def _assertions(value: object) -> bool:
    return _texts(value) and isinstance(value, list) and all(_ASSERTION.fullmatch(one) for one in value)


ATTRIBUTES: dict[str, tuple[Callable[[object], bool], str]] = {
    "type": (lambda value: value in TYPES, f"one of {', '.join(TYPES)}"),
    "key": (_text, "a text"),
    "name": (lambda value: _text(value, TEXT_LIMIT), f"a text of at most {TEXT_LIMIT} characters"),
    "schedule": (_schedule, "a cron expression of five fields"),
    "timezone": (_timezone, "an IANA time zone"),
    "grace_seconds": (_count, "a number of seconds"),
    "failure_tolerance": (_count, "a number"),
    "schedule_tolerance": (_count, "a number"),
    "assertions": (_assertions, 'a list such as ["metric.duration < 5 min"]'),
    "notify": (_texts, "a list of keys"),
    "group": (_text, "a key"),
    "tags": (lambda value: _texts(value, TEXT_LIMIT), f"a list of texts of at most {TEXT_LIMIT} characters"),
    "note": (lambda value: isinstance(value, str), "a text"),
    "metadata": (lambda value: isinstance(value, str), "a text (JSON inside it is not read)"),
    "paused": (lambda value: isinstance(value, bool), "true or false"),
    "platform": (_text, "a text"),
    "realert_interval": (_text, 'a text such as "8 hours"'),
}
NULLABLE = ("timezone", "schedule", "failure_tolerance", "schedule_tolerance", "group", "note", "realert_interval")


@dataclass(slots=True)
class Monitors:
    """The monitors of the account, by key."""

    _by_key: dict[str, Attributes] = field(default_factory=dict)

    def put(self, given: list[Any]) -> tuple[list[Attributes], tuple[Violation, ...]]:
        """Creates or updates all of them, or none; attributes left out keep their value."""
        if messages := [text for number, one in enumerate(given) for text in _complaints(number, one)]:
            raise RejectedError(messages)
        for one in given:
            monitor = self._by_key.setdefault(one["key"], _fresh(one["key"]))
            monitor |= {name: value for name, value in one.items() if name in ATTRIBUTES}
            monitor["initialized"] = True
        return [dict(self._by_key[one["key"]]) for one in given], _violations(given)

    def seen(self, key: str) -> None:
        """Telemetry for a monitor that nobody has made creates it."""
        self._by_key.setdefault(key, _fresh(key))

    def get(self, key: str) -> Attributes | None:
        return dict(self._by_key[key]) if key in self._by_key else None

    def delete(self, key: str) -> bool:
        return self._by_key.pop(key, None) is not None

    def pause(self, key: str, paused: bool) -> Attributes | None:
        if key not in self._by_key:
            return None
        self._by_key[key]["paused"] = paused
        return dict(self._by_key[key])

    def listed(self, tag: str = "") -> list[Attributes]:
        return [dict(one) for one in self._by_key.values() if not tag or tag in one["tags"]]

    def names(self) -> dict[str, str]:
        """The names that a PUT gave, by key."""
        return {key: one["name"] for key, one in self._by_key.items() if one["initialized"]}

    def clear(self) -> None:
        self._by_key.clear()


def _fresh(key: str) -> Attributes:
    return {"key": key, "name": key, "type": "job", "schedule": None, "timezone": None, "grace_seconds": 60} | {
        "tags": [], "notify": ["default"], "assertions": [], "paused": False, "initialized": False
    }  # fmt: skip


def _complaints(number: int, monitor: object) -> list[str]:
    if not isinstance(monitor, dict):
        return [f"monitors[{number}]: must be an object"]
    where = f"monitors[{number}] ({monitor.get('key', 'no key')})"
    missing = [f"{where}: {name} is required" for name in ("type", "key") if name not in monitor]
    wrong = [
        f"{where}: {name} must be {ATTRIBUTES[name][1]}"
        for name, value in monitor.items()
        if name in ATTRIBUTES and not (value is None and name in NULLABLE) and not ATTRIBUTES[name][0](value)
    ]
    return missing + wrong


def _violations(given: list[Attributes]) -> tuple[Violation, ...]:
    """What a tolerant server lets pass, and we should not do all the same."""
    violations = [
        Violation(Kind.UNKNOWN_ATTRIBUTE, f"{one['key']}: {name!r} is no attribute of a monitor")
        for one in given
        for name in one
        if name not in ATTRIBUTES
    ]
    keys = [one["key"] for one in given]
    violations += [
        Violation(Kind.REPEATED_MONITOR, f"{key} is given {keys.count(key)} times")
        for key in sorted({key for key in keys if keys.count(key) > 1})
    ]
    if len(given) > BATCH_LIMIT:
        violations.append(Violation(Kind.BATCH_TOO_LARGE, f"{len(given)} monitors in one PUT"))
    return tuple(violations)
