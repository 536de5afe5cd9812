"""Reads the journal that a sidecar left as its termination message. Pure.

One JSON object a line; `e` is the event's state, `a` whether Cronitor took it (1), `k` marks a stuck start, `left` says
why the verdict is the controller's. Written by `sidecar/journal.py`; tests/contract holds both to it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
    for line in message.splitlines():
        try:
            parsed = json.loads(line)
        except ValueError:
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
            return read(ended.get("message") or "") if ended else None
    return None
