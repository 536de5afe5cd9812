"""What the controller sees of a run: its Job, its pods, their journals. Times are seconds after the Job's creation."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tests.unit.webhook import objects
from tests.unit.webhook.objects import CREATED_AT, JOB_UID, NAMESPACE
from webhook import telemetry, workloads
from webhook.annotations import AlertOn
from webhook.controller.attempts import Attempt, parse
from webhook.controller.stuck import Thresholds
from webhook.controller.verdicts import Rules, Seen
from webhook.run_mark import RunMark
from webhook.telemetry import Event, State

Json = dict[str, Any]

T = CREATED_AT
ALL, VERDICT, PASSES_ON = "run,complete,fail", "complete,fail", "earlier-run,complete,fail"
MARK = RunMark("key", "shop/backup", job=JOB_UID)


def at(seconds: float) -> str:
    return datetime.fromtimestamp(T + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- the Job ---------------------------------------------------------------------------------------------------------


def a_job(**given: Any) -> Json:
    """Status by its names (`failed=1`), `deleted` in the foreground, the rest is the spec; as the cache keeps it."""
    of_status = ("failed", "succeeded", "failedIndexes", "conditions", "startTime", "active")
    status = {name: given.pop(name) for name in of_status if name in given}
    deleted = given.pop("deleted", None)
    made = objects.job(status=status, annotations=given.pop("annotations", None), **given)
    if deleted is not None:
        made["metadata"]["deletionTimestamp"] = at(deleted)
    kept = workloads.trim_job(made)
    assert kept is not None
    return kept


def ends(kind: str, reason: str = "", when: float = 600) -> list[Json]:
    """The conditions of a Job that has ended, or (`FailureTarget`, `SuccessCriteriaMet`) is ending."""
    return [{"type": kind, "status": "True", "reason": reason, "lastTransitionTime": at(when)}]


def succeeded(when: float = 600, **more: Any) -> Json:
    return a_job(**{"succeeded": 1, "conditions": ends("Complete", when=when)} | more)


def failed(reason: str = "BackoffLimitExceeded", when: float = 600, **more: Any) -> Json:
    return a_job(**{"failed": 1, "backoffLimit": 0, "conditions": ends("Failed", reason, when)} | more)


# --- containers ------------------------------------------------------------------------------------------------------


def ended(code: int = 0, end: float = 590, start: float = 5, reason: str = "", message: str = "") -> Json:
    implied = "Error" if code else "Completed"
    return {
        "terminated": {
            "exitCode": code, "reason": reason or implied, "startedAt": at(start), "finishedAt": at(end),
            "message": message,
        }
    }  # fmt: skip


def runs(since: float = 5) -> Json:
    return {"running": {"startedAt": at(since)}}


def waits(reason: str = "PodInitializing", message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def container(
    name: str = "app", state: Json | None = None, *, last: Json | None = None, restarts: int = 0, native: bool = False
) -> Json:
    status = {"name": name, "state": state or {}, "lastState": last or {}, "restartCount": restarts}
    return {"spec": {"name": name, **({"restartPolicy": "Always"} if native else {})}, "status": status}


# --- the sidecar -----------------------------------------------------------------------------------------------------


def line(event: Event, taken: int = 1) -> str:
    return json.dumps(telemetry.to_json(event) | {"a": taken})


def journal(*told: Event, pending: Sequence[Event] = (), left: str = "") -> Json:
    """Our container, ended."""
    lines = [*(line(one) for one in told), *(line(one, 0) for one in pending)]
    text = "\n".join([*lines, *([json.dumps({"left": left})] if left else [])])
    return container("cronitor", ended(0, 592, 2, message=text), native=True)


def up() -> Json:
    return container("cronitor", runs(2), native=True)


# --- the pod ---------------------------------------------------------------------------------------------------------


def a_pod(
    *regular: Json,
    sidecar: Json | None = None,
    tells: str = ALL,
    init: Sequence[Json] = (),
    name: str = "p1",
    created: float = 0,
    phase: str = "Running",
    policy: str = "Never",
    deleted: float | None = None,
    grace: int = 30,
    reason: str = "",
    conditions: Sequence[Json] = (),
) -> Json:
    """A pod as the cache keeps it."""
    metadata: Json = {"name": name, "uid": f"uid-{name}", "namespace": NAMESPACE, "creationTimestamp": at(created)}
    if deleted is not None:
        metadata |= {"deletionTimestamp": at(deleted + grace), "deletionGracePeriodSeconds": grace}
    if sidecar is not None:
        metadata["annotations"] = {"k8s.cronitor.io/sidecar-tells": tells}
    inits = [*([sidecar] if sidecar else []), *init]
    status = {
        "phase": phase,
        "conditions": list(conditions),
        "initContainerStatuses": [one["status"] for one in inits],
        "containerStatuses": [one["status"] for one in regular],
        **({"reason": reason} if reason else {}),
    }
    return workloads.trim_pod(
        objects.pod(
            metadata=metadata,
            status=status,
            restartPolicy=policy,
            nodeName="node-1",
            initContainers=[one["spec"] for one in inits],
            containers=[one["spec"] for one in regular],
        )
    )


def attempt(
    *regular: Json, gone: float | None = None, chosen: Sequence[str] = (), ignored: Sequence[str] = (), **more: Any
) -> Attempt:
    """A pod, as the controller understands it."""
    return parse(
        a_pod(*regular, **more),
        gone_at=None if gone is None else T + gone,
        chosen=frozenset(chosen),
        ignored=frozenset(ignored),
    )


def done(code: int = 0, end: float = 590, **more: Any) -> Attempt:
    """A pod of one container that has ended."""
    return attempt(container("app", ended(code, end)), phase="Failed" if code else "Succeeded", **more)


def going(**more: Any) -> Attempt:
    """A pod whose one container runs."""
    return attempt(container("app", runs()), **more)


def seen(job: Json | None = None, *attempts: Attempt, gone: float | None = None, **more: Any) -> Seen:
    return Seen(job or a_job(), attempts, None if gone is None else T + gone, **more)


# --- events ----------------------------------------------------------------------------------------------------------

RUN = Event(State.RUN, T + 5)
COMPLETE = Event(State.COMPLETE, T + 590, "attempt 1/7 · app 0", status_code=0, duration=585.0, errors=0)
FAIL = Event(State.FAIL, T + 590, "attempt 1/1 · app 3", status_code=3, duration=585.0, errors=1)
STUCK = Event(State.FAIL, T + 125, "attempt 1/7 · app ImagePullBackOff", stuck=True)


def words(event: Event) -> str:
    """`run`, `complete 0: attempt 1/7 · app 0`, `fail: Job deleted · …` (no code), `stuck: …`, `alert 3: …`."""
    code = "" if event.status_code is None else f" {event.status_code}"
    message = f": {event.message}" if event.message else ""
    kind = "stuck" if event.stuck else "alert" if event.attempt else event.state.value
    return f"{kind}{code}{message}"


# --- rows ------------------------------------------------------------------------------------------------------------

RULES = Rules(Thresholds(waiting=120, unscheduled=600))
SILENT = replace(RULES, tell_deleted=False)
STARTED = replace(MARK, start=T + 5)
RAN = replace(STARTED, run=True)
ALERTED = replace(MARK, alert_on=AlertOn.ATTEMPT)
CHOSEN = replace(RAN, containers=("app",))
DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are free"}
MANUAL = {workloads.INSTANTIATE: "manual"}
RETRIES = "the attempt failed, retries are left"


@dataclass(frozen=True, slots=True)
class Row:
    """`views` are what is seen, with the time of each in seconds after the Job's creation. `verdict` is the mark's."""

    history: str
    views: Sequence[tuple[float, Seen]]
    heard: Sequence[str] = ()
    verdict: str = ""
    mark: RunMark = MARK
    rules: Rules = RULES
    closed: bool = True


def pulls(**more: Any) -> Attempt:
    return attempt(container("app", waits("ImagePullBackOff", "Back-off")), phase="Pending", **more)


def unscheduled(since: float) -> Attempt:
    """A pod of which nothing, its sidecar included, has started."""
    waiting = {**UNSCHEDULABLE, "lastTransitionTime": at(since)}
    return attempt(container(), phase="Pending", sidecar=container("cronitor", native=True), conditions=[waiting])


def restarted(before: Json) -> Json:
    """Our container once more, after one that ended so."""
    return container("cronitor", runs(290), last=before["status"]["state"], restarts=1, native=True)


def evicted(**more: Any) -> Attempt:
    more = {"name": "p1", "phase": "Failed", "reason": "Evicted", "conditions": (DISRUPTED,), **more}
    return attempt(container("app", ended(137, 300)), **more)


def second(code: int = 0, **more: Any) -> Attempt:
    more = {"name": "p2", "created": 310, "phase": "Failed" if code else "Succeeded", **more}
    return attempt(container("app", ended(code, 590, 320)), **more)


def two(app: Json, helper: Json, **more: Any) -> Attempt:
    """A pod of which only `app` counts."""
    return attempt(container("app", app), container("helper", helper), chosen=("app",), **more)
