"""Starting, recognising and ending processes. A process is known by its id and its start time: ids come back."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """One process, for good: another one with the same id has another start time."""

    pid: int
    started: str


def spawn(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Starts a process in a session of its own, so that nothing sent to our terminal or group reaches it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(environment),
            cwd="/", start_new_session=True,
        )  # fmt: skip
    # It is meant to outlive us; without this, Popen would complain that it does.
    child.returncode = 0
    return Process(child.pid, start_time(child.pid) or "ended")


def start_time(pid: int) -> str | None:
    """When the process started, in the kernel's ticks; None where there is none, or only a zombie."""
    try:
        # The name, in brackets, may itself hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def alive(process: Process) -> bool:
    """Whether that very process still runs."""
    _reap(process.pid)
    return start_time(process.pid) == process.started


def stop_group(process: Process, signal_number: signal.Signals, seconds: float) -> None:
    """Ends a process and its group; one that does not end in time is killed."""
    if not alive(process):
        return
    members = [Process(pid, started) for pid, started in _group(process.pid)]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal_number)
    if not wait_until(lambda: not any(map(alive, members)), seconds):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if not wait_until(lambda: not any(map(alive, members)), seconds):
            raise ClusterError(f"process {process.pid} does not end, not even by SIGKILL")


def kill_all(pids: Iterable[int], signal_number: signal.Signals) -> None:
    """Signals each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Looks again and again; False if it did not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def all_pids() -> Iterator[int]:
    """Every process of the machine, zombies left out."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and start_time(int(entry)) is not None:
            yield int(entry)


def own_line() -> set[int]:
    """This process and its ancestors: never to be killed by us."""
    line, pid = set(), os.getpid()
    while pid > 0:
        line.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except FileNotFoundError:
            break
    return line


def tail(log: Path, lines: int = 25) -> str:
    """The end of a log file, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"


def run(command: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a short command of the harness itself; its error output becomes the message."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode:
        raise ClusterError(f"`{' '.join(command)}` failed (exit {done.returncode}): {done.stderr.strip()}")
    return done


def _group(leader: int) -> Iterator[tuple[int, str]]:
    for pid in all_pids():
        started = start_time(pid)
        with contextlib.suppress(ProcessLookupError):
            if started and os.getpgid(pid) == leader:
                yield pid, started


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
