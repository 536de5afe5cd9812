"""What can be hit, as the API shows it, and the way to hit it: SIGKILL to a container's own first process."""

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import processes
from tests.e2e.world import Json
from webhook.admission.decide import CONTAINER


@dataclass(frozen=True, slots=True)
class Target:
    """One running container; `uid` is its pod's."""

    pod: str
    uid: str
    container_id: str


def running(pods: Sequence[Json], *, sidecars: bool = False) -> list[Target]:
    """The running containers of these pods by name: our sidecars in them, or else their regular ones."""
    found = []
    for pod in pods:
        status = pod.get("status") or {}
        statuses = status.get("initContainerStatuses" if sidecars else "containerStatuses") or ()
        for container in statuses:
            ours = not sidecars or container["name"] == CONTAINER
            if ours and "running" in (container.get("state") or {}):
                identity = container["containerID"].rpartition("/")[2]
                found.append(Target(pod["metadata"]["name"], pod["metadata"]["uid"], identity))
    return sorted(found, key=lambda target: target.pod)


def picked(targets: Sequence[Target], pick: float) -> list[Target]:
    """The one that `pick`, in 0..1, falls on, and after it the others: the first may have ended since it was seen."""
    first = int(pick * len(targets))
    return [*targets[first:], *targets[:first]]


def kill(target: Target) -> bool:
    """SIGKILL to the container's first process, and so to all of it; False if it has ended already."""
    for pid in processes.all_pids():
        with contextlib.suppress(OSError):
            if target.container_id in Path(f"/proc/{pid}/cgroup").read_text() and _is_first(pid):
                os.kill(pid, signal.SIGKILL)
                return True
    return False


def _is_first(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    ids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return ids[-1] == "1"
