"""Watching one pod: what is seen, and how the watch is taken up again after each kind of failure."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sidecar.earlier import Beginning, Found
from sidecar.events import Event, State
from sidecar.settings import Settings
from sidecar.watch import EARLIER_TRIES, find_beginning, watch_pod
from tests.cronitor.certificates import server_context
from tests.unit.sidecar.conftest import Lines, Load
from tests.unit.sidecar.http_server import Answer, ScriptedServer, events
from tests.unit.sidecar.pods import CREATED, container, pod, running

EXPIRED = {"kind": "Status", "code": 410, "message": "too old resource version"}
GONE, BROKEN = Answer(410), Answer(500)


def version(number: str) -> dict[str, Any]:
    found = pod(container("app", running()))
    found["metadata"]["resourceVersion"] = number
    return found


class EndOfTestError(Exception):
    """Raised by the last rest, to end what would go on for ever."""


@dataclass
class Watched:
    """What a watch did before it had rested so many times."""

    server: ScriptedServer
    rests: int
    seen: list[tuple[str, bool]] = field(default_factory=list)
    broken: int = 0

    def see(self, found: dict[str, Any], deleted: bool) -> None:
        self.seen.append((found["metadata"]["resourceVersion"], deleted))

    def breaks(self) -> None:
        self.broken += 1

    def rest(self, seconds: float) -> None:
        assert seconds > 0
        self.rests -= 1
        if not self.rests:
            raise EndOfTestError

    @property
    def asked_for(self) -> list[str]:
        """The resource version in each request, '' for none."""
        queries = [parse_qs(urlsplit(request.path).query) for request in self.server.requests]
        return [query.get("resourceVersion", [""])[0] for query in queries]


@pytest.fixture
def api(settings: Load, tmp_path: Path) -> Settings:
    server_context(tmp_path, ())
    return settings()


def watch(api: Settings, lines: Lines, *script: Answer, rests: int = 1, second: float = 0.0) -> Watched:
    """Run a watch against the script; each look at the clock is `second` after the one before."""
    ticks: Iterator[float] = (second * number for number in range(1_000_000))
    with ScriptedServer(*script) as server:
        given = replace(api, api_server=f"http://127.0.0.1:{server.port}")
        watched = Watched(server, rests)
        with pytest.raises(EndOfTestError):
            watch_pod(given, lines.log(), watched.see, watched.breaks, watched.rest, monotonic=lambda: next(ticks))
    return watched


def test_the_state_the_changes_and_the_end_are_seen_but_no_bookmark(api: Settings, lines: Lines) -> None:
    script = events(
        ("ADDED", version("1")), ("MODIFIED", version("2")), ("BOOKMARK", version("3")), ("DELETED", version("4"))
    )
    watched = watch(api, lines, script, BROKEN)
    assert watched.seen == [("1", False), ("2", False), ("4", True)]
    request = watched.server.requests[0]
    assert request.headers["authorization"] == "Bearer token-0123456789"
    assert urlsplit(request.path).path == "/api/v1/namespaces/shop/pods"
    assert parse_qs(urlsplit(request.path).query)["fieldSelector"] == ["metadata.name=pod"]


def test_a_watch_that_ends_is_taken_up_where_it_was(api: Settings, lines: Lines) -> None:
    script = (events(("ADDED", version("1")), ("BOOKMARK", version("7"))), BROKEN)
    assert watch(api, lines, *script, second=2).asked_for == ["0", "7"]


def test_one_that_is_closed_at_once_counts_as_broken(api: Settings, lines: Lines) -> None:
    watched = watch(api, lines, events())
    assert (watched.broken, watched.asked_for) == (1, ["0"])
    assert lines.holds("closed the watch at once")


def test_an_expired_version_begins_anew_without_a_rest(api: Settings, lines: Lines) -> None:
    watched = watch(api, lines, events(("ADDED", version("5")), ("ERROR", EXPIRED)), BROKEN, second=2)
    assert (watched.asked_for, watched.broken) == (["0", ""], 1)


def test_expired_although_no_version_was_asked_for_is_broken(api: Settings, lines: Lines) -> None:
    watched = watch(api, lines, GONE, GONE, GONE, rests=2, second=2)
    assert (watched.asked_for, watched.broken) == (["0", "", ""], 2)


def test_expired_again_within_a_second_is_broken(api: Settings, lines: Lines) -> None:
    expires = events(("ADDED", version("5")), ("ERROR", EXPIRED))
    watched = watch(api, lines, expires, expires, expires, rests=2)
    assert (watched.asked_for, watched.broken) == (["0", "", ""], 2)


@pytest.mark.parametrize(
    "odd", [Answer(403), Answer(body=b"[]\n"), Answer(body=b"nonsense\n"), events(("ERROR", {"code": 500}))]
)
def test_whatever_else_comes_the_watch_goes_on(api: Settings, lines: Lines, odd: Answer) -> None:
    watched = watch(api, lines, odd, events(("ADDED", version("1"))), rests=2)
    assert (watched.seen, watched.broken) == ([("1", False)], 2)


def test_a_watch_that_stood_for_long_is_no_further_failure(api: Settings, lines: Lines) -> None:
    watch(api, lines, BROKEN, BROKEN, rests=2)
    assert lines.holds("failures=2")
    lines.clear()
    watch(api, lines, BROKEN, BROKEN, rests=2, second=20)
    assert not lines.holds("failures=2")


def test_without_a_token_nothing_is_asked(api: Settings, lines: Lines) -> None:
    api.token_file.unlink()
    watched = watch(api, lines)
    assert (watched.broken, watched.server.requests) == (1, [])


GROWTH = """
import sys
from pathlib import Path
from dataclasses import replace
from sidecar import settings, watch
from sidecar.log import Log

def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))

rests = 0
def rest(seconds):
    global rests
    rests += 1
    if rests in (20, 140):
        print(private(), flush=True)
    if rests == 140:
        sys.exit()

given = replace(settings.load(), api_server=sys.argv[1])
watch.watch_pod(given, Log(write=lambda line: None), lambda pod, deleted: None, lambda: None, rest)
"""


def test_a_watch_that_breaks_a_hundred_times_leaves_nothing_behind(environment: dict[str, str], tmp_path: Path) -> None:
    server_context(tmp_path, ())
    breaks = [events(("ADDED", version("1"))), BROKEN, Answer(410), events(("ERROR", EXPIRED))] * 70
    with ScriptedServer(*breaks) as server:
        done = subprocess.run(
            [sys.executable, "-c", GROWTH, f"http://127.0.0.1:{server.port}"],
            env={"PATH": os.environ["PATH"], **environment}, cwd=Path(__file__).parents[3],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    early, late = map(int, done.stdout.split())
    assert late - early < 300, f"private memory went from {early} to {late} KiB"


# --- the earlier pods of the run -------------------------------------------------------------------------------------


def beginnings(api: Settings, lines: Lines, *script: Answer) -> tuple[list[Found], int, ScriptedServer]:
    """What was found, after how many rests, and the server that was asked."""
    found: list[Found] = []
    rests: list[float] = []
    with ScriptedServer(*script) as server:
        rules = replace(api.rules, tells=frozenset({State.COMPLETE}), passes_run_on=True, failed_before=1)
        given = replace(api, api_server=f"http://127.0.0.1:{server.port}", rules=rules)
        find_beginning(given, lines.log(), found.append, rests.append)
    return found, len(rests), server


def pods(*found: dict[str, Any]) -> Answer:
    return Answer(body=json.dumps({"items": list(found)}).encode())


def before(phase: str) -> dict[str, Any]:
    found = pod(container("app", running()))
    found["metadata"]["name"], found["status"]["phase"] = "first", phase
    return found


def test_the_pods_of_the_job_are_asked_for_once(api: Settings, lines: Lines) -> None:
    found, rests, server = beginnings(api, lines, pods(before("Failed")))
    assert found == [Found(Beginning(Event(State.RUN, CREATED + 1.0), owed=True), final=True, failed=1)]
    assert rests == 0
    [request] = server.requests
    assert request.headers["authorization"] == "Bearer token-0123456789"
    query = parse_qs(urlsplit(request.path).query)
    assert query == {"labelSelector": ["batch.kubernetes.io/controller-uid=job-uid"]}


def test_they_are_asked_for_again_while_one_of_them_ends_and_after_an_error(api: Settings, lines: Lines) -> None:
    script = (Answer(500), Answer(body=b"nonsense"), pods(before("Running")), pods(before("Failed")))
    found, rests, _ = beginnings(api, lines, *script)
    assert found == [Found(Beginning(Event(State.RUN, CREATED + 1.0), owed=True), final=True, failed=1)]
    assert rests == 3
    assert lines.holds("earlier_pods_not_read")


def test_the_asking_has_an_end(api: Settings, lines: Lines) -> None:
    found, rests, _ = beginnings(api, lines, *[pods(before("Running"))] * EARLIER_TRIES)
    assert (found, rests) == ([Found(None, final=False)], EARLIER_TRIES)


def test_of_a_pod_that_is_gone_nothing_can_be_known(api: Settings, lines: Lines) -> None:
    assert beginnings(api, lines, pods())[:2] == ([Found(None, final=True)], 0)
