"""Admission away, killed, restarted: pods are always made, and in a rolling restart none of them goes without."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests import cluster
from tests.cronitor.stand_in import StandIn
from tests.e2e.world import Json, World, container, cron_job, eventually, is_injected, outcome
from tests.installation import NAMESPACE

ADMISSION = "cronitor-k8s-admission"
STREAM = 200
NUMBERS = itertools.count()


@pytest.fixture
def namespace(make_namespace: Any) -> str:
    name: str = make_namespace("e2e-absent")
    return name


@pytest.fixture
def admission_back(world: World) -> Iterator[None]:
    yield
    world.scale(ADMISSION, 2)


@pytest.fixture
def job(world: World, namespace: str) -> Json:
    """A suspended Job, for pods that only pass admission."""
    made = world.create(cron_job("gated", job={"suspend": True}), namespace)
    return world.run_now(made)


def test_without_admission_a_job_runs_uninjected_and_the_controller_tells_it(
    world: World, cronitor: StandIn, namespace: str, admission_back: None
) -> None:
    world.scale(ADMISSION, 0)
    eventually(lambda: _none_left(world), "the end of the last admission pod")
    job = world.run_now(world.create(cron_job("alone", container(script="exit 0")), namespace))
    assert not is_injected(world.pod_of(job))
    assert outcome(world.finished(job)) == "Complete"
    run = cronitor.wait_for(job["metadata"]["uid"], 120)
    assert (run.states, run.status_code, run.message) == (["run", "complete"], 0, "attempt 1/7 · app 0")


def _none_left(world: World) -> bool:
    """Draining pods still answer on the connections that they have: a call on each ends it."""
    world.dry_run_pod()
    return not world.all("Pod", NAMESPACE, labelSelector="app.kubernetes.io/component=admission")


def test_killed_in_mid_request_no_pod_is_refused_and_injection_comes_back(
    world: World, job: Json, admission_back: None
) -> None:
    stop = threading.Event()
    made: list[Json] = []
    failed: list[Exception] = []

    def stream() -> None:
        while not stop.is_set():
            try:
                made.append(world.gated_pod(job, f"killed-{next(NUMBERS)}"))
            except Exception as error:
                failed.append(error)

    streams = [threading.Thread(target=stream) for _ in range(4)]
    for thread in streams:
        thread.start()
    for pod in world.our_pods("admission"):
        before = len(made)
        eventually(lambda before=before: len(made) > before + 5, "pods under way")  # type: ignore[misc]
        # Without a grace period: the processes get SIGKILL, whatever they are at.
        world.delete("Pod", NAMESPACE, pod["metadata"]["name"], gracePeriodSeconds=0)
    eventually(lambda: len(made) >= 60, "60 pods made in spite of it")
    stop.set()
    for thread in streams:
        thread.join()
    assert failed == []
    world.scale(ADMISSION, 2)
    eventually(lambda: is_injected(world.gated_pod(job, f"after-{next(NUMBERS)}")), "injection again")


def test_in_a_rolling_restart_every_pod_is_injected(world: World, job: Json) -> None:
    eventually(lambda: is_injected(world.gated_pod(job, f"before-{next(NUMBERS)}")), "injection")
    old = {pod["metadata"]["uid"] for pod in world.our_pods("admission")}
    cluster.run(["kubectl", "rollout", "restart", "--namespace", NAMESPACE, f"deployment/{ADMISSION}"])

    def rolled() -> bool:
        status = (world.get("Deployment", NAMESPACE, ADMISSION) or {})["status"]
        now = {pod["metadata"]["uid"] for pod in world.our_pods("admission")}
        return not (now & old) and status.get("readyReplicas") == 2

    made: list[Json] = []
    missed: list[str] = []
    # At least so many, and on until the restart is over: what follows the last of the old replicas counts, too.
    while len(made) < STREAM or not rolled():
        burst = [world.gated_pod(job, f"rolling-{next(NUMBERS)}") for _ in range(10)]
        missed += [pod["metadata"]["name"] for pod in burst if not is_injected(pod)]
        made += burst
    print(f"{len(made)} pods during the rolling restart, {len(missed)} missed")
    assert missed == []
