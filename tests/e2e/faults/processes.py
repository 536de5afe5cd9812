"""The processes of pods, as the node's own process table shows them: for what is done to a pod behind its back."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.processes import start_time
from tests.e2e.world import eventually

SIDECAR = "python3 -I -S -m sidecar"
POLL_SECONDS = 0.03
SETTLES_WITHIN_SECONDS = 10.0
"""A process joins its cgroup and namespaces, then executes what it is for: a new one is looked at again."""


@dataclass(slots=True)
class Known:
    """A process: its cgroup's path, which names pod and container, and its command line."""

    cgroup: str = ""
    command: str = ""
    first_seen: float = field(default_factory=time.monotonic)
    settled: bool = False


@dataclass(slots=True)
class ProcessTable:
    """Looks at what is new in /proc only, as many ask and they ask often."""

    _known: dict[int, Known] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _looked_at: float = 0.0
    _nodes: int = field(default_factory=lambda: os.stat("/proc/self/ns/net").st_ino)

    def sidecar(self, pod_uid: str) -> int | None:
        """The newest process of our container in this pod."""
        return self._newest(lambda one: pod_uid in one.cgroup and SIDECAR in one.command)

    def of_container(self, container_id: str) -> int | None:
        """The first process of a container, by the id in its status (`containerd://…`)."""
        number = container_id.rpartition("/")[2]
        return min(self._living(lambda one: bool(number) and one.cgroup.endswith(number)), default=None)

    def network(self, pod_uid: str) -> int | None:
        """The pod's network, as a file that is open: its first processes may be gone in a moment."""
        for pid in self._living(lambda one: pod_uid in one.cgroup):
            with suppress(OSError):
                network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
                if os.fstat(network).st_ino != self._nodes:
                    return network
                os.close(network)
        return None

    def _newest(self, matches: Callable[[Known], bool]) -> int | None:
        return max(self._living(matches), default=None)

    def _living(self, matches: Callable[[Known], bool]) -> list[int]:
        with self._lock:
            self._look()
            found = [pid for pid, one in self._known.items() if matches(one)]
        return [pid for pid in found if start_time(pid) is not None]

    def _look(self) -> None:
        if time.monotonic() - self._looked_at < POLL_SECONDS:
            return
        self._looked_at = time.monotonic()
        present = {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}
        for gone in self._known.keys() - present:
            del self._known[gone]
        for pid in present:
            one = self._known.setdefault(pid, Known())
            if one.settled:
                continue
            one.settled = self._looked_at - one.first_seen > SETTLES_WITHIN_SECONDS
            with suppress(OSError):
                groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
                one.cgroup = next((line for line in groups if "/pod" in line), "")
                one.command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def appears(look: Callable[[], int | None], what: str) -> int:
    """The process, as soon as there is one."""
    return eventually(look, what, pause=POLL_SECONDS)


def is_pending(pid: int, signal_number: signal.Signals) -> bool:
    """Whether the signal waits for a process that has been stopped (proc(5), `ShdPnd`)."""
    status = Path(f"/proc/{pid}/status").read_text()
    pending = next(line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(pending, 16) & 1 << (signal_number - 1))


def end(pid: int, signal_number: signal.Signals) -> None:
    """Signal a process until it is gone: one that has just begun may not have its trap yet."""
    started = start_time(pid)

    def gone() -> bool:
        if started is None or start_time(pid) != started:
            return True
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        return False

    eventually(gone, f"the end of process {pid}")
