"""Processes are told apart from later ones with the same id, and end when they are told to."""

import os
import signal
from pathlib import Path

from tests.cluster import processes
from tests.cluster.processes import Process

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def test_a_started_process_lives_until_it_is_stopped(tmp_path: Path) -> None:
    process = processes.spawn(["sleep", "60"], tmp_path / "log", ENVIRONMENT)
    assert processes.alive(process)
    processes.stop_group(process, signal.SIGTERM, 10)
    assert not processes.alive(process)


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    # The child's id in the log shows that the trap is set.
    script = 'trap "" TERM; sleep 60 & echo $!; wait'
    process = processes.spawn(["sh", "-c", script], tmp_path / "log", ENVIRONMENT)
    assert processes.wait_until(lambda: (tmp_path / "log").read_text().endswith("\n"), 10)
    child = int((tmp_path / "log").read_text())
    processes.stop_group(process, signal.SIGTERM, 0.2)
    assert not processes.alive(process)
    assert processes.start_time(child) is None


def test_an_id_that_came_back_is_another_process() -> None:
    mine = os.getpid()
    assert processes.alive(Process(mine, processes.start_time(mine) or ""))
    assert not processes.alive(Process(mine, "1"))


def test_stopping_what_ended_long_ago_is_no_error() -> None:
    processes.stop_group(Process(os.getpid(), "1"), signal.SIGKILL, 1)


def test_our_ancestors_are_never_among_those_to_kill() -> None:
    assert {os.getpid(), os.getppid()} <= processes.own_line()


def test_the_end_of_a_log_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert processes.tail(log) == "(no log)"
    log.write_text("\n".join(map(str, range(100))))
    assert processes.tail(log, lines=2) == "98\n99"
