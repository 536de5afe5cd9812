"""Every shape of Job is told right: one run, one verdict, the right exit code. A line for each, and `N of N right`.

First the table side by side; then shapes that are drawn; two hundred Jobs at once; what disturbs them all, one after
another; and the table once more while each leading controller is killed after five seconds.
"""

import os
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests import installation
from tests.cronitor.stand_in import StandIn
from tests.e2e.conftest import API_KEY, NAMESPACED, TELEMETRY_KEY, flush_old_replicas
from tests.e2e.faults.watcher import Watcher
from tests.e2e.scenarios.burst import BURST
from tests.e2e.scenarios.disturbances import DISTURBANCES, Disturbance, Stage
from tests.e2e.scenarios.drawn import drawn, expected
from tests.e2e.scenarios.judge import Expected
from tests.e2e.scenarios.killer import LeaderKiller
from tests.e2e.scenarios.play import Play
from tests.e2e.scenarios.runner import Result, Runner, summary
from tests.e2e.scenarios.shapes import THRESHOLDS, Shape
from tests.e2e.scenarios.table import TABLE
from tests.e2e.world import World

pytestmark = pytest.mark.timeout(2400)

SEED, DRAWN = int(os.environ.get("SEED") or 1), int(os.environ.get("DRAWN") or 24)
"""How many shapes are drawn, and by which seed: `make e2e DRAWN=60 SEED=7 SHAPES=nobody_listed`."""

Say = Callable[[str, Sequence[Result]], None]


@pytest.fixture(scope="module")
def stage(world: World, cronitor: StandIn, url: str) -> Iterator[Stage]:
    """The chart with short thresholds; as it was, afterwards."""

    def install(values: dict[str, dict[str, int]] = THRESHOLDS) -> None:
        ca = cronitor.ca_file.read_text()
        installation.install(url, api_key=API_KEY, telemetry_key=TELEMETRY_KEY, ca=ca, values=values)
        flush_old_replicas(world)

    install()
    yield Stage(world, cronitor, install)
    install({})


@pytest.fixture(scope="module")
def runner(stage: Stage) -> Iterator[Runner]:
    watcher = Watcher()
    watcher.start()
    yield Runner(stage, watcher)
    watcher.stop()


@pytest.fixture(scope="module")
def say(request: pytest.FixtureRequest) -> Say:
    """Prints a table at once, whatever pytest captures."""

    def write(title: str, results: Sequence[Result]) -> None:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{title}", *(one.line for one in results), f"{title}: {summary(results)}", sep="\n", flush=True)

    return write


def places(make_namespace: NAMESPACED, prefix: str) -> Callable[[Shape], str]:
    """One namespace for all that need none of their own."""
    common = make_namespace(prefix)

    def place(shape: Shape) -> str:
        return make_namespace(prefix, injected=shape.labelled) if shape.own_namespace else common

    return place


@pytest.fixture(scope="module")
def side_by_side(
    runner: Runner, make_namespace: NAMESPACED, say: Say, request: pytest.FixtureRequest
) -> dict[str, Result]:
    shapes = [shape for shape in TABLE if any(f"[{shape.name}]" in item.nodeid for item in request.session.items)]
    results = runner.side_by_side(shapes, places(make_namespace, "scenarios"))
    say("side by side", results)
    return {one.play.shape.name: one for one in results}


@pytest.mark.parametrize("shape", TABLE, ids=lambda shape: shape.name)
def test_a_shape_is_told_right(shape: Shape, side_by_side: dict[str, Result]) -> None:
    assert side_by_side[shape.name].problems == []


@pytest.mark.endurance
def test_shapes_that_nobody_listed_are_told_right(runner: Runner, make_namespace: NAMESPACED, say: Say) -> None:
    runner.stage.install({})  # a native sidecar that crashes keeps the others waiting: no start is stuck for that
    shapes = [shape for number in range(DRAWN) for shape in drawn(SEED, number)]
    results = runner.side_by_side(shapes, places(make_namespace, "scenarios-drawn"), expected=as_it_ended)
    runner.stage.install()
    say(f"{DRAWN} drawn by seed {SEED}, each with its twin", results)
    assert {one.play.shape.name: one.problems for one in results if one.problems} == {}


def as_it_ended(play: Play) -> list[Expected]:
    run = play.run()
    return [expected(play.shape, play.monitor, play.seen(), run.status_code if run else None)]


@pytest.mark.endurance
def test_two_hundred_jobs_at_once_are_told_right(runner: Runner, make_namespace: NAMESPACED, say: Say) -> None:
    runner.stage.install({})  # the last of them finds the node free after minutes: no start is stuck for that
    # On so busy a node a sidecar's time may be up before Cronitor's answer: it says so.
    results = runner.side_by_side([BURST], places(make_namespace, "scenarios-burst"), lambda play: play.unanswered)
    runner.stage.install()
    say("two hundred at once", results)
    assert results[0].problems == []


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda disturbance: disturbance.name)
def test_it_is_told_right_through(
    disturbance: Disturbance, runner: Runner, make_namespace: NAMESPACED, say: Say
) -> None:
    results = runner.through(disturbance, places(make_namespace, "scenarios-disturbed"))
    say(disturbance.name, results)
    assert {one.play.shape.name: one.problems for one in results if one.problems} == {}


@pytest.mark.endurance
def test_the_table_is_told_right_while_each_leader_is_killed_after_five_seconds(
    runner: Runner, make_namespace: NAMESPACED, say: Say
) -> None:
    killer = LeaderKiller(runner.stage.world, runner.stage.cronitor)
    results = runner.while_killed(TABLE, places(make_namespace, "scenarios-killed"), killer)
    say(f"the leader killed {len(killer.fell)} times", results)
    assert killer.fell
    assert {one.play.shape.name: one.problems for one in results if one.problems} == {}
