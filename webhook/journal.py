"""Reads the journal that a sidecar left as its termination message. Pure.

One JSON object a line; `e` is the event's state, `a` whether Cronitor took it (1), `k` marks a stuck start, `left` says
why the verdict is the controller's. Written by `sidecar/journal.py`; tests/contract holds both to it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.admission.decide import CONTAINER

ACCEPTED = 1
VERDICTS = frozenset({"complete", "fail"})


@dataclass(frozen=True, slots=True)
class SidecarReport:
    """What a sidecar says that it told. `verdict` is '' where it told none; `undelivered` holds states, in order."""

    verdict: str = ""
    undelivered: tuple[str, ...] = ()
    left: str = ""


def read(message: str) -> SidecarReport:
    """A cut or foreign line is passed over."""
    verdict, left = "", ""
    undelivered: list[str] = []
    for line in message.split("\n"):  # no other line end: a message may hold U+2028 or U+0085
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(parsed, dict):
            continue
        left = str(parsed.get("left", left))
        state = str(parsed.get("e", ""))
        if state and parsed.get("a") != ACCEPTED:
            undelivered.append(state)
        elif state in VERDICTS and not parsed.get("k"):
            verdict = state
    return SidecarReport(verdict, tuple(undelivered), left)


def of_pod(pod: Mapping[str, Any]) -> SidecarReport | None:
    """The report of a pod's sidecar; None while it runs, or where there was none."""
    for status in (pod.get("status") or {}).get("initContainerStatuses") or ():
        if status.get("name") == CONTAINER:
            ended = (status.get("state") or {}).get("terminated")
            return _of_incarnations(status, ended) if ended else None
    return None


def _of_incarnations(status: Mapping[str, Any], ended: Mapping[str, Any]) -> SidecarReport:
    """The last one's journal holds what it found of the one before; it may have been told to leave before it looked."""
    report = read(ended.get("message") or "")
    before = (status.get("lastState") or {}).get("terminated")
    if report.verdict or report.undelivered or not before:
        return report
    earlier = read(before.get("message") or "")
    return replace(earlier, left=report.left or earlier.left)
