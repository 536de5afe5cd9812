"""The sidecar survives: every fault that can be made on the real cluster, and all that is heard in spite of it.

The rows that reach no further than their own pod run side by side, those that disturb everything one after another.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import installation
from tests.cronitor.stand_in import StandIn
from tests.demo.stand_in import reachable_host
from tests.e2e.conftest import API_KEY, NAMESPACED, TELEMETRY_KEY, flush_old_replicas
from tests.e2e.faults.elsewhere import BEHIND_PROXY, BY_NAME
from tests.e2e.faults.proxy import InterceptingProxy
from tests.e2e.faults.resolver import NAME, Resolver
from tests.e2e.faults.rows import Row
from tests.e2e.faults.runner import Runner
from tests.e2e.faults.storms import STORMS, Storm
from tests.e2e.faults.table import TABLE
from tests.e2e.faults.watcher import Watcher
from tests.e2e.logs import LogKeeper
from tests.e2e.world import Json, World, cron_job, eventually

pytestmark = pytest.mark.timeout(540)


@pytest.fixture(scope="module")
def runner(world: World, cronitor: StandIn, logs: LogKeeper, request: pytest.FixtureRequest) -> Iterator[Runner]:
    watcher = Watcher()
    watcher.start()
    made = Runner(world, cronitor, logs, watcher)
    yield made
    watcher.stop()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", *(result.line for result in made.results.values()), sep="\n")


@pytest.fixture(scope="module")
def side_by_side(runner: Runner, make_namespace: NAMESPACED, request: pytest.FixtureRequest) -> Runner:
    rows = [row for row in TABLE if any(f"[{row.name}]" in item.nodeid for item in request.session.items)]
    common = make_namespace("faults")
    runner.side_by_side(rows, lambda row: make_namespace("faults") if row.own_namespace else common)
    return runner


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_it_is_told_in_spite_of(row: Row, side_by_side: Runner) -> None:
    assert side_by_side.results[row.name].problems == []


@pytest.mark.parametrize("storm", STORMS, ids=lambda storm: storm.name)
def test_it_is_told_through(storm: Storm, runner: Runner, world: World, make_namespace: NAMESPACED) -> None:
    namespace = make_namespace("faults-storm")
    asked = world.run_now(world.create(cron_job("asked", job={"suspend": True}), namespace))
    # After a storm that took the API server away some replica's watch may be a few seconds behind.
    eventually(lambda: world.would_inject(asked), f"admission that injects in {namespace}")
    runner.storm(storm, lambda _row: namespace)
    assert runner.problems(storm.rows) == {}


@pytest.fixture(scope="module")
def installed(world: World, cronitor: StandIn, url: str) -> Iterator[Callable[[str, str, Json], None]]:
    """Installs with another address, CA and proxy; as it was, afterwards."""

    def install(telemetry_url: str, ca: str, values: Json) -> None:
        installation.install(telemetry_url, api_key=API_KEY, telemetry_key=TELEMETRY_KEY, ca=ca, values=values)
        flush_old_replicas(world)

    yield install
    install(url, cronitor.ca_file.read_text(), {})


def test_it_is_told_where_the_name_of_cronitor_does_not_resolve(
    runner: Runner, installed: Callable[[str, str, Json], None], make_namespace: NAMESPACED
) -> None:
    installed(f"https://{NAME}:{_port(runner.cronitor)}", runner.cronitor.ca_file.read_text(), {})
    namespace = make_namespace("faults-dns")
    with Resolver():
        runner.side_by_side(BY_NAME, lambda _row: namespace)
    assert runner.problems(BY_NAME) == {}


def test_it_is_told_through_a_proxy_that_opens_tls(
    runner: Runner,
    installed: Callable[[str, str, Json], None],
    url: str,
    make_namespace: NAMESPACED,
    tmp_path: Path,
) -> None:
    with InterceptingProxy(tmp_path, [reachable_host()], runner.cronitor.ca_file) as proxy:
        installed(url, proxy.ca_file.read_text(), {"proxy": {"https": f"http://{reachable_host()}:{proxy.port}"}})
        namespace = make_namespace("faults-proxy")
        runner.side_by_side(BEHIND_PROXY, lambda _row: namespace)
        assert runner.problems(BEHIND_PROXY) == {}
        (pod,) = runner.results[BEHIND_PROXY[0].name].scene.pods
        assert proxy.read[pod["status"]["podIP"]] == len(BEHIND_PROXY[0].heard)


def _port(cronitor: StandIn) -> str:
    return cronitor.https_url.rpartition(":")[2]
