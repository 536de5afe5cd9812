"""A shape of Job: what it is made of, what is done to it, and the whole list of what must be heard of it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from tests.cronitor.events import Kind
from tests.e2e.faults.rows import Row
from tests.e2e.faults.rows import nothing as no_fault
from tests.e2e.faults.scene import PATIENCE_SECONDS
from tests.e2e.world import INCLUDE, Json, container, cron_job

if TYPE_CHECKING:
    from tests.e2e.scenarios.play import Play

PREFIX = "k8s.cronitor.io/"
ALONE, INJECTED = {f"{PREFIX}inject": "false"}, {f"{PREFIX}inject": "true"}
ATTEMPTS_TOLD = {f"{PREFIX}alert-on": "attempt"}
IGNORED = "istio-proxy"
"""One of the names that `sidecar.ignoreContainers` has by default."""
ONCE = {"backoffLimit": 0}
SHORT_GRACE = {"terminationGracePeriodSeconds": 1}
STUCK_SECONDS, UNSCHEDULED_SECONDS = 10, 40
THRESHOLDS = {"sidecar": {"stuckSeconds": STUCK_SECONDS}, "controller": {"unscheduledSeconds": UNSCHEDULED_SECONDS}}
"""Values of the chart: minutes would be waited for in vain here. So long no node is too busy for a pod."""

Act = Callable[["Play"], None]


def nothing(_play: "Play") -> None:
    """The Job is left to itself."""


class When(Enum):
    """What the stamp of an event is to be, as the pods and the Job themselves tell it."""

    START = "the first start of a container that counts"
    LATER_START = "a start of a container that counts"
    END = "the last end of a container that counts"
    FAILURE = "one of the failures of a container that counts"
    ATTEMPT = "a failure of a container that counts"
    DECIDED = "the time of the Job's condition"
    GONE = "when the Job was deleted"
    STUCK = "once its container had waited for the threshold"
    UNSCHEDULED = "once its pod had been waited for until the threshold"


@dataclass(frozen=True, slots=True)
class Heard:
    """One event. `message` is the text, or a pattern where some of it is Kubernetes' own or luck.

    `stamp`: any of these; more than one where luck decides what is seen in time.
    """

    state: str
    code: int | None
    message: str | re.Pattern[str]
    stamp: tuple[When, ...]


def begins(message: str = "") -> Heard:
    return Heard("run", None, message, (When.START,))


def completes(message: str | re.Pattern[str] = "attempt 1/7 · app 0") -> Heard:
    return Heard("complete", 0, message, (When.END,))


def fails(code: int | None, message: str | re.Pattern[str], *stamp: When) -> Heard:
    return Heard("fail", code, message, stamp or (When.END,))


def stuck(pattern: str, stamp: When = When.STUCK) -> Heard:
    """A start that hangs: a failure without a code, which a `complete` may clear."""
    return fails(None, luck(pattern), stamp)


def luck(pattern: str) -> re.Pattern[str]:
    """A message of which a part is Kubernetes' own words, or what was seen in time."""
    return re.compile(pattern, re.DOTALL)


def attempt(code: int, message: str) -> Heard:
    """A failed attempt that is not the run's last word (`alert-on: attempt`)."""
    return fails(code, message, When.ATTEMPT)


RUN, COMPLETE = begins(), completes()
SUCCEEDS = (RUN, COMPLETE)


@dataclass(frozen=True, slots=True)
class Later:
    """A further Job of the same CronJob, made by the shape's act or by the schedule.

    `key`: the word that `Play.own_key` makes the monitor's key of, where that is not the CronJob's UID.
    """

    heard: tuple[Heard, ...] = SUCCEEDS
    key: str = ""
    ends: str = "Complete"
    injected: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """`before` is called when the CronJob is there and no Job yet, `act` once there is the Job.

    `within`: the Job is made when what disturbs has begun; then comes `meanwhile`, and `after` when that is over.
    `ends`: what the Job comes to, `gone` where it is deleted. `injected` of its first pod, and of all others unless
    `injected_later` says otherwise; None for a Job that has no pod, or whose pod none can foresee. `watched`: the
    containers that count, where that is not all of them. `patient`: what is heard comes from the controller's own
    patience, which does not outlive it. `led`: not for a node on which leaders are killed, since it counts on one that
    is there all the time, or on a start in time. `violates`: what the protocol calls a violation and this shape asks
    for, each as often as it must be found. `twin`: the same is told the other way too, by the controller alone or with
    a sidecar.
    """

    name: str
    heard: tuple[Heard, ...] = SUCCEEDS
    containers: tuple[Json, ...] = (container(),)
    act: Act = nothing
    before: Act = nothing
    meanwhile: Act = nothing
    after: Act = nothing
    job: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    cron: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ends: str = "Complete"
    injected: bool | None = True
    injected_later: bool | None = None
    later: tuple[Later, ...] = ()
    watched: tuple[str, ...] = ()
    manual: bool = False
    within: bool = False
    own_namespace: bool = False
    labelled: bool = True
    patient: bool = False
    led: bool = False
    violates: tuple[Kind, ...] = ()
    twin: bool = True
    patience_seconds: float = PATIENCE_SECONDS

    @property
    def manifest(self) -> Json:
        annotations = {**INCLUDE, **self.annotations}
        made = cron_job(self.name, *self.containers, annotations=annotations, job=dict(self.job), **self.pod)
        made["spec"] |= self.cron
        return made

    @property
    def is_scheduled(self) -> bool:
        """Whether the CronJob makes its Jobs itself, minute by minute: these take longest."""
        return "schedule" in self.cron

    @property
    def is_crowd(self) -> bool:
        several = int(self.job.get("parallelism", 1)) > 1 or int(self.job.get("completions") or 1) > 1
        return several or "backoffLimitPerIndex" in self.job

    @property
    def counting(self) -> frozenset[str]:
        """Names of the containers whose starts and ends make the run."""
        if self.watched:
            return frozenset(self.watched)
        inits = [one["name"] for one in self.pod.get("initContainers", ()) if one.get("restartPolicy") != "Always"]
        return frozenset([*inits, *(one["name"] for one in self.containers)]) - {IGNORED}

    @property
    def row(self) -> Row:
        """The same for the scenes of the faults' table, which know how to do things to a Job."""
        return Row(self.name, no_fault, (), containers=self.containers, job=self.job, pod=self.pod)


def seen_late(shape: Shape) -> Shape:
    """The same where the controller that saw its first start may have been killed before that was noted."""
    if shape.led:
        return shape
    later = tuple(
        one if one.injected else replace(one, heard=tuple(map(_begun_late, one.heard))) for one in shape.later
    )
    return replace(shape, heard=shape.heard if shape.injected else tuple(map(_begun_late, shape.heard)), later=later)


def _begun_late(heard: Heard) -> Heard:
    return replace(heard, stamp=(*heard.stamp, When.LATER_START)) if heard.state == "run" else heard


def with_twins(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    """Each shape, and each that has one followed by its twin."""
    return tuple(one for shape in shapes for one in (shape, *((_twin(shape),) if shape.twin else ())))


def _twin(shape: Shape) -> Shape:
    alone = bool(shape.injected)
    return replace(
        shape,
        name=f"{shape.name}-{'alone' if alone else 'injected'}",
        annotations={**shape.annotations, **(ALONE if alone else INJECTED)},
        injected=not alone,
        injected_later=None if shape.injected_later is None else not alone,
        later=tuple(replace(one, injected=not alone) for one in shape.later),
    )
