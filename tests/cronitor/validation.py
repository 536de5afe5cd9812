"""Pure: what a monitor may hold, by Cronitor's documentation and by the rules of the account."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from tests.cronitor.rules import Rule

TEXT_LIMIT = 100
TYPES = ("job", "check", "heartbeat", "site")
_CRON_FIELD = r"[\dA-Za-z*/,\-?#]+"
_SCHEDULE = re.compile(rf"@\w+( \w+)?|every \d+ \w+|{_CRON_FIELD}( +{_CRON_FIELD}){{4}}")
_ASSERTION = re.compile(r"(metric|response)\.[\w.]+ *(<=|>=|!=|<|>|=|contains) *\S.*")


class RejectedError(ValueError):
    """What Cronitor answers with 400, in one form of error body; nothing of it is kept."""

    def __init__(self, messages: Sequence[str], form: str = "errors") -> None:
        super().__init__("; ".join(messages))
        self.messages = messages
        self.form = form


def _text(value: object, limit: int | None = None) -> bool:
    return isinstance(value, str) and bool(value) and (limit is None or len(value) <= limit)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _texts(value: object, limit: int | None = None) -> bool:
    return isinstance(value, list) and all(_text(one, limit) for one in value)


@cache
def _timezones() -> set[str]:
    """The library looks through all its files at each call."""
    return available_timezones()


def _timezone(value: object) -> bool:
    return isinstance(value, str) and value in _timezones()


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
REQUIRED = ("type", "key")
NULLABLE = ("timezone", "schedule", "failure_tolerance", "schedule_tolerance", "group", "note", "realert_interval")


def check(given: Sequence[object], rules: Sequence[Rule] = ()) -> None:
    """Refuses all of a PUT for one bad monitor in it; the first rule that refuses one decides on the form."""
    messages: list[str] = []
    refusing: list[Rule] = []
    for number, monitor in enumerate(given):
        messages += _wrong(number, monitor)
        if isinstance(monitor, dict):
            found = [(rule, text) for rule in rules if (text := rule.complaint(monitor))]
            messages += [text for _, text in found]
            refusing += [rule for rule, _ in found]
    if messages:
        raise RejectedError(messages, refusing[0].form if refusing else "errors")


def check_edit(key: str, changes: dict[str, Any], rules: Sequence[Rule] = ()) -> None:
    """A person's edit: the same of the attributes given, none of which is required."""
    editable = [name for name in ATTRIBUTES if name not in REQUIRED]
    if unknown := [name for name in changes if name not in editable]:
        raise RejectedError([f"{', '.join(unknown)}: cannot be edited; what can be: {', '.join(editable)}"])
    messages = [f"{name} must be {ATTRIBUTES[name][1]}" for name, value in changes.items() if not _right(name, value)]
    messages += [text for rule in rules if (text := rule.complaint(changes | {"key": key}))]
    if messages:
        raise RejectedError(messages)


def _wrong(number: int, monitor: object) -> list[str]:
    if not isinstance(monitor, dict):
        return [f"monitors[{number}]: must be an object"]
    where = f"monitors[{number}] ({monitor.get('key', 'no key')})"
    missing = [f"{where}: {name} is required" for name in REQUIRED if name not in monitor]
    return missing + [
        f"{where}: {name} must be {ATTRIBUTES[name][1]}"
        for name, value in monitor.items()
        if name in ATTRIBUTES and not _right(name, value)
    ]


def _right(name: str, value: object) -> bool:
    return (value is None and name in NULLABLE) or ATTRIBUTES[name][0](value)
