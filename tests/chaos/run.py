"""One run of chaos from the installation to the verdict."""

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import cluster, installation
from tests.chaos import report
from tests.chaos.faults import Faults
from tests.chaos.judge import Verdict, is_done, judge
from tests.chaos.plan import Plan
from tests.chaos.seen import Event, Fell, events
from tests.chaos.stream import Stream
from tests.cluster.layout import CHECKOUT, RUN
from tests.cronitor.stand_in import StandIn
from tests.demo.stand_in import reachable_host
from tests.e2e.logs import LogKeeper
from tests.e2e.world import World

API_KEY, TELEMETRY_KEY = "chaos-sdk-key-5f1e7a90", "chaos-telemetry-key-c3d28b46"
BUILD = CHECKOUT / "build"
POD_LOGS = RUN / "private/var/log/pods"
TICK_SECONDS = 0.1
QUIET_SECONDS = 15.0
"""Everything was heard and nothing came for so long: the end."""
STALLED_SECONDS = 120.0
"""Something is missing and nothing has changed for so long: it will not come."""
LONGEST_END_SECONDS = 900.0

Say = Callable[[str], None]


def run(plan: Plan, say: Say) -> Verdict:
    """Installs, carries the plan out, waits until all is quiet, judges; leaves `chaos.json` and logs in `build/`."""
    os.environ.update(cluster.environment())
    with _cronitor() as (cronitor, url), _logs() as logs:
        installation.remove_test_namespaces()
        installation.load_images()
        installation.install(url, api_key=API_KEY, telemetry_key=TELEMETRY_KEY, ca=cronitor.ca_file.read_text())
        world = World()
        verdict = Chaos(plan, world, cronitor, say).run()
        _keep_logs(logs, verdict)
    if verdict.good:  # else it stays, to be looked at
        installation.uninstall()
        installation.remove_test_namespaces()
    return verdict


class Chaos:
    """The plan as it is carried out on an installation that is there."""

    def __init__(self, plan: Plan, world: World, cronitor: StandIn, say: Say) -> None:
        self._plan, self._say = plan, say
        self._over = threading.Event()
        self._fell: list[Fell] = []
        self._started = time.time()
        self._heard = Heard(cronitor)
        self._stream = Stream(world, self._heard.of)
        self._faults = Faults(world, cronitor, lambda: self._stream.pods, self._note, self._over)

    def run(self) -> Verdict:
        self._stream.prepare()
        self._started = time.time()
        self._stream.start()
        lanes = [threading.Thread(target=self._faults.run_lane, args=(lane,)) for lane in self._plan.lanes]
        try:
            for lane in lanes:
                lane.start()
            self._make_jobs()
        finally:
            self._over.set()
            for lane in lanes:
                lane.join()
            self._faults.heal()
        self._say(f"{time.time() - self._started:7.1f} s  no more faults: waiting until all is quiet")
        self._settle()
        self._stream.stop()
        return self._judged()

    def _make_jobs(self) -> None:
        pending = list(reversed(self._plan.jobs))
        while (elapsed := time.time() - self._started) < self._plan.seconds:
            if not pending or pending[-1].after > elapsed or not self._stream.make(pending[-1]):
                time.sleep(TICK_SECONDS)
            else:
                pending.pop()

    def _settle(self) -> None:
        """Until all is heard and it has been quiet for a while, or nothing more is to be hoped for."""
        deadline = time.time() + LONGEST_END_SECONDS
        while time.time() < deadline:
            quiet = min(time.time() - max(self._heard.last, self._started), self._stream.unchanged_seconds)
            jobs = self._stream.jobs
            done = all(is_done(job, self._heard.of(job.series)) for job in jobs) and not self._stream.running
            if quiet > (QUIET_SECONDS if done else STALLED_SECONDS):
                return
            time.sleep(TICK_SECONDS * 10)

    def _note(self, fell: Fell) -> None:
        self._fell.append(fell)
        self._say(report.fault_line(fell, self._started))

    def _judged(self) -> Verdict:
        now = time.time()
        jobs, twins, heard = self._stream.jobs, self._stream.twins, self._heard.all()
        verdict = judge(jobs, twins, heard, self._fell, now)
        took = now - self._started
        document = report.document(self._plan, self._started, took, jobs, heard, self._fell, verdict)
        document["beside_twins"] = report.beside_twins(jobs, twins, now)
        document["twins"] = [report.run(twin, (), self._started) for twin in twins]
        BUILD.mkdir(exist_ok=True)
        (BUILD / "chaos.json").write_text(json.dumps(document, indent=1, ensure_ascii=False))
        self._say(f"\n{report.table(jobs, verdict)}\n\n{report.findings(verdict)}")
        if document["beside_twins"]["pairs"]:
            self._say(report.twins_line(document["beside_twins"]))
        explained = len(verdict.duplicates) - len(verdict.unexplained)
        self._say(
            f"seed {self._plan.seed}, {self._plan.seconds / 60:g} min, {len(jobs)} Jobs, {len(self._fell)} faults: "
            f"harmed {len(verdict.harmed)}, lost {len(verdict.lost)}, wrong {len(verdict.wrong)}, "
            f"duplicates {len(verdict.duplicates)} ({explained} explained), missed {len(verdict.missed)}, "
            f"marks open {len(verdict.unclosed)}"
        )
        return verdict


class Heard:
    """What Cronitor took so far, by series. Safe for threads."""

    def __init__(self, cronitor: StandIn) -> None:
        self._cronitor = cronitor
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._by_series: dict[str, list[Event]] = {}
        self._number = 0
        self.last = 0.0
        """When the newest request of all came, taken or not."""

    def all(self) -> list[Event]:
        with self._lock:
            self._catch_up()
            return list(self._events)

    def of(self, series: str) -> list[Event]:
        with self._lock:
            self._catch_up()
            return list(self._by_series.get(series, ()))

    def _catch_up(self) -> None:
        new = self._cronitor.account.recording.after(self._number)
        if new:
            self._number, self.last = new[-1].number, new[-1].arrived
        for event in events(new):
            self._events.append(event)
            self._by_series.setdefault(event.series, []).append(event)


@contextmanager
def _cronitor() -> Iterator[tuple[StandIn, str]]:
    keys = {API_KEY: "sdk", TELEMETRY_KEY: "telemetry"}
    host = reachable_host()
    with (
        tempfile.TemporaryDirectory() as folder,
        StandIn(host="0.0.0.0", names=[host], keys=keys, directory=Path(folder)) as stand_in,
    ):
        yield stand_in, f"https://{host}:{stand_in.https_url.rpartition(':')[2]}"


@contextmanager
def _logs() -> Iterator[LogKeeper]:
    with tempfile.TemporaryDirectory(dir=RUN) as kept:
        keeper = LogKeeper(POD_LOGS, Path(kept))
        keeper.start()
        try:
            yield keeper
        finally:
            keeper.stop()


def _keep_logs(logs: LogKeeper, verdict: Verdict) -> None:
    """Those of our processes, and of every pod of a Job that something was found about."""
    folder = BUILD / "chaos-logs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = (*verdict.harmed, *verdict.lost, *verdict.wrong, *verdict.duplicates, *verdict.missed)
    jobs = tuple(f"{one.job.replace('/', '_')}-" for one in found)
    for name, text in logs.files():
        if name.startswith((f"{installation.NAMESPACE}_", *jobs)):
            (folder / name.replace("/", "#")).write_text(text)
