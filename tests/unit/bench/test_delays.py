"""What is read from a watch and from the stand-in's record."""

from typing import Any

from tests.bench.client import Seen
from tests.bench.delays import acceptances, status_writes


def seen(at: float, *states: str) -> Seen:
    """An event of a pod whose containers have these states."""
    statuses: list[dict[str, Any]] = [{"state": {state: {}}} for state in states]
    pod = {
        "metadata": {"labels": {"batch.kubernetes.io/controller-uid": "job"}},
        "status": {"containerStatuses": statuses} if states else {},
    }
    return Seen(at, "MODIFIED", pod)


def test_a_write_counts_when_it_first_shows_what_is_told() -> None:
    events = [
        seen(1.0),
        seen(2.0, "waiting", "waiting"),
        seen(3.0, "running", "waiting"),
        seen(4.0, "running", "running"),
        seen(5.0, "terminated", "running"),
        seen(6.0, "terminated", "terminated"),
        seen(7.0, "terminated", "terminated"),
    ]
    assert status_writes(events) == {("job", "run"): 3.0, ("job", "complete"): 6.0}


def test_a_container_that_is_first_seen_ended_has_started_then() -> None:
    assert status_writes([seen(2.0, "terminated")]) == {("job", "run"): 2.0, ("job", "complete"): 2.0}


def request(arrived: float, *, delivered: bool = True) -> dict[str, Any]:
    return {"series": "job", "state": "run", "arrived": arrived, "delivered": delivered}


def test_an_event_counts_when_it_is_first_taken() -> None:
    requests = [request(1.0, delivered=False), request(2.0), request(3.0)]
    assert acceptances(requests) == {("job", "run"): 2.0}
