"""What the tests of runs begin with: a Job, its pods, and what is done by threads otherwise."""

import time
from dataclasses import replace
from typing import Any

from prometheus_client import REGISTRY

from tests.unit.webhook.controller.conftest import World
from tests.unit.webhook.objects import (
    CREATED_AT,
    CRON_JOB_UID,
    JOB_UID,
    container_status,
    job,
    owned_by,
    pod,
    running,
    terminated,
)
from webhook import run_mark
from webhook.controller import outbox
from webhook.controller.queue import Key
from webhook.run_mark import RunMark
from webhook.telemetry import Event, State

Json = dict[str, Any]

JOB = "/apis/batch/v1/namespaces/shop/jobs/backup-1"
CRON_JOB = "/apis/batch/v1/namespaces/shop/cronjobs/backup"
POD = "/api/v1/namespaces/shop/pods/backup-1-x"
KEY = Key("job", "shop", "backup-1")
MARK = RunMark(CRON_JOB_UID, "shop/backup", job=JOB_UID)
STARTED_AT = "2026-03-01T12:00:05Z"
STARTED = replace(MARK, start=CREATED_AT + 5)
RUN_TOLD = '{"e":"run","t":1772366405.0,"a":1}'
COMPLETE_TOLD = '{"e":"complete","t":1772366409.0,"a":1}'
COMPLETE_PENDING = '{"e":"complete","t":1772366409.0,"a":0,"c":0}'
RUN = Event(State.RUN, CREATED_AT + 5)


def mark_of(world: World) -> RunMark | None:
    found = world.api.get(JOB)
    assert found is not None
    return run_mark.read(found["metadata"]["annotations"])


def marked(mark: RunMark, **more: Any) -> Json:
    return job(annotations={run_mark.ANNOTATION: run_mark.write(mark)}, **more)


def reconcile(world: World) -> float | None:
    again = world.runs.reconcile(KEY)
    world.seen()
    return again


def deliver(world: World, uid: str = JOB_UID) -> None:
    """What the outbox's threads do."""
    while world.outbox.reconcile(Key(outbox.KIND, "shop", uid)) is not None:
        pass


def settle(world: World, uid: str = JOB_UID) -> None:
    """Decide, deliver, note that it is delivered."""
    reconcile(world)
    deliver(world, uid)
    reconcile(world)


def told(world: World) -> list[tuple[str, int | None]]:
    return [(event.state.value, event.status_code) for _, _, event in world.telemetry.told]


def patches(world: World) -> list[str]:
    return world.api.asked("PATCH")


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"cronitor_controller_{name}_total", labels) or 0.0


def pod_of_job(
    *regular: Json,
    journal: str | None = None,
    uid: str = JOB_UID,
    phase: str = "Running",
    tells: str = "run,complete,fail",
) -> Json:
    own = container_status("cronitor", running(STARTED_AT) if journal is None else terminated(STARTED_AT, journal))
    return pod(
        metadata={
            "ownerReferences": [owned_by("Job", "backup-1", uid)],
            "annotations": {"k8s.cronitor.io/sidecar-tells": tells},
        },
        initContainers=[{"name": "cronitor", "restartPolicy": "Always"}],
        status={"phase": phase, "initContainerStatuses": [own], "containerStatuses": list(regular)},
    )


def pod_alone(*regular: Json, phase: str = "Running") -> Json:
    return pod(status={"phase": phase, "containerStatuses": list(regular)})


APP_RUNS = container_status("app", running(STARTED_AT))


def app_ended(code: int = 0, at: str = "2026-03-01T12:09:58Z") -> Json:
    end = terminated(STARTED_AT, code=code)
    end["terminated"]["finishedAt"] = at
    return container_status("app", end)


def now(seconds_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))
