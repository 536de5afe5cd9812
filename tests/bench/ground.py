"""What the bench stands on: the cluster with our chart, the stand-in for Cronitor, and namespaces to measure in."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests import cluster, installation
from tests.cluster import processes
from tests.cluster.processes import Process
from tests.cronitor.client import Client
from tests.demo.stand_in import reachable_host
from tests.e2e.world import INJECTION, World, eventually
from tests.installation import NAMESPACE, RELEASE, TEST_LABEL

API_KEY = "bench-sdk-key-1a2b3c4d"
TELEMETRY_KEY = "bench-telemetry-key-5e6f7a8b"
START_SECONDS = 20.0
DELETED_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Ground:
    """One connection to the API server, one to the stand-in's control, and the namespaces made so far."""

    world: World
    cronitor: Client
    namespaces: list[str] = field(default_factory=list)

    def namespace(self, prefix: str, *, injected: bool = False, labels: dict[str, str] | None = None) -> str:
        """A new one; one that is to be injected is provisioned on return."""
        name = f"bench-{prefix}-{uuid.uuid4().hex[:6]}"
        every = {TEST_LABEL: "bench", **(INJECTION if injected else {}), **(labels or {})}
        self.world.create({"kind": "Namespace", "metadata": {"name": name, "labels": every}})
        self.namespaces.append(name)
        eventually(lambda: self.world.get("ServiceAccount", name, "default"), f"the default account of {name}")
        if injected:
            eventually(lambda: self.world.provisioned(name), f"namespace {name} provisioned")
        return name

    def clear(self, *names: str) -> None:
        """Delete these namespaces, all that were made if none is named, and wait until they have gone."""
        names = names or tuple(self.namespaces)
        for name in names:
            self.world.delete("Namespace", "", name)
            self.namespaces.remove(name)
        for name in names:
            gone = f"the end of namespace {name}"
            eventually(lambda name=name: not self.world.get("Namespace", "", name), gone, DELETED_SECONDS)  # type: ignore[misc]

    def settle(self) -> None:
        """Wait until no replica of ours that was replaced is left, so that none works beside the measured ones."""

        def only_new() -> bool:
            found = self.world.all("Pod", NAMESPACE)
            self.world.dry_run_pod("bench-dry-run")  # an old replica ends when each of its connections was used once
            return not any(pod["metadata"].get("deletionTimestamp") for pod in found)

        eventually(only_new, "the end of replaced replicas")


@contextlib.contextmanager
def prepared() -> Iterator[Ground]:
    """Everything in place; call it in the cluster's network. What was made goes at the end, the installation stays."""
    os.environ.update(cluster.environment())
    world = World()
    _clear_away(world)
    with _stand_in() as (url, ca, control), Client(control) as cronitor:
        installation.install(url, api_key=API_KEY, telemetry_key=TELEMETRY_KEY, ca=ca)
        ground = Ground(world, cronitor)
        ground.settle()
        try:
            yield ground
        finally:
            with contextlib.suppress(Exception):  # whatever is left is found by its label next time
                ground.clear()


def _clear_away(world: World) -> None:
    """A controller that knows of an earlier run's monitors would pause them, by the thousand, in the middle of ours."""
    installation.uninstall()
    installation.remove_test_namespaces()
    records = f"{RELEASE}-monitors-"

    def none_left() -> bool:
        return not any(one["metadata"]["name"].startswith(records) for one in world.all("ConfigMap", NAMESPACE))

    eventually(none_left, "the end of an earlier run's records", DELETED_SECONDS)


@contextlib.contextmanager
def _stand_in() -> Iterator[tuple[str, str, str]]:
    """The stand-in in a process of its own: address for pods, CA, address of its control."""
    host = reachable_host()
    with tempfile.TemporaryDirectory(prefix="cronitor-k8s-bench-") as folder:
        addresses = Path(folder) / "addresses.json"
        log = Path(folder) / "log"
        command = [
            sys.executable, "-m", "tests.cronitor", "--host", "0.0.0.0", "--name", host, "--directory", folder,
            "--port", "0", "--https-port", "0", "--control-port", "0", "--quiet",
            "--api-key", f"{API_KEY}=sdk", "--api-key", f"{TELEMETRY_KEY}=telemetry",
        ]  # fmt: skip
        with log.open("w") as output:
            started = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            there = processes.wait_until(lambda: addresses.exists() or started.poll() is not None, START_SECONDS)
            if not there or started.poll() is not None:
                raise cluster.ClusterError(f"the stand-in did not start: {processes.tail(log)}")
            eventually(lambda: addresses.read_text().endswith("\n"), "the stand-in's addresses")
            found = json.loads(addresses.read_text())
            url = f"https://{host}:{found['https'].rpartition(':')[2]}"
            yield url, Path(found["ca"]).read_text(), found["control"]
        finally:
            known = Process(started.pid, processes.start_time(started.pid) or "ended")
            processes.stop_group(known, signal.SIGTERM, START_SECONDS)
            started.wait()
