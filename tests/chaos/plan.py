"""Pure: what a seed comes to. The same seed gives the same shapes, in the same order, and the same faults.

Two lanes of faults run side by side, so that they meet: what Cronitor does, and what happens to our processes and to
the cluster. Each lane deals from a shuffled deck, so that a short run sees most kinds and a long one all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.chaos.shapes import SHAPES

NAMESPACES = 3
JOB_EVERY_SECONDS = 1.0
PAUSE_SECONDS = (3.0, 8.0)


class Kind(StrEnum):
    """What can happen. `away` means gone for some seconds, then back."""

    ADMISSION_KILLED = "admission-killed"
    ADMISSION_DELETED = "admission-deleted"
    ADMISSION_AWAY = "admission-away"
    LEADER_KILLED = "leader-killed"
    LEADER_DELETED = "leader-deleted"
    FOLLOWER_KILLED = "follower-killed"
    CONTROLLER_AWAY = "controller-away"
    SIDECAR_KILLED = "sidecar-killed"
    API_SERVER_RESTARTED = "api-server-restarted"
    API_SERVER_AWAY = "api-server-away"
    KUBELET_RESTARTED = "kubelet-restarted"
    CRONITOR_REFUSES = "cronitor-refuses"
    CRONITOR_HANGS = "cronitor-hangs"
    CRONITOR_RESETS = "cronitor-resets"
    CRONITOR_LOSES = "cronitor-loses-answers"
    CRONITOR_503 = "cronitor-503"
    CRONITOR_429 = "cronitor-429"
    CRONITOR_SLOW = "cronitor-slow"


OF_CRONITOR = (
    Kind.CRONITOR_REFUSES,
    Kind.CRONITOR_HANGS,
    Kind.CRONITOR_RESETS,
    Kind.CRONITOR_LOSES,
    Kind.CRONITOR_503,
    Kind.CRONITOR_429,
    Kind.CRONITOR_SLOW,
)
OF_THE_CLUSTER = (
    Kind.ADMISSION_KILLED,
    Kind.ADMISSION_DELETED,
    Kind.ADMISSION_AWAY,
    Kind.LEADER_KILLED,
    Kind.LEADER_KILLED,
    Kind.LEADER_DELETED,
    Kind.FOLLOWER_KILLED,
    Kind.CONTROLLER_AWAY,
    Kind.SIDECAR_KILLED,
    Kind.SIDECAR_KILLED,
    Kind.SIDECAR_KILLED,
    Kind.SIDECAR_KILLED,
    # Both no more than once in a deck: components and kube-proxy, and so pods, need long to find it again each time.
    Kind.API_SERVER_RESTARTED,
    Kind.API_SERVER_AWAY,
    Kind.KUBELET_RESTARTED,
)
LASTS = {
    Kind.ADMISSION_AWAY: (8.0, 20.0),
    Kind.CONTROLLER_AWAY: (8.0, 25.0),
    Kind.API_SERVER_AWAY: (4.0, 15.0),
    **dict.fromkeys(OF_CRONITOR, (5.0, 20.0)),
}
"""Between how many seconds what lasts does so."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A Job to be made `after` so many seconds, or later where too many run; `namespace` is a number."""

    number: int
    after: float
    shape: str
    namespace: int


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """What happens `pause` seconds after the one before it in its lane, for `seconds` where it lasts.

    `pick`, in 0..1, chooses among what could be hit; `level` sets how much (a delay, a `Retry-After`).
    """

    kind: Kind
    pause: float
    seconds: float
    pick: float
    level: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the seed decides. `lanes` are lists of faults that run side by side."""

    seed: int
    seconds: float
    jobs: tuple[PlannedJob, ...]
    lanes: tuple[tuple[PlannedFault, ...], ...]


def plan(seed: int, seconds: float) -> Plan:
    random = Random(seed)
    jobs = tuple(_jobs(random, seconds))
    lanes = tuple(tuple(_faults(random, deck, seconds)) for deck in (OF_CRONITOR, OF_THE_CLUSTER))
    return Plan(seed, seconds, jobs, lanes)


def _jobs(random: Random, seconds: float) -> Iterator[PlannedJob]:
    after = 0.0
    number = 0
    weights = [shape.weight for shape in SHAPES]
    while after < seconds:
        number += 1
        [shape] = random.choices(SHAPES, weights)
        yield PlannedJob(number, after, shape.name, random.randrange(NAMESPACES))
        after += random.uniform(0.2, 2 * JOB_EVERY_SECONDS - 0.2)


def _faults(random: Random, deck: Sequence[Kind], seconds: float) -> Iterator[PlannedFault]:
    """As many as could fit; how long those really take that do not last is not known here."""
    at = 0.0
    while True:
        for kind in random.sample(deck, len(deck)):
            pause = random.uniform(*PAUSE_SECONDS)
            lasts = random.uniform(*LASTS[kind]) if kind in LASTS else 0.0
            at += pause
            if at + lasts > seconds:
                return
            yield PlannedFault(kind, round(pause, 1), round(lasts, 1), random.random(), random.randint(1, 5))
            at += lasts
