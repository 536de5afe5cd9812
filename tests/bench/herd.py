"""3,000 Jobs at one second behind one address: the sidecar's delivery against Cronitor's limits, in virtual time.

Each sidecar is the real `Sender`. Only what it does to the world is replaced: its request asks the limits (those of
the tests' stand-in for Cronitor), and its pauses are virtual. The Jobs take some seconds, so that at once there is
more to tell than the limit lets through: what counts is that it is used to the full, and that nothing is lost.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import urllib3

from sidecar.deliver import Sender
from sidecar.events import Event, State
from sidecar.journal import Delivery
from sidecar.log import Log
from sidecar.settings import Settings, load
from tests.bench.results import Goal, Row, row
from tests.bench.virtual import VirtualTime
from tests.cronitor.rate_limits import RateLimits

JOBS = 3000
LOST = Goal(0)
SHORTEST_JOB_SECONDS, LONGEST_JOB_SECONDS = 1.0, 10.0
ROUND_TRIP_SECONDS = 0.05
SOURCE = "192.0.2.1"
SEED = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a herd: when the last event was taken, how many were, how often it was tried in all."""

    seconds: float
    taken: int
    tries: int


def measure(*, quick: bool) -> list[Row]:
    del quick  # a smaller herd has another goal
    told, untold = (run(JOBS, retry_after=given) for given in (True, False))
    goal = Goal(round(1.1 * least_seconds(JOBS), 1))
    events = 2 * JOBS
    rows = []
    for name, outcome in (("", told), ("-without-retry-after", untold)):
        rows += [
            row(f"herd{name}", outcome.seconds, "s", goal, events),
            row(f"herd{name}-lost", events - outcome.taken, "events", LOST, events),
            row(f"herd{name}-tries", outcome.tries / events, "per event", None, events),
        ]
    return rows


def least_seconds(jobs: int) -> float:
    """What the limit for one address itself takes for two events of each Job."""
    limit = RateLimits().per_source
    return max(0.0, (2 * jobs - limit.burst) / limit.rate)


def run(jobs: int, *, retry_after: bool, seed: int = SEED) -> Outcome:
    """Let so many Jobs begin within one second. `retry_after`: whether a 429 says when to come again."""
    with tempfile.TemporaryDirectory(prefix="cronitor-k8s-bench-") as folder:
        (Path(folder) / "telemetry-key").write_text("bench-telemetry-key-5e6f7a8b")
        settings = _settings(folder)
        time = VirtualTime()
        chance = random.Random(seed)
        cronitor = _Cronitor(time, retry_after=retry_after)
        for number in range(jobs):
            begins, lasts = chance.random(), chance.uniform(SHORTEST_JOB_SECONDS, LONGEST_JOB_SECONDS)
            sidecar = _Sidecar(settings, cronitor, f"monitor-{number}", chance)
            time.begin(lambda sidecar=sidecar, lasts=lasts: sidecar.tell(lasts), begins)  # type: ignore[misc]
        time.run()
    return Outcome(cronitor.last, sum(cronitor.taken.values()), cronitor.tries)


class _Cronitor:
    """Takes each event once its limits allow."""

    def __init__(self, time: VirtualTime, *, retry_after: bool) -> None:
        self.time = time
        self.taken: Counter[str] = Counter()
        self.tries = 0
        self.last = 0.0
        self._limits = RateLimits()
        self._retry_after = retry_after

    def answer(self, monitor: str) -> tuple[int, Mapping[str, str]]:
        """Status and headers."""
        self.tries += 1
        if wait := self._limits.take(SOURCE, monitor, self.time.now):
            return 429, {"Retry-After": str(ceil(wait))} if self._retry_after else {}
        self.taken[monitor] += 1
        self.last = self.time.now
        return 200, {}


class _Sidecar(Sender):
    """The real one, in a virtual world."""

    def __init__(self, settings: Settings, cronitor: _Cronitor, monitor: str, chance: random.Random) -> None:
        log = Log("error", write=lambda _line: None)
        time = cronitor.time
        super().__init__(settings, log, lambda *_: None, monotonic=lambda: time.now, chance=chance.random)
        self._cronitor, self._monitor = cronitor, monitor

    def tell(self, lasts: float) -> None:
        """A whole run: its start, and its end that many seconds later."""
        time = self._cronitor.time
        begun = time.now
        events = (Event(State.RUN, begun), Event(State.COMPLETE, begun + lasts))
        for event in events:
            time.pause(event.stamp - time.now)
            if self._until_done(event, self._worker) is not Delivery.ACCEPTED:
                return

    def _request(self, event: Event, key: str) -> urllib3.BaseHTTPResponse:
        del event, key
        self._cronitor.time.pause(ROUND_TRIP_SECONDS)
        status, headers = self._cronitor.answer(self._monitor)
        return urllib3.HTTPResponse(status=status, headers=headers)

    def _rest(self, seconds: float, *, may_be_cut: bool) -> None:
        del may_be_cut  # no pod is ending here
        self._cronitor.time.pause(seconds)


def _settings(folder: str) -> Settings:
    return load(
        {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "CRONITOR_TELEMETRY_URL": "https://cronitor.invalid",
            "CRONITOR_MONITOR_KEY": "bench",
            "CRONITOR_SERIES": "bench",
            "CRONITOR_POD_NAMESPACE": "bench",
            "CRONITOR_POD_NAME": "bench",
            "CRONITOR_MOUNT": folder,
        }
    )
