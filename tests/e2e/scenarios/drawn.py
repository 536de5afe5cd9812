"""Pure: shapes of Jobs that nobody listed, drawn by a seed, and what must be heard of one, by how it has ended.

The table has each rule by itself. Here they meet in any company: attempts by pods and in place, containers that end at
once or late, well or not, native sidecars, chosen and ignored containers, policies, crowds.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.chaos.shapes import ATTEMPTS, JOB_UID
from tests.e2e.scenarios.judge import Expected, did_its_part
from tests.e2e.scenarios.shapes import (
    ALONE,
    IGNORED,
    INJECTED,
    PREFIX,
    RUN,
    Heard,
    Shape,
    When,
    completes,
    fails,
)
from tests.e2e.scenarios.truth import JobSeen, Ran
from tests.e2e.world import Json, container

ANY_MESSAGE = re.compile(".*", re.DOTALL)
CODES = (1, 2, 3, 137, 143, 255)
FIRST_CODES = (6, 7, 42)
"""Of a container's first run, where the next one comes to something else."""
MOUNTS = [{"name": "state", "mountPath": "/state"}, {"name": "attempts", "mountPath": "/attempts"}]
NATIVE = (
    "trap 'exit 0' TERM; sleep 999 & wait",
    "trap 'exit 3' TERM; sleep 999 & wait",
    "sleep 999",
    "sleep 2; exit 1",
    "sleep 1",
)
"""Native sidecars of the user's: that obey, leave badly, have to be killed, crash, end."""
SAME_MOMENT_SECONDS = 1.0
"""The kubelet tells whole seconds."""


def drawn(seed: int, number: int) -> tuple[Shape, Shape]:
    """A shape with a sidecar where there may be one, and without; the same for the same numbers."""
    shape = _Drawing(random.Random(f"{seed}-{number}")).shape(f"drawn-{seed}-{number}")
    injected = replace(shape, annotations={**shape.annotations, **INJECTED})
    return injected, replace(shape, name=f"{shape.name}-alone", annotations={**shape.annotations, **ALONE})


def expected(shape: Shape, monitor: str, seen: JobSeen, code: int | None) -> Expected:
    """What must have been heard. `code` was, and is what is wanted where it is among those that may be."""
    ran = any(one.started is not None for pod in seen.pods for one in pod.ran if one.container in shape.counting)
    if _is_selective(shape) and not shape.is_crowd:  # what counts decides, whatever the Job comes to
        is_complete = any(did_its_part(pod, shape.counting) for pod in seen.pods)
    else:
        is_complete = seen.came_to == "Complete"
    if is_complete:
        last = completes(ANY_MESSAGE)
    else:
        allowed = own_codes(shape, seen)
        stamps = (When.END, When.FAILURE, When.DECIDED)
        last = fails(code if code in allowed else min(allowed, default=None), ANY_MESSAGE, *stamps)
    # Of many pods at once on a busy node the first to start is not the first to be shown.
    first = replace(RUN, stamp=(*RUN.stamp, When.LATER_START)) if shape.is_crowd else RUN
    heard: tuple[Heard, ...] = (first, last) if ran else (last,)
    injected = shape.annotations.get(f"{PREFIX}inject") == "true" and not shape.is_crowd
    return Expected(monitor, heard, seen.outcome, shape.counting, shape.is_crowd, (injected, injected))


def own_codes(shape: Shape, seen: JobSeen) -> set[int]:
    """The exit codes that may be told of a failure: with one pod at a time that of the last attempt's first one."""
    pods = seen.pods if shape.is_crowd else seen.pods[-1:]
    failed = [
        one
        for pod in pods
        for one in pod.ran
        if one.code and one.container in shape.counting and (pod.deleted is None or (one.ended or 0.0) <= pod.deleted)
    ]
    if shape.is_crowd or shape.pod["restartPolicy"] == "OnFailure":
        return {one.code for one in failed if one.code}
    first = min((one.ended for one in failed if one.ended is not None), default=0.0)
    return {one.code for one in failed if one.code and _ended(one) <= first + SAME_MOMENT_SECONDS}


def _ended(ran: Ran) -> float:
    return float("inf") if ran.ended is None else ran.ended


def _is_selective(shape: Shape) -> bool:
    return any(one["name"] not in shape.counting for one in shape.containers)


class _Drawing:
    """Draws from `luck`, always in the same order."""

    def __init__(self, luck: random.Random) -> None:
        self._luck = luck
        self._in_place = False

    def shape(self, name: str) -> Shape:
        self._in_place = self._one_in(3)
        containers = [self._container(called) for called in ("app", "second", "third")[: self._of(1, 1, 1, 2, 2, 3)]]
        is_chosen = len(containers) > 1 and self._one_in(6)
        if not is_chosen and self._one_in(8):
            containers.append(container(IGNORED, self._of("sleep 20", "exit 0", "sleep 8; exit 3")))
        return Shape(
            name,
            containers=tuple(containers),
            job=self._job([one["name"] for one in containers]),
            pod={
                "restartPolicy": "OnFailure" if self._in_place else "Never",
                "initContainers": [] if is_chosen else self._inits(),
                "volumes": [{"name": "state", "emptyDir": {}}, ATTEMPTS],
                "terminationGracePeriodSeconds": self._of(1, 2, 5, 30),
            },
            annotations={f"{PREFIX}containers": "app"} if is_chosen else {},
            watched=("app",) if is_chosen else (),
            injected=None,
            patience_seconds=400.0,
        )

    def _of(self, *choices: Any) -> Any:
        return self._luck.choice(choices)

    def _one_in(self, number: int) -> bool:
        return self._luck.randrange(number) == 0

    def _container(self, name: str) -> Json:
        return container(name, self._script(), volumeMounts=MOUNTS, env=[JOB_UID, {"name": "NAME", "value": name}])

    def _script(self) -> str:
        """Ends at once or later, well or not; perhaps another way the first time."""
        then = f"{self._of('', '', 'sleep 1; ', 'sleep 3; ', 'sleep 6; ')}exit {self._of(0, 0, 0, self._of(*CODES))}"
        if self._one_in(2):
            return then
        known = "/state/$NAME" if self._in_place else "/attempts/$JOB-$NAME"
        first = f"{self._of('', 'sleep 1; ')}exit {self._of(*FIRST_CODES)}"
        return f"[ -f {known} ] || {{ touch {known}; {first}; }}; {then}"

    def _inits(self) -> list[Json]:
        found = [self._container(name) for name in ("setup", "more")[: self._of(0, 0, 0, 1, 1, 2)]]
        if self._one_in(4):
            native = container("mesh", self._of(*NATIVE), restartPolicy="Always")
            found.insert(self._luck.randint(0, len(found)), native)
        return found

    def _job(self, names: Sequence[str]) -> Json:
        job: Json = {"backoffLimit": self._of(3, 4) if self._in_place else self._of(0, 0, 1, 1, 2)}
        if self._one_in(4):
            job |= {"completions": self._of(2, 3), "parallelism": self._of(1, 2, 3), **self._indexed()}
        elif self._one_in(6):
            job |= {"completionMode": "Indexed", "completions": 1}
        if not self._in_place and self._one_in(4):
            job["podFailurePolicy"] = {"rules": [self._rule(names) for _ in range(self._of(1, 2))]}
        if self._one_in(6):
            job["podReplacementPolicy"] = "Failed"
        if self._one_in(10):
            job["ttlSecondsAfterFinished"] = 0
        return job

    def _indexed(self) -> Json:
        if self._one_in(2):
            return {}
        job: Json = {"completionMode": "Indexed"}
        if not self._in_place and self._one_in(2):
            job |= {"backoffLimit": 6, "backoffLimitPerIndex": self._of(0, 1)}
            job |= {"maxFailedIndexes": self._of(0, 1)} if self._one_in(2) else {}
        return job

    def _rule(self, names: Sequence[str]) -> Json:
        """None that ignores a failure: that may go on for ever."""
        codes = {"operator": self._of("In", "NotIn"), "values": sorted(self._luck.sample(CODES + FIRST_CODES, 3))}
        named = {"containerName": self._of(*names)} if self._one_in(2) else {}
        return {"action": self._of("FailJob", "Count"), "onExitCodes": {**codes, **named}}
