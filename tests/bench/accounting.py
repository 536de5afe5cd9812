"""What the processes of pods take, as the kernel counts it. Pods' processes are visible in /proc of this machine."""

import contextlib
import re
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
LOOK_SECONDS = 0.01
SEARCH_EVERY = 5
"""Looks between two searches for new processes."""
_CONTAINER = re.compile(r"pod([0-9a-f-]{36})/[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB of one process, or of several together.

    `private` is anonymous memory, `resident` everything in memory, `proportional` the same where what several
    processes share is divided among them. Pages that a fork shares still are divided in `private`, too.
    """

    private: float
    resident: float
    proportional: float


@dataclass(slots=True)
class Life:
    """The most memory that a process was seen to have; the CPU seconds of its container, from first to last."""

    pod: str
    private: float = 0.0
    resident: float = 0.0
    cpu: float = 0.0


def processes(pods: Collection[str]) -> Iterator[tuple[int, str]]:
    """Process id and pod UID of each process in these pods."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _container(entry)) and found[0] in pods:
            yield int(entry.name), found[0]


def memory(pid: int) -> Memory:
    """Raises OSError if there is no such process."""
    found = _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return Memory(found.get("Pss_Anon", 0) / 1024, found.get("Rss", 0) / 1024, found.get("Pss", 0) / 1024)


def _kilobytes(smaps: str) -> dict[str, int]:
    return {name: int(amount) for name, amount in re.findall(r"^(\w+):\s+(\d+) kB", smaps, re.MULTILINE)}


def _container(process: Path) -> tuple[str, str] | None:
    """Pod UID and cgroup of a process in a pod's container."""
    with contextlib.suppress(OSError):
        for line in (process / "cgroup").read_text().splitlines():
            path = line.split(":", 2)[2]
            if found := _CONTAINER.search(path):
                return found[1], path
    return None


def cpu_seconds(group: str) -> float:
    """CPU of all that ever ran in a cgroup, cgroup v1 or v2. Raises OSError if it is gone."""
    usage = CGROUPS / "cpuacct" / group.lstrip("/") / "cpuacct.usage"
    if (CGROUPS / "cpuacct").is_dir():
        return int(usage.read_text()) / 1e9
    stat = (CGROUPS / group.lstrip("/") / "cpu.stat").read_text()
    return int(stat.split("usage_usec ")[1].split()[0]) / 1e6


class Sampler:
    """Follows every process whose command line satisfies `wanted`, from its start to its end, while it runs."""

    def __init__(self, wanted: Callable[[list[str]], bool]) -> None:
        self._wanted = wanted
        self._stop = threading.Event()
        self._lives: dict[int, Life] = {}
        self._groups: dict[int, str] = {}
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def lives(self) -> list[Life]:
        """Of those that have ended."""
        return [life for pid, life in self._lives.items() if pid not in self._groups]

    def _run(self) -> None:
        look = 0
        while not self._stop.wait(LOOK_SECONDS):
            if look % SEARCH_EVERY == 0:
                self._search()
            look += 1
            for pid in list(self._groups):
                self._look(pid)

    def _search(self) -> None:
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or (pid := int(entry.name)) in self._lives:
                continue
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if self._wanted(command) and (found := _container(entry)):
                    self._lives[pid] = Life(found[0])
                    self._groups[pid] = found[1]

    def _look(self, pid: int) -> None:
        life = self._lives[pid]
        with contextlib.suppress(OSError):
            now = memory(pid)
            life.private = max(life.private, now.private)
            life.resident = max(life.resident, now.resident)
        try:
            life.cpu = cpu_seconds(self._groups[pid])
        except OSError:
            del self._groups[pid]
