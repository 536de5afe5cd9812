"""What the end-to-end tests share: one installation that reports to one stand-in, and namespaces of their own."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import cluster, installation
from tests.cluster.layout import RUN
from tests.cronitor.stand_in import StandIn
from tests.demo.stand_in import reachable_host
from tests.e2e.logs import LogKeeper
from tests.e2e.world import INJECTION, World, eventually
from tests.installation import TEST_LABEL

API_KEY = "e2e-sdk-key-0a1b2c3d"
OTHER_API_KEY = "e2e-sdk-key-9k8j7h6g"
TELEMETRY_KEY = "e2e-telemetry-key-4e5f6a7b"
NAMESPACE_KEY = "e2e-own-key-8h9i0j1k"
NAMESPACED = Callable[..., str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def logs() -> Iterator[LogKeeper]:
    """The logs of everything that runs from here on. A cluster of somebody else's shows us no files."""
    ours = os.environ.get("CLUSTER") != "current"
    source = RUN / "private/var/log/pods"
    with tempfile.TemporaryDirectory(dir=RUN if ours else None) as kept:
        keeper = LogKeeper(source, Path(kept))
        keeper.start()
        yield keeper
        keeper.stop()


@pytest.fixture(scope="session")
def cronitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    keys = {API_KEY: "sdk", TELEMETRY_KEY: "telemetry"}
    folder = tmp_path_factory.mktemp("stand-in")
    with StandIn(host="0.0.0.0", names=[reachable_host()], keys=keys, directory=folder) as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def url(cronitor: StandIn) -> str:
    """Where pods reach the stand-in, over TLS with a CA of its own."""
    return f"https://{reachable_host()}:{cronitor.https_url.rpartition(':')[2]}"


@pytest.fixture(scope="session")
def world(cronitor: StandIn, url: str, logs: LogKeeper) -> World:
    """The cluster with our chart installed, and nothing left of earlier runs."""
    os.environ.update(cluster.environment())
    installation.remove_test_namespaces()
    installation.load_images()
    installation.install(url, api_key=API_KEY, telemetry_key=TELEMETRY_KEY, ca=cronitor.ca_file.read_text())
    found = World()
    flush_old_replicas(found)
    cronitor.reset()
    return found


def flush_old_replicas(world: World) -> None:
    """Use up the API server's idle connections to replaced admission pods, which would still answer with old settings.

    Each of their answers closes its connection, and a pod ends when none is left.
    """
    selector = "app.kubernetes.io/component=admission"

    def only_new() -> bool:
        pods = world.all("Pod", installation.NAMESPACE, labelSelector=selector)
        world.dry_run_pod()
        return not any(pod["metadata"].get("deletionTimestamp") for pod in pods)

    eventually(only_new, "the end of the replaced admission pods")


@pytest.fixture(scope="session")
def make_namespace(world: World) -> Iterator[NAMESPACED]:
    """Make a namespace with labels, and wait until it is provisioned where it is to be injected."""
    made: list[str] = []

    def make(prefix: str, labels: dict[str, str] | None = None, *, injected: bool = True) -> str:
        name = f"{prefix}-{uuid.uuid4().hex[:6]}"
        all_labels = {TEST_LABEL: "e2e", **(INJECTION if injected else {}), **(labels or {})}
        world.create({"kind": "Namespace", "metadata": {"name": name, "labels": all_labels}})
        made.append(name)
        eventually(lambda: world.get("ServiceAccount", name, "default"), f"the default account of {name}")
        if injected:
            eventually(lambda: world.provisioned(name), f"namespace {name} provisioned")
        return name

    yield make
    for name in made:
        world.delete("Namespace", "", name)


@pytest.fixture(scope="session")
def namespace(make_namespace: NAMESPACED) -> str:
    """One labelled namespace for all that does not need its own."""
    return make_namespace("e2e")
