"""What the controller tells alone: Jobs without a sidecar, and what no sidecar can know. All rows run side by side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cronitor.runs import Run
from tests.cronitor.stand_in import StandIn
from tests.e2e.world import INCLUDE, Json, World, container, cron_job, eventually, is_injected, outcome

HEARD_SECONDS = 240.0
ALONE = {"k8s.cronitor.io/inject": "false"}


@dataclass(frozen=True, slots=True)
class Row:
    """One shape of Job. `heard` is every event: state, code, message; `ends` what the Job itself comes to."""

    name: str
    heard: tuple[tuple[str, int | None, str], ...]
    containers: tuple[Json, ...] = (container(),)
    job: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ends: str = "Complete"


def told(state: str, code: int | None, message: str) -> tuple[tuple[str, int | None, str], ...]:
    return (("run", None, ""), (state, code, message))


def fails_once(code: int = 1) -> dict[str, Any]:
    """A container that fails in its first attempt in this pod, and succeeds in the second."""
    script = f"[ -f /state/failed ] || {{ touch /state/failed; exit {code}; }}"
    return container(script=script, volumeMounts=[{"name": "state", "mountPath": "/state"}])


STATE = {"volumes": [{"name": "state", "emptyDir": {}}]}
ANY_137 = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [137]}}]}
ON_42 = {"rules": [{"action": "FailJob", "onExitCodes": {"containerName": "app", "operator": "In", "values": [42]}}]}

ROWS = (
    Row("opted-out", told("complete", 0, "attempt 1/7 · app 0"), annotations=ALONE),
    Row(
        "opted-out-fails",
        told("fail", 3, "attempt 1/1 · app 3 · helper 0"),
        (container(script="sleep 1; exit 3"), container("helper")),
        job={"backoffLimit": 0},
        annotations=ALONE,
        ends="Failed",
    ),
    Row(
        "opted-out-retried",
        told("fail", 5, "attempt 2/2 · app 5"),
        (container(script="exit 5"),),
        job={"backoffLimit": 1},
        annotations=ALONE,
        ends="Failed",
    ),
    Row(
        "opted-out-init-fails",
        told("fail", 9, "attempt 1/1 · setup 9 · app PodInitializing"),
        job={"backoffLimit": 0},
        pod={"initContainers": [container("setup", "exit 9")]},
        annotations=ALONE,
        ends="Failed",
    ),
    Row("short-deadline", told("complete", 0, "attempt 1/7 · app 0"), (container(script="sleep 5"),),
        job={"activeDeadlineSeconds": 60}),
    Row(
        "deadline-passed",
        told("fail", None, "DeadlineExceeded · attempt 1/7 · app 137"),
        (container(script="sleep 60"),),
        job={"activeDeadlineSeconds": 3},
        pod={"terminationGracePeriodSeconds": 1},
        ends="Failed",
    ),
    Row(
        "restart-limit",
        told("fail", 1, "attempt 2/2 · app 1"),
        (fails_once(),),
        job={"backoffLimit": 1},
        pod={"restartPolicy": "OnFailure", **STATE},
        ends="Failed",
    ),
    Row(
        "exit-code-policy",
        told("fail", 137, "PodFailurePolicy · attempt 1/7 · app 137"),
        (container(script="sleep 1; exit 137"),),
        job={"podFailurePolicy": ANY_137},
        ends="Failed",
    ),
    Row(
        "policy-of-one-container",
        told("fail", 42, "PodFailurePolicy · attempt 1/7 · app 42"),
        (container(script="sleep 1; exit 42"),),
        job={"podFailurePolicy": ON_42},
        ends="Failed",
    ),
    Row("crowd", told("complete", 0, "3/3 succeeded · 0 failed · app 0"), job={"completions": 3, "parallelism": 2}),
    Row(
        "crowd-fails",
        told("fail", 6, "0/2 succeeded · 1 failed · app 6"),
        (container(script="exit 6"),),
        job={"completions": 2, "backoffLimit": 0},
        ends="Failed",
    ),
    Row(
        "gone-at-once",
        told("complete", 0, "attempt 1/7 · app 0"),
        job={"ttlSecondsAfterFinished": 0},
        annotations=ALONE,
        ends="gone",
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def namespace(make_namespace: Callable[..., str]) -> str:
    return make_namespace("e2e-left")


@pytest.fixture(scope="module")
def jobs(world: World, namespace: str) -> dict[str, Json]:
    """Every row's Job, started."""
    started = {}
    for row in ROWS:
        manifest = cron_job(
            row.name, *row.containers, annotations={**INCLUDE, **row.annotations}, job=dict(row.job), **row.pod
        )
        started[row.name] = world.run_now(world.create(manifest, namespace))
    return started


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_run_is_told_right(row: Row, world: World, cronitor: StandIn, jobs: dict[str, Json]) -> None:
    series = jobs[row.name]["metadata"]["uid"]
    cronitor.wait_for(series, HEARD_SECONDS)
    if row.ends != "gone":
        assert outcome(world.finished(jobs[row.name])) == row.ends
    run = next(one for one in cronitor.runs() if one.series == series)
    assert tuple((event.state, event.status_code, event.message) for event in run.events) == row.heard
    assert run.host
    assert run.monitor == jobs[row.name]["metadata"]["ownerReferences"][0]["uid"]
    assert [found for found in cronitor.violations() if found.series == series] == []


def mark(world: World, job: Json) -> str:
    found = world.get("Job", job["metadata"]["namespace"], job["metadata"]["name"]) or {"metadata": {}}
    text: str = (found["metadata"].get("annotations") or {}).get("k8s.cronitor.io/run", "")
    return text


def test_in_the_end_nothing_is_owed(world: World, cronitor: StandIn, jobs: dict[str, Json]) -> None:
    for row in ROWS:
        if row.ends == "gone":
            continue
        cronitor.wait_for(jobs[row.name]["metadata"]["uid"], HEARD_SECONDS)

        def settled(row: Row = row) -> bool:
            text = mark(world, jobs[row.name])
            return f'"verdict":"{row.heard[-1][0]}"' in text and "owed" not in text

        eventually(settled, f"the closed mark of {row.name}")


def begun(series: str) -> Callable[[Run], bool]:
    return lambda run: run.series == series and "run" in run.states


def test_a_job_deleted_in_mid_run_is_one_failure(world: World, cronitor: StandIn, namespace: str) -> None:
    for name, annotations in (("deleted", {}), ("deleted-alone", ALONE)):
        manifest = cron_job(name, container(script="sleep 300"), annotations={**INCLUDE, **annotations})
        job = world.run_now(world.create(manifest, namespace))
        series = job["metadata"]["uid"]
        assert is_injected(world.pod_of(job)) is (name == "deleted")
        cronitor.wait_for(begun(series), HEARD_SECONDS)
        world.delete("Job", namespace, f"{name}-1", propagationPolicy="Background")
        run = cronitor.wait_for(series, HEARD_SECONDS)
        assert (run.states, run.status_code) == (["run", "fail"], None)
        assert run.message.startswith("Job deleted · attempt 1/7 · app ")
        assert [found for found in cronitor.violations() if found.series == series] == []


def test_a_pod_evicted_with_retries_left_goes_on_as_the_same_run(
    world: World, cronitor: StandIn, namespace: str
) -> None:
    job = world.run_now(world.create(cron_job("evicted", container(script="sleep 20")), namespace))
    series, pod = job["metadata"]["uid"], world.pod_of(job)
    cronitor.wait_for(begun(series), HEARD_SECONDS)
    place = pod["metadata"]["namespace"], pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"namespace": place[0], "name": place[1]}}
    world.kube.create(f"/api/v1/namespaces/{place[0]}/pods/{place[1]}/eviction", eviction)
    run = cronitor.wait_for(series, HEARD_SECONDS)
    assert (run.states, run.status_code, run.message) == (["run", "complete"], 0, "attempt 2/7 · app 0")
    assert [found for found in cronitor.violations() if found.series == series] == []
