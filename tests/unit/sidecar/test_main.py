"""The process as a whole: it ends with 0, on SIGTERM, and not before."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cronitor.certificates import server_context
from tests.cronitor.stand_in import StandIn
from tests.unit.sidecar.conftest import KEY
from tests.unit.sidecar.http_server import ScriptedServer, events
from tests.unit.sidecar.pods import container, ended, own, pod

CHECKOUT = Path(__file__).parents[3]
AS_MAIN = "import runpy; runpy.run_module('sidecar', run_name='__main__')"
SIGTERM_DURING_IMPORT = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "queue":
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Finder())
"""
FAILS_AFTER_SIGTERM = """
from sidecar.reporter import Reporter
def run(self):
    while self._inbox.get() is not None:
        pass
    raise RuntimeError("with {key} in it")
Reporter.run = run
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Starts the sidecar, some variables being others, some code being run before it."""
    started: list[subprocess.Popen[str]] = []

    def run(before: str = "", **changed: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", before + AS_MAIN],
            cwd=CHECKOUT,
            env={"PATH": os.environ["PATH"], **environment, **changed},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def read_until(process: "subprocess.Popen[str]", text: str) -> list[str]:
    """What it prints, up to the first line with that text in it."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"{text!r} was not printed:\n{''.join(lines)}")


def end(process: "subprocess.Popen[str]", *, by_signal: bool = True) -> str:
    if by_signal:
        process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 0, printed
    return printed


def test_a_run_is_told_and_left_at_sigterm(start: Start, tmp_path: Path) -> None:
    found = pod(container("app", ended(3)), init=(own({"running": {"startedAt": "2100-01-01T00:00:00Z"}}),))
    context = server_context(tmp_path, ())
    with (
        StandIn(keys={KEY: "telemetry"}) as cronitor,
        ScriptedServer(events(("ADDED", found), holds=True), context=context) as api,
    ):
        process = start(KUBERNETES_SERVICE_PORT=str(api.port), CRONITOR_TELEMETRY_URL=cronitor.url)
        run = cronitor.wait_for("job-uid")
        printed = [*read_until(process, "state=fail answer=200"), end(process)]
        assert run.states == ["run", "fail"]
        assert len(api.requests) == 1
        cronitor.assert_clean()
    journal = [json.loads(line) for line in (tmp_path / "termination-log").read_text().splitlines()]
    assert [(line["e"], line["a"]) for line in journal] == [("fail", 1), ("run", 1)]
    assert KEY not in "".join(printed)


def test_what_cannot_start_waits_for_sigterm_and_ends_with_0(start: Start) -> None:
    process = start(CRONITOR_SERIES="")
    (line,) = read_until(process, "cannot_report")
    assert "CRONITOR_SERIES is not set" in line
    assert process.poll() is None
    end(process)


@pytest.mark.parametrize("series", ["job-uid", ""])
def test_sigterm_is_seen_although_it_came_before_there_was_anything_to_take_it(start: Start, series: str) -> None:
    end(start(SIGTERM_DURING_IMPORT, CRONITOR_SERIES=series), by_signal=False)


def test_a_failure_after_sigterm_waits_for_no_other(start: Start) -> None:
    process = start(FAILS_AFTER_SIGTERM.replace("{key}", KEY))
    read_until(process, "event=started")
    printed = end(process)
    assert "cannot_report error=RuntimeError" in printed
    assert KEY not in printed


def test_the_pause_of_a_broken_watch_ends_at_sigterm(start: Start) -> None:
    process = start()  # there is no CA file to trust the API server by
    read_until(process, "watch_broken")
    assert "left_to_controller" in end(process)


def test_its_last_word_is_what_it_has_used(start: Start) -> None:
    process = start()
    read_until(process, "event=started")
    found = re.search(r"event=used .*cpu_seconds=([\d.]+) peak_kib=(\d+)", end(process).splitlines()[-1])
    assert found is not None
    assert float(found[1]) > 0
    assert int(found[2]) > 1000


def test_a_thread_that_ends_by_an_error_tells_its_kind_alone(start: Start) -> None:
    failing = (
        "import sidecar.watch\ndef watch_pod(*_): raise RuntimeError('KEY')\nsidecar.watch.watch_pod = watch_pod\n"
    )
    process = start(failing.replace("KEY", KEY))
    lines = read_until(process, "event=thread_ended")
    assert "thread=watch error=RuntimeError" in lines[-1]
    assert KEY not in "".join(lines)
