"""What Cronitor hears of runs, each with the whole list: states, order, code, message, series, stamps, nothing else.

All rows are started at once and run side by side; each test then looks at its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cronitor.runs import Run
from tests.cronitor.stand_in import StandIn
from tests.e2e.world import INCLUDE, Json, World, container, cron_job, eventually, outcome
from webhook.workloads import epoch

HEARD_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Row:
    """One shape of Job. `heard` is the verdict's state, code and message; `job` what the Job itself comes to."""

    name: str
    heard: tuple[str, int | None, str]
    containers: tuple[Json, ...] = (container(),)
    job: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ends: str = "Complete"
    monitor: str = ""
    env: str = ""


ROWS = (
    Row("succeeds", ("complete", 0, "attempt 1/7 · app 0")),
    Row("exits-at-once", ("complete", 0, "attempt 1/7 · app 0"), (container(script="exit 0"),)),
    Row(
        "exits-3",
        ("fail", 3, "attempt 1/1 · app 3"),
        (container(script="sleep 1; exit 3"),),
        job={"backoffLimit": 0},
        ends="Failed",
    ),
    Row(
        "two-containers",
        ("complete", 0, "attempt 1/7 · app 0 · helper 0"),
        (container(), container("helper", "sleep 3")),
    ),
    Row(
        "one-of-two-fails",
        ("fail", 4, "attempt 1/1 · app 0 · helper 4"),
        (container(script="sleep 3"), container("helper", "sleep 1; exit 4")),
        job={"backoffLimit": 0},
        ends="Failed",
    ),
    Row(
        "init-fails",
        ("fail", 9, "attempt 1/1 · setup 9 · app PodInitializing"),
        job={"backoffLimit": 0},
        pod={"initContainers": [container("setup", "exit 9")]},
        ends="Failed",
    ),
    Row(
        "init-succeeds",
        ("complete", 0, "attempt 1/7 · setup 0 · app 0"),
        pod={"initContainers": [container("setup", "exit 0")]},
    ),
    Row(
        "own-native-sidecar",
        ("complete", 0, "attempt 1/7 · app 0"),
        pod={"initContainers": [container("mesh", "trap 'exit 143' TERM; sleep 999 & wait", restartPolicy="Always")]},
    ),
    Row(
        "retried-in-place",
        ("complete", 0, "attempt 2/7 · app 0"),
        (container(script="[ -f /state/failed ] || { touch /state/failed; exit 1; }",
                   volumeMounts=[{"name": "state", "mountPath": "/state"}]),),
        pod={"restartPolicy": "OnFailure", "volumes": [{"name": "state", "emptyDir": {}}]},
    ),
    Row(
        "restarts-exhausted",
        ("fail", 7, "attempt 3/3 · app 7"),
        (container(script="exit 7"),),
        job={"backoffLimit": 2},
        pod={"restartPolicy": "OnFailure"},
        ends="Failed",
    ),
    Row(
        "retried-by-pods",
        ("fail", 5, "attempt 2/2 · app 5"),
        (container(script="exit 5"),),
        job={"backoffLimit": 1},
        ends="Failed",
    ),
    Row(
        "killed-by-memory",
        ("fail", 137, "attempt 1/1 · app 137 OOMKilled"),
        (container(script="dd if=/dev/zero of=/dev/null bs=64M count=1", resources={"limits": {"memory": "16Mi"}}),),
        job={"backoffLimit": 0},
        ends="Failed",
    ),
    Row(
        "chosen-container",
        ("complete", 0, "attempt 1/7 · app 0"),
        (container(), container("helper", "sleep 4")),
        annotations={"k8s.cronitor.io/containers": "app"},
    ),
    Row(
        "ignored-container",
        ("complete", 0, "attempt 1/7 · app 0"),
        (container(), container("istio-proxy", "sleep 6")),
    ),
    Row(
        "own-key-and-env",
        ("complete", 0, "attempt 1/7 · app 0"),
        annotations={"k8s.cronitor.io/key": "e2e-own-key", "k8s.cronitor.io/env": "staging"},
        monitor="e2e-own-key",
        env="staging",
    ),
)  # fmt: skip


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
    job = jobs[row.name]
    series = job["metadata"]["uid"]
    run = cronitor.wait_for(series, HEARD_SECONDS)
    ended = world.finished(job)
    assert outcome(ended) == row.ends
    heard = next(one for one in cronitor.runs() if one.series == series)
    state, code, message = row.heard
    assert [event.state for event in heard.events] == ["run", state]
    if message.endswith("OOMKilled") and "OOMKilled" not in str(world.pods_of(job)):
        message = message.removesuffix(" OOMKilled")  # containerd was late with its word on it: nobody has been told
    assert (heard.status_code, heard.message) == (code, message)
    assert heard.monitor == (row.monitor or job["metadata"]["ownerReferences"][0]["uid"])
    assert heard.env == row.env
    assert heard.host
    assert run.event("run").status_code is None
    _check_times(heard, world.pods_of(job), state)
    assert [found for found in cronitor.violations() if found.series == series] == []


def _check_times(run: Run, pods: list[Json], state: str) -> None:
    """Stamps are those of the containers, to the second that the kubelet gives; the duration lies between them."""
    start, end = run.event("run").stamp, run.event(state).stamp
    assert start is not None
    assert end is not None
    assert run.duration == pytest.approx(end - start, abs=0.01)
    if len(pods) != 1 or pods[0]["spec"]["restartPolicy"] != "Never":
        return
    statuses = pods[0]["status"]
    ends = [
        epoch(status["state"]["terminated"]["finishedAt"])
        for status in (*statuses.get("initContainerStatuses", ()), *statuses["containerStatuses"])
        if status["name"] not in ("cronitor", "mesh", "istio-proxy", "helper")
        and "terminated" in status["state"]
        and status["state"]["terminated"]["reason"] != "ContainerStatusUnknown"
    ]
    assert end >= max(moment for moment in ends if moment) - 1


def test_every_mark_is_closed_with_what_was_told(world: World, cronitor: StandIn, jobs: dict[str, Json]) -> None:
    for row in ROWS:
        job = jobs[row.name]
        cronitor.wait_for(job["metadata"]["uid"], HEARD_SECONDS)

        def marked(job: Json = job, row: Row = row) -> bool:
            found = world.get("Job", job["metadata"]["namespace"], job["metadata"]["name"]) or {}
            mark = (found.get("metadata") or {}).get("annotations", {}).get("k8s.cronitor.io/run", "")
            return f'"verdict":"{row.heard[0]}"' in mark and '"start":' in mark

        eventually(marked, f"the closed mark of {row.name}")


def test_a_cron_job_on_its_own_schedule_is_told(world: World, cronitor: StandIn, make_namespace: Any) -> None:
    name = make_namespace("e2e-schedule")
    made = world.create(cron_job("every-minute", schedule="* * * * *"), name)
    key = made["metadata"]["uid"]
    run = cronitor.wait_for(lambda run: run.monitor == key and bool(run.verdict), HEARD_SECONDS)
    assert (run.states, run.status_code, run.message) == (["run", "complete"], 0, "attempt 1/7 · app 0")


def test_a_manual_run_says_that_it_is_one(world: World, cronitor: StandIn, namespace: str) -> None:
    made = world.create(cron_job("by-hand"), namespace)
    job = made["spec"]["jobTemplate"]["spec"]
    metadata = made["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": metadata["name"], "uid": metadata["uid"]}
    started = world.create(
        {
            "kind": "Job",
            "metadata": {
                "name": "by-hand-1",
                "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
                "ownerReferences": [owner],
            },
            "spec": job,
        },
        namespace,
    )
    run = cronitor.wait_for(started["metadata"]["uid"], HEARD_SECONDS)
    assert run.message == "manual · attempt 1/7 · app 0"
