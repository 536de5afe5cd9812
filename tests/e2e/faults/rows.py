"""A row of the table: a Job, a fault, and all that must be heard and seen in spite of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.e2e.world import Json, container

if TYPE_CHECKING:
    from tests.e2e.faults.scene import Scene

UNTIL_TOLD = "trap 'exit 0' USR1; trap 'exit 7' USR2; trap 'exit 143' TERM; sleep 99999 & wait"
"""Runs until the test ends it, by the signal for the exit code it wants."""
ANY = None
SIDECAR, CONTROLLER, EITHER = "sidecar", "controller", "either"


@dataclass(frozen=True, slots=True)
class Heard:
    """One event that Cronitor took. `message` ANY: as it may be.

    `teller` is who has to say it; EITHER where luck decides.
    """

    state: str
    code: int | None = None
    message: str | None = ""
    teller: str = SIDECAR


RUN = Heard("run")
COMPLETE = Heard("complete", 0, "attempt 1/7 · app 0")


def by_controller(state: str, code: int | None = None, message: str | None = ANY) -> Heard:
    return Heard(state, code, message, CONTROLLER)


def nothing(_scene: "Scene") -> None:
    """No fault is made by this."""


def waits(name: str = "app", **more: Any) -> Json:
    """A container that ends when the test says so."""
    return container(name, UNTIL_TOLD, **more)


OUTLIVED: Json = {
    "initContainers": [container("mesh", "trap 'sleep 15; exit 0' TERM; sleep 999 & wait", restartPolicy="Always")]
}
"""For a pod whose sidecar has to see the end, however late a busy node shows it: ours is told to end after this one."""


@dataclass(frozen=True, slots=True)
class Row:
    """`before` is called when the monitor is known and no Job is there yet, `fault` once there is the Job.

    `meanwhile` and `after` are for storms, see there.

    `heard`: every event, in order. `repeats`: how many came twice, each of which the stand-in had not acknowledged.
    `record_lost`: so many may come twice at most, as what was told is not known to whoever speaks next. `restarts`: of
    our container, in all pods together; `exits`: what our container's last incarnation may end with, in each pod.
    `undelivered`: states that the last pod's journal holds as not delivered; None: as may be. `logged`: what our
    container must have logged.
    """

    name: str
    fault: Callable[["Scene"], None]
    heard: tuple[Heard, ...] = (RUN, COMPLETE)
    before: Callable[["Scene"], None] = nothing
    meanwhile: Callable[["Scene"], None] = nothing
    after: Callable[["Scene"], None] = nothing
    containers: tuple[Json, ...] = (waits(),)
    job: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    repeats: int = 0
    record_lost: bool = False
    restarts: int = 0
    pods: int = 1
    exits: frozenset[int] = frozenset({0})
    undelivered: tuple[str, ...] | None = ()
    logged: tuple[str, ...] = ()
    ends: str = "Complete"
    own_namespace: bool = False
    controller_away: bool = False
    injected: bool = True
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def grace_seconds(self) -> float:
        return float(self.pod.get("terminationGracePeriodSeconds", 30))
