"""The mark that the controller writes on the Job of an open run: annotation `k8s.cronitor.io/run`. Pure.

It freezes what the run is told under, so that an edited CronJob does not split a series, and remembers what a later
pod, a restarted controller or a new leader must know: the first container start, what has been told, and what the
controller has decided to tell but not yet seen taken.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from webhook import telemetry, workloads
from webhook.annotations import AlertOn
from webhook.monitor_identity import MonitorIdentity
from webhook.telemetry import Event, State

ANNOTATION = workloads.RUN
VERSION = 1


@dataclass(frozen=True, slots=True)
class RunMark:
    """One open or closed run.

    `start` is the first container start in Unix seconds. `run`, `stuck` and `verdict` (`complete`, `fail`) say what is
    told or owed: decided once, by whoever spoke first; `run` also that it is too late for it. `owed` holds, in order,
    the events that are the controller's to deliver. `containers` are the chosen ones, `selective` says that some
    container of a pod did not count; `job` is the UID of the Job that the mark was written for.
    """

    key: str
    name: str
    env: str = ""
    alert_on: AlertOn = AlertOn.RUN
    containers: tuple[str, ...] = ()
    start: float | None = None
    run: bool = False
    stuck: bool = False
    verdict: str = ""
    selective: bool = False
    owed: tuple[Event, ...] = ()
    job: str = ""
    attempts: tuple[str, ...] = ()
    logs_complete: bool = False

    @property
    def identity(self) -> MonitorIdentity:
        return MonitorIdentity(self.key, self.name, self.env, self.logs_complete)

    def owing(self, event: Event) -> "RunMark":
        """The mark with one more event that the controller is to deliver: `run`, failed attempts, verdict."""
        owed = list(self.owed)
        owed.insert(self._place(event), event)
        return replace(self._saying(event), owed=tuple(owed))

    def having_heard(self, event: Event) -> "RunMark":
        """The mark once a sidecar has told `event`. The first verdict stands, and nothing may follow it."""
        if not event.is_verdict:
            owed = tuple(
                one for one in self.owed if one.is_verdict or (one.state, one.stuck) != (event.state, event.stuck)
            )
            return replace(self._saying(event), owed=owed)
        if not self.verdict:
            return replace(self._saying(event), run=True, owed=())
        owed = tuple(one for one in self.owed if one.is_verdict and one.state is not event.state)
        return replace(self, run=True, owed=owed) if self.verdict == event.state.value else self

    def delivered(self, events: frozenset[Event]) -> "RunMark":
        """The mark once Cronitor has taken these, or turned them down for good."""
        left = tuple(event for event in self.owed if event not in events)
        is_out = any(event.is_verdict and event in events for event in self.owed)
        return replace(self, run=self.run or is_out, owed=left)

    def _place(self, event: Event) -> int:
        """Among what is owed."""
        verdict = next((place for place, one in enumerate(self.owed) if one.is_verdict), len(self.owed))
        if event.attempt:
            return verdict
        follows = any(one.is_verdict or one.attempt for one in self.owed)
        return 0 if event.state is State.RUN and follows else len(self.owed)

    def _saying(self, event: Event) -> "RunMark":
        if event.state is State.RUN:
            return replace(self, run=True, start=event.stamp)  # durations are counted from what was told
        if event.stuck:
            return replace(self, stuck=True)
        if event.attempt:
            return replace(self, attempts=(*self._of_other_pods(event.attempt), event.attempt))
        return replace(self, verdict=event.state.value)

    def _of_other_pods(self, attempt: str) -> tuple[str, ...]:
        """A pod's attempts follow each other: of each pod the newest is enough to know."""
        pod = attempt.partition(".")[0]
        return tuple(one for one in self.attempts if one.partition(".")[0] != pod)


def write(mark: RunMark) -> str:
    """The annotation's value: compact JSON with a version; what is empty is left out."""
    known = {name: value for name, value in asdict(mark).items() if value or isinstance(value, float)}
    if mark.owed:
        known["owed"] = [telemetry.to_json(event) for event in mark.owed]
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
            containers=tuple(map(str, parsed.get("containers", ()))),
            start=None if parsed.get("start") is None else telemetry.finite(parsed["start"]),
            run=bool(parsed.get("run", False)),
            stuck=bool(parsed.get("stuck", False)),
            verdict=str(parsed.get("verdict", "")),
            selective=bool(parsed.get("selective", False)),
            owed=tuple(telemetry.from_json(event) for event in parsed.get("owed", ())),
            job=str(parsed.get("job", "")),
            attempts=tuple(map(str, parsed.get("attempts", ()))),
            logs_complete=bool(parsed.get("logs_complete", False)),
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def of_job(job: Mapping[str, Any]) -> RunMark | None:
    """The mark of this very Job: one that came along with a copy of another Job's manifest is none."""
    metadata = job["metadata"]
    mark = read(metadata.get("annotations"))
    return mark if mark is not None and mark.job in ("", metadata.get("uid")) else None
