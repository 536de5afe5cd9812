"""The mark that the controller writes on the Job of an open run: annotation `k8s.cronitor.io/run`. Pure.

It freezes what the run is told under, so that an edited CronJob does not split a series, and remembers what a later
pod, a restarted controller or a new leader must know: the first container start, and in the end what was told.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from webhook.annotations import AlertOn
from webhook.monitor_identity import MonitorIdentity

ANNOTATION = "k8s.cronitor.io/run"
VERSION = 1


@dataclass(frozen=True, slots=True)
class RunMark:
    """One open or closed run.

    `start` is the first container start in Unix seconds; `verdict` what was told at the end (`complete`, `fail`);
    `left` why the sidecar left the verdict to the controller; `job` the UID of the Job that it was written for.
    """

    key: str
    name: str
    env: str = ""
    alert_on: AlertOn = AlertOn.RUN
    start: float | None = None
    verdict: str = ""
    left: str = ""
    job: str = ""

    @property
    def identity(self) -> MonitorIdentity:
        return MonitorIdentity(self.key, self.name, self.env)


def write(mark: RunMark) -> str:
    """The annotation's value: compact JSON with a version; what is empty is left out."""
    known = {name: value for name, value in asdict(mark).items() if value not in (None, "")}
    return json.dumps(
        {"v": VERSION, **known, "alert_on": mark.alert_on.value}, separators=(",", ":"), ensure_ascii=False
    )


def read(annotations: Mapping[str, str] | None) -> RunMark | None:
    """The mark among a Job's annotations; None where there is none or it cannot be read (somebody edited it)."""
    try:
        parsed: dict[str, Any] = json.loads((annotations or {})[ANNOTATION])
        return RunMark(
            key=str(parsed["key"]),
            name=str(parsed["name"]),
            env=str(parsed.get("env", "")),
            alert_on=AlertOn(parsed.get("alert_on", AlertOn.RUN.value)),
            start=None if parsed.get("start") is None else float(parsed["start"]),
            verdict=str(parsed.get("verdict", "")),
            left=str(parsed.get("left", "")),
            job=str(parsed.get("job", "")),
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def of_job(job: Mapping[str, Any]) -> RunMark | None:
    """The mark of this very Job: one that came along with a copy of another Job's manifest is none."""
    metadata = job["metadata"]
    mark = read(metadata.get("annotations"))
    return mark if mark is not None and mark.job in ("", metadata.get("uid")) else None
