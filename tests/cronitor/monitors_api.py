"""The monitors API: Basic auth with the key as user name, PUT in both body forms, list, get, delete, pause."""

import base64
import binascii
import json
from typing import Any
from urllib.parse import parse_qs

from tests.cronitor.account import Account, Answer, Incoming, error
from tests.cronitor.events import Kind, Violation
from tests.cronitor.faults import FaultKind, Surface
from tests.cronitor.monitors import Attributes
from tests.cronitor.puts import monitors_named
from tests.cronitor.target import MonitorList, OneMonitor, Pause
from tests.cronitor.telemetry import faulty
from tests.cronitor.validation import RejectedError

PAGE_SIZE = 50
SCHEDULES_SINCE = "2025-11-28"  # the API version that adds `schedules`
MonitorsTarget = MonitorList | OneMonitor | Pause


def take(account: Account, incoming: Incoming, target: MonitorsTarget) -> Answer:
    """Decides on one request and records it."""
    with account.lock:
        kind, violations = _credentials(account, incoming)
        text = incoming.body.decode("utf-8", errors="replace")
        if account.redaction.shows(text):
            violations.append(Violation(Kind.KEY_SHOWN, "a key stands in the body"))
        body = _json(account.redaction.text(text))
        named = _monitors_named(target, body)
        answer = _answer(account, incoming, target, body, kind, violations)
        return account.record(
            incoming,
            answer,
            surface=Surface.MONITORS,
            key_kind=kind,
            delivered=answer.status < 400 and (answer.fault is None or answer.fault.takes),
            monitor=named[0] if len(named) == 1 else "",
            body=body,
            violations=violations,
        )


def _credentials(account: Account, incoming: Incoming) -> tuple[str, list[Violation]]:
    """The kind of the key, or nothing; the key is the user name and there is no password."""
    scheme, _, encoded = incoming.headers.get("Authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", []
    if scheme.lower() != "basic" or not user:
        return "", []
    found = [Violation(Kind.PASSWORD_GIVEN, "the password must be empty")] if password else []
    return account.key_kind(user), found


def _answer(
    account: Account,
    incoming: Incoming,
    target: MonitorsTarget,
    body: Any,
    kind: str,
    violations: list[Violation],
) -> Answer:
    fault = account.fault_for(Surface.MONITORS, _monitors_named(target, body))
    if fault is not None and fault.kind is FaultKind.STATUS:
        return faulty(fault)
    if fault is not None and not fault.takes:
        return Answer(200, fault=fault)
    answer = _refusal(kind) or _action(account, incoming, target, body, violations)
    return Answer(answer.status, answer.body, answer.headers, fault)


def _refusal(kind: str) -> Answer | None:
    match kind:
        case "":
            return error(401, "Authentication credentials were not provided")
        case "unknown":
            return error(401, "Invalid API key")
        case "telemetry":
            return error(403, "This API key lacks the permission for monitors")
    return None


def _action(
    account: Account, incoming: Incoming, target: MonitorsTarget, body: Any, violations: list[Violation]
) -> Answer:
    match incoming.method, target:
        case "PUT", MonitorList():
            return _put(account, incoming, body, violations)
        case "GET", MonitorList():
            return _list(account, incoming)
        case "GET", OneMonitor(key):
            return _found(account.monitors.get(key), incoming)
        case "DELETE", OneMonitor(key):
            return Answer(204, "") if account.monitors.delete(key) else error(404, "Monitor not found", "text")
        case "GET", Pause(key, hours):
            return _found(account.monitors.pause(key, hours != "0"), incoming)
    violations.append(Violation(Kind.UNKNOWN_METHOD, f"{incoming.method} is not answered here"))
    return error(405, "Method not allowed", "text")


def _put(account: Account, incoming: Incoming, body: Any, violations: list[Violation]) -> Answer:
    given = body.get("monitors") if isinstance(body, dict) else body
    if body is None:
        return error(400, "The body is not JSON", "text")
    if not isinstance(given, list):
        return error(400, 'The body must be {"monitors": […]} or […]')
    try:
        monitors, found = account.monitors.put(given, account.refusals, account.behaviour.tags)
    except RejectedError as rejected:
        return _rejection(rejected)
    violations += found
    shown = [_shown(one, incoming) for one in monitors]
    array = account.behaviour.answer_form == "array"
    return Answer(account.behaviour.put_status, shown if array else {"monitors": shown})


def _rejection(rejected: RejectedError) -> Answer:
    if rejected.form == "errors":
        return Answer(400, {"errors": [{"message": message} for message in rejected.messages]})
    return error(400, str(rejected), rejected.form)


def _list(account: Account, incoming: Incoming) -> Answer:
    query = {name: values[0] for name, values in parse_qs(incoming.query).items()}
    try:
        page, size = int(query.get("page", "1")), int(query.get("pageSize", PAGE_SIZE))
    except ValueError:
        return error(400, "page and pageSize are numbers", "errors")
    if page < 1 or size < 1:
        return error(400, "page and pageSize begin at 1", "errors")
    monitors = account.monitors.listed(query.get("tag", ""))[(page - 1) * size : page * size]
    return Answer(200, {"monitors": [_shown(one, incoming) for one in monitors]})


def _found(monitor: Attributes | None, incoming: Incoming) -> Answer:
    return Answer(200, _shown(monitor, incoming)) if monitor else error(404, "Monitor not found", "text")


def _shown(monitor: Attributes, incoming: Incoming) -> Attributes:
    if incoming.headers.get("Cronitor-Version", "") < SCHEDULES_SINCE:
        return monitor
    return monitor | {"schedules": [monitor["schedule"]] if monitor["schedule"] else []}


def _json(text: str) -> Any:
    """The document, or None where there is none."""
    try:
        return json.loads(text) if text else None
    except json.JSONDecodeError:
        return None


def _monitors_named(target: MonitorsTarget, body: Any) -> list[str]:
    return monitors_named(body) if isinstance(target, MonitorList) else [target.monitor]
