"""What a native sidecar costs by nature is kept away from Jobs that it could hurt, and the harm is real.

Each such Job ends as its twin where nothing of ours is, and is told right. With `k8s.cronitor.io/inject: "true"` it is
injected all the same, and what happens then is shown: where it is luck it is printed, not asserted.
"""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cronitor.stand_in import StandIn
from tests.e2e.conftest import NAMESPACED
from tests.e2e.faults import acts, processes
from tests.e2e.faults.rows import ANY, EITHER, RUN, Heard, Row, by_controller, nothing
from tests.e2e.faults.runner import Runner
from tests.e2e.faults.scene import Scene
from tests.e2e.faults.watcher import Watcher
from tests.e2e.logs import LogKeeper
from tests.e2e.world import World, container, outcome

pytestmark = pytest.mark.timeout(540)

OVERRIDE = {"k8s.cronitor.io/inject": "true"}
TRIES = 6
STATE = {"volumes": [{"name": "state", "emptyDir": {}}]}
FAILS_ONCE = container(
    script="[ -f /state/failed ] || { touch /state/failed; exit 1; }",
    volumeMounts=[{"name": "state", "mountPath": "/state"}],
)
ANY_137 = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [137]}}]}
RUN_BY_CONTROLLER = by_controller("run")


def fails_then_ends(scene: Scene) -> None:
    scene.end(7)
    scene.pod(2)
    scene.end(pod=2)


HURT = (
    Row(
        "five-seconds-of-ten",
        nothing,
        (RUN_BY_CONTROLLER, by_controller("complete", 0)),
        containers=(container(script="sleep 5"),),
        job={"activeDeadlineSeconds": 10},
        injected=False,
    ),
    Row(
        "one-restart-allowed",
        nothing,
        (RUN_BY_CONTROLLER, by_controller("complete", 0)),
        containers=(container(script="sleep 1"),),
        job={"backoffLimit": 1},
        pod={"restartPolicy": "OnFailure"},
        injected=False,
    ),
    Row(
        "one-restart-allowed-and-used",
        nothing,
        (RUN_BY_CONTROLLER, by_controller("fail", 1)),
        containers=(FAILS_ONCE,),
        job={"backoffLimit": 1},
        pod={"restartPolicy": "OnFailure", **STATE},
        ends="Failed",
        injected=False,
    ),
    Row(
        "fails-the-job-on-137",
        fails_then_ends,
        (RUN_BY_CONTROLLER, by_controller("complete", 0)),
        job={"podFailurePolicy": ANY_137},
        pods=2,
        injected=False,
    ),
)


def outlives_its_grace(scene: Scene) -> None:
    """Our container does not react, as on a node that is starved, so that the kubelet has to kill it: 137."""
    scene.told()
    os.kill(scene.sidecar(), signal.SIGSTOP)
    scene.end(7)


def killed_by_the_node(scene: Scene) -> None:
    """As for memory."""
    scene.told()
    processes.end(scene.sidecar(), signal.SIGKILL)


OVERRIDDEN = (
    Row(
        "one-restart-allowed-overridden",
        acts.ends,
        (RUN, Heard("complete", 0, ANY)),
        job={"backoffLimit": 1},
        pod={"restartPolicy": "OnFailure"},
        annotations=OVERRIDE,
    ),
    Row(
        "one-restart-allowed-overridden-and-ours-killed",
        killed_by_the_node,
        (RUN, Heard("fail", None, ANY, EITHER)),
        job={"backoffLimit": 1},
        pod={"restartPolicy": "OnFailure"},
        annotations=OVERRIDE,
        restarts=1,
        ends="Failed",
    ),
    Row(
        "fails-the-job-on-137-overridden",
        outlives_its_grace,
        (RUN, by_controller("fail", 7)),
        job={"podFailurePolicy": ANY_137},
        pod={"terminationGracePeriodSeconds": 2},
        annotations=OVERRIDE,
        exits=frozenset({137}),
        ends="Failed",
    ),
)
SHORT = tuple(
    replace(HURT[0], name=f"five-seconds-of-ten-overridden-{number}", annotations=OVERRIDE, injected=True)
    for number in range(TRIES)
)


@pytest.fixture(scope="module")
def runner(world: World, cronitor: StandIn, logs: LogKeeper, request: pytest.FixtureRequest) -> Iterator[Runner]:
    watcher = Watcher()
    watcher.start()
    made = Runner(world, cronitor, logs, watcher)
    yield made
    watcher.stop()
    failed = [row for row in SHORT if row.name in made.results and outcome(_job(made, row)) == "Failed"]
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", *(result.line for result in made.results.values()), sep="\n")
        print(f"5 s of work with a deadline of 10 s, injected all the same: {len(failed)} of {len(SHORT)} failed")


@pytest.fixture(scope="module")
def ended(runner: Runner, make_namespace: NAMESPACED) -> Runner:
    """Every row, and a twin of each that is left alone where nothing is injected.

    What has a short deadline comes first, two at a time: a busy node alone could make it miss that.
    """
    ours, theirs = make_namespace("hurt"), make_namespace("hurt-twins", injected=False)
    twins = [replace(row, name=f"{row.name}-twin", heard=()) for row in HURT]
    short = [HURT[0], twins[0], *SHORT]
    pairs = [short[start : start + 2] for start in range(0, len(short), 2)]
    for rows in (*pairs, [*HURT[1:], *twins[1:], *OVERRIDDEN]):
        runner.side_by_side(rows, lambda row: theirs if row in twins else ours)
    for row in SHORT:
        runner.results[row.name].problems = []  # how these end is luck
    return runner


@pytest.mark.parametrize("row", [*HURT, *OVERRIDDEN], ids=lambda row: row.name)
def test_a_job_that_could_be_hurt(row: Row, ended: Runner) -> None:
    assert ended.results[row.name].problems == []


@pytest.mark.parametrize("row", HURT, ids=lambda row: row.name)
def test_it_ends_as_its_twin_without_us(row: Row, ended: Runner) -> None:
    twin = ended.results[f"{row.name}-twin"]
    assert twin.problems == []
    assert outcome(_job(ended, row)) == outcome(twin.scene.watcher.job(twin.scene.job)) == row.ends


@pytest.mark.parametrize("row", SHORT, ids=lambda row: row.name)
def test_a_short_deadline_that_is_overridden_is_told_as_the_job_ends(row: Row, ended: Runner) -> None:
    run = ended.results[row.name].scene.run()
    assert run is not None
    verdict = {"Complete": "complete", "Failed": "fail"}[outcome(_job(ended, row))]
    assert run.states == ["run", verdict]


def _job(runner: Runner, row: Row) -> dict[str, object]:
    scene = runner.results[row.name].scene
    return scene.watcher.job(scene.job)
