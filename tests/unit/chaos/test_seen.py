"""What is read from the API's objects and from the stand-in's recording."""

from typing import Any

from tests.chaos.seen import events, job_seen, pod_seen
from tests.cronitor.events import Event as Told
from tests.cronitor.events import Kind, Violation
from tests.cronitor.faults import Surface
from tests.cronitor.recording import Recorded
from tests.unit.chaos.seeing import job
from webhook import run_mark, telemetry
from webhook.run_mark import RunMark

NOON = "2026-01-01T12:00:00Z"
CRONITOR = {"name": "cronitor", "image": "x"}


def raw_pod(*statuses: dict[str, Any], inits: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "metadata": {"name": "a", "uid": "u", "creationTimestamp": NOON},
        "spec": {"initContainers": [CRONITOR]},
        "status": {"containerStatuses": list(statuses), "initContainerStatuses": list(inits)},
    }


def test_a_pod_is_seen_with_its_start_and_the_ends_of_our_container() -> None:
    ours = {
        "name": "cronitor",
        "restartCount": 1,
        "state": {"running": {"startedAt": NOON}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "Error", "startedAt": "2026-01-01T11:00:00Z"}},
    }
    app = {"name": "app", "state": {"running": {"startedAt": "2026-01-01T12:00:02Z"}}}
    seen = pod_seen(raw_pod(app, inits=(ours,)))
    assert (seen.injected, seen.started, seen.sidecar_ends) == (True, seen.created + 2, {0: "137 Error"})
    ended = {"name": "cronitor", "restartCount": 1, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    later = seen.merged(pod_seen(raw_pod(inits=(ended,))))
    assert (later.started, later.sidecar_ends) == (seen.started, {0: "137 Error", 1: "0 Completed"})


def test_a_job_is_seen_with_its_end_and_whether_its_mark_is_closed() -> None:
    known = job(outcome="", ended=None, closed=False)
    conditions = [
        {"type": "FailureTarget", "status": "True", "reason": "x"},
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": NOON},
    ]
    mark = RunMark("key", "name", verdict="fail")
    seen = job_seen(known, {"metadata": marked(mark), "status": {"conditions": conditions}})
    assert (seen.outcome, seen.reason, seen.closed) == ("Failed", "BackoffLimitExceeded", True)
    assert seen.ended is not None
    goes_on = job_seen(known, {"metadata": {}, "status": {}})
    assert (goes_on.outcome, goes_on.ended, goes_on.closed) == ("", None, False)


def test_a_mark_that_owes_something_is_open() -> None:
    owing = RunMark("key", "name").owing(telemetry.Event(telemetry.State.FAIL, 1.0))
    assert not job_seen(job(closed=False), {"metadata": marked(owing), "status": {}}).closed
    taken = owing.delivered(frozenset(owing.owed))
    assert job_seen(job(closed=False), {"metadata": marked(taken), "status": {}}).closed


def marked(mark: RunMark) -> dict[str, Any]:
    return {"annotations": {run_mark.ANNOTATION: run_mark.write(mark)}}


def record(number: int, **more: Any) -> Recorded:
    known: dict[str, Any] = {
        "arrived": 5.0, "surface": Surface.TELEMETRY, "scheme": "https", "method": "GET", "path": "/p/x",
        "source": "10.0.0.1", "key_kind": "telemetry", "headers": {"User-Agent": "cronitor-k8s-sidecar"},
        "parameters": (), "status": 200, "delivered": True, "event": Told("m", "run", "series-1"),
    }  # fmt: skip
    return Recorded(number=number, **{**known, **more})


def test_only_what_cronitor_took_was_heard() -> None:
    found = events(
        [
            record(1),
            record(2, delivered=False),
            record(3, event=None, surface=Surface.MONITORS),
            record(
                4,
                headers={"User-Agent": "cronitor-k8s"},
                repeat_of=1,
                violations=(Violation(Kind.DUPLICATE, "came before"),),
            ),
        ]
    )
    assert [(event.number, event.sender, event.repeat_of) for event in found] == [
        (1, "sidecar", None),
        (4, "controller", 1),
    ]
    assert found[1].violations == ("duplicate: came before",)
