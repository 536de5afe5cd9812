"""The telemetry API: answers 200 to any key, as documented, and takes the event if the key is known."""

import math
from dataclasses import replace

from tests.cronitor.account import Account, Answer, Incoming, error
from tests.cronitor.events import Event, Kind, Violation, read_event
from tests.cronitor.faults import Fault, FaultKind, Surface
from tests.cronitor.target import Telemetry

METHODS = ("GET", "POST", "HEAD")


def take(account: Account, incoming: Incoming, target: Telemetry) -> Answer:
    """Decides on one telemetry request and records it."""
    with account.lock:
        query = account.redaction.text(incoming.query)
        event, found = read_event(target.monitor, query, incoming.arrived)
        kind = account.key_kind(target.key)
        violations = list(found)
        if kind == "unknown":
            violations.append(
                Violation(Kind.UNKNOWN_KEY, "this key belongs to nobody; Cronitor answers 200 all the same")
            )
        if incoming.method not in METHODS:
            violations.append(Violation(Kind.UNKNOWN_METHOD, f"{incoming.method} is none of {', '.join(METHODS)}"))
            answer = error(405, "Method not allowed", "text")
        else:
            answer = _answer(account, incoming, event)
        delivered = answer.status < 400 and kind != "unknown" and (answer.fault is None or answer.fault.takes)
        repeat_of = None
        if delivered:
            acknowledged = answer.fault is None
            judgement = account.history.judge(account.recording.next_number, event, acknowledged=acknowledged)
            violations += judgement.violations
            repeat_of = judgement.repeat_of
            account.monitors.seen(target.monitor)
        return account.record(
            incoming,
            answer,
            surface=Surface.TELEMETRY,
            key_kind=kind,
            delivered=delivered,
            monitor=target.monitor,
            event=event,
            violations=violations,
            repeat_of=repeat_of,
        )


def _answer(account: Account, incoming: Incoming, event: Event) -> Answer:
    fault = account.fault_for(Surface.TELEMETRY, (event.monitor,), event)
    if fault is not None and fault.kind is FaultKind.STATUS:
        return faulty(fault)
    if account.behaviour.rate_limits and (fault is None or fault.takes):
        wait = account.limits.take(incoming.source, event.monitor, account.clock())
        if wait:
            return Answer(429, "Too many requests", {"Retry-After": str(math.ceil(wait))})
    return Answer(200, "OK", fault=fault)


def faulty(fault: Fault) -> Answer:
    """The answer that an injected error status gives."""
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    return replace(error(fault.status, "injected", fault.error_form), headers=headers, fault=fault)
