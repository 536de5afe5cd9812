"""One row as it runs: its Job on the cluster, and the words in which faults are written."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar import journal as journals
from tests.cluster.layout import RUN
from tests.cronitor.recording import Recorded
from tests.cronitor.runs import Run
from tests.cronitor.stand_in import StandIn
from tests.e2e.faults import processes
from tests.e2e.faults.network import Network, Way
from tests.e2e.faults.processes import ProcessTable, appears
from tests.e2e.faults.rows import Row
from tests.e2e.faults.watcher import OWN, Watcher, state_of, status_of
from tests.e2e.world import INCLUDE, Json, World, cron_job, eventually

PATIENCE_SECONDS = 180.0
LOGS = RUN / "private/var/log/pods"
MOUNT = "var/run/secrets/kubernetes.io/serviceaccount"
END_SIGNALS = {0: signal.SIGUSR1, 7: signal.SIGUSR2}


@dataclass(slots=True)
class Scene:
    """`cron_job` and `job` are there once `begin` has made them."""

    row: Row
    world: World
    cronitor: StandIn
    watcher: Watcher
    table: ProcessTable
    namespace: str
    cron_job: Json = field(default_factory=dict)
    job: Json = field(default_factory=dict)

    def begin(self) -> None:
        row = self.row
        annotations = {**INCLUDE, **row.annotations}
        manifest = cron_job(row.name, *row.containers, annotations=annotations, job=dict(row.job), **row.pod)
        self.cron_job = self.world.create(manifest, self.namespace)
        row.before(self)
        self.job = self.world.run_now(self.cron_job)

    # --- what is there ---------------------------------------------------------------------------------------------

    @property
    def series(self) -> str:
        return str(self.job["metadata"]["uid"])

    @property
    def monitor(self) -> str:
        return str(self.cron_job["metadata"]["uid"])

    @property
    def pods(self) -> list[Json]:
        return self.watcher.pods_of(self.job)

    def pod(self, number: int = 1) -> Json:
        """The Job's n-th pod, as it is now."""
        return self.watcher.wait_for(lambda: self.pods[number - 1 : number], f"pod {number} of {self.row.name}")[0]

    def run(self) -> Run | None:
        return next((run for run in self.cronitor.runs() if run.series == self.series), None)

    def requests(self, state: str = "") -> list[Recorded]:
        """All that was asked of Cronitor for this run, taken or not."""
        return [
            one
            for one in self.cronitor.requests()
            if one.event and one.event.series == self.series and state in ("", one.event.state)
        ]

    # --- waiting ---------------------------------------------------------------------------------------------------

    def running(self, name: str = "app", pod: int = 1) -> Json:
        """The pod, once this container of it runs."""
        what = f"{name} of {self.row.name} running"
        return self.watcher.wait_for(
            lambda: self.pod(pod) if state_of(self.pod(pod), name, "running") else None, what, PATIENCE_SECONDS
        )

    def told(self, state: str = "run") -> None:
        """Cronitor has taken this event."""
        self.cronitor.wait_for(lambda run: run.series == self.series and state in run.states, PATIENCE_SECONDS)

    def asked(self, state: str = "run", times: int = 1) -> None:
        """Cronitor was asked to take this event so often, whatever it then did."""
        found = self.cronitor.account.recording.wait_for(lambda: len(self.requests(state)) >= times, PATIENCE_SECONDS)
        assert found, f"{self.row.name}: {state} was not sent {times} times"

    def logged(self, text: str, times: int = 1, pod: int = 1) -> None:
        """Our container has written a line with this text in it."""

        def written() -> bool:
            return sum(text in line for line in self.sidecar_log(pod)) >= times

        eventually(written, f"{text!r} × {times} in the log of {self.row.name}", PATIENCE_SECONDS, pause=0.2)

    def restarted(self, times: int) -> None:
        """Our container runs for the n-th time again, and the API shows it."""

        def runs_again() -> bool:
            status = status_of(self.pod(), OWN)
            return status.get("restartCount") == times and "running" in status["state"]

        self.watcher.wait_for(runs_again, f"restart {times} of {self.row.name}", PATIENCE_SECONDS)

    def sidecar_log(self, pod: int = 1) -> Iterator[str]:
        metadata = self.pod(pod)["metadata"]
        folder = LOGS / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}" / OWN
        for path in sorted(folder.glob("*.log")):
            with suppress(FileNotFoundError):
                yield from path.read_text(errors="replace").splitlines()

    @property
    def termination_log(self) -> Path:
        """The file on the node behind the newest incarnation's /dev/termination-log."""
        folder = RUN / "kubelet/pods" / str(self.pod()["metadata"]["uid"]) / "containers" / OWN
        newest: Path = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return newest

    def journaled(self) -> None:
        """The journal says that Cronitor has taken all: what is told is known to whoever comes after a kill."""

        def taken() -> bool:
            with suppress(FileNotFoundError, ValueError):
                journal = journals.decode(self.termination_log.read_text())
                return bool(journal.entries) and not journal.pending
            return False

        eventually(taken, f"the journal of {self.row.name}", PATIENCE_SECONDS)

    # --- doing -----------------------------------------------------------------------------------------------------

    def sidecar(self, pod: int = 1) -> int:
        uid = self.pod(pod)["metadata"]["uid"]
        return appears(lambda: self.table.sidecar(uid), f"the sidecar's process of {self.row.name}")

    def end(self, code: int = 0, name: str = "app", pod: int = 1) -> None:
        """Have a container of the pod end with this code."""
        container_id = status_of(self.running(name, pod), name)["containerID"]
        pid = appears(lambda: self.table.of_container(container_id), f"the process of {name}")
        processes.end(pid, END_SIGNALS[code])

    def kill(self) -> None:
        """SIGKILL for the sidecar's process."""
        processes.end(self.sidecar(), signal.SIGKILL)

    def network(self, pod: int = 1) -> Network:
        """The pod's network, as soon as there is one."""
        uid = self.pod(pod)["metadata"]["uid"]
        network = appears(lambda: self.table.network(uid), f"the network of {self.row.name}")
        return Network(network, self.cronitor.https_url.rpartition(":")[2])

    def block(self, *places: str, way: Way = Way.REJECT, pod: int = 1) -> Network:
        network = self.network(pod)
        for place in places:
            network.block(place, way)
        return network

    def delete_pod(self, number: int = 1, **options: Any) -> None:
        metadata = self.pod(number)["metadata"]
        self.world.delete("Pod", metadata["namespace"], metadata["name"], **options)

    def cronitor_fails(self, kind: str, **more: Any) -> None:
        """A fault of the stand-in's, for this monitor alone."""
        self.cronitor.fault(kind, monitor=self.monitor, **more)

    def refresh_volumes(self) -> None:
        """Have the kubelet look at the pod's Secrets now, not within its minute."""
        metadata = self.pod()["metadata"]
        annotations = {"cronitor-k8s.test/refreshed": os.urandom(4).hex()}
        self.world.patch("Pod", metadata["namespace"], metadata["name"], {"metadata": {"annotations": annotations}})

    def mounted(self, name: str) -> str:
        """A file as our container sees it; empty where there is none."""
        with suppress(FileNotFoundError):
            return Path(f"/proc/{self.sidecar()}/root/{MOUNT}/{name}").read_text()
        return ""


def finished(scene: Scene) -> None:
    """The Job has ended, and so has each of its pods."""
    scene.watcher.finished(scene.job)
    what = f"the end of every pod of {scene.row.name}"
    scene.watcher.wait_for(lambda: all(_over(scene, pod) for pod in scene.pods), what)


def _over(scene: Scene, pod: Json) -> bool:
    return scene.watcher.is_gone(pod) or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
