"""From the kubelet's status write to Cronitor: a watch of our own sees the write when the sidecar's does."""

from collections.abc import Iterable
from typing import Any

from tests.bench import client, runs
from tests.bench.client import Seen
from tests.bench.figures import median, percentile, spread
from tests.bench.ground import Ground
from tests.bench.results import Goal, Row, row

P50_MILLISECONDS = Goal(50)
P99_MILLISECONDS = Goal(500)
APART_SECONDS = 1.2
Moments = dict[tuple[str, str], float]
"""When, by series and state."""


def measure(ground: Ground, *, quick: bool) -> list[Row]:
    count = 5 if quick else 60
    namespace = ground.namespace("delay", injected=True)
    with client.watching(f"/api/v1/namespaces/{namespace}/pods") as watch:
        runs.told(ground, namespace, count, APART_SECONDS)
        written = status_writes(watch.events())
    accepted = acceptances(ground.cronitor.requests(surface="telemetry"))
    ground.clear()
    delays = {key: (accepted[key] - moment) * 1000 for key, moment in written.items() if key in accepted}
    every = list(delays.values())
    start = [delay for (_, state), delay in delays.items() if state == "run"]
    end = [delay for (_, state), delay in delays.items() if state == "complete"]
    return [
        row("status-to-accepted-p50", median(every), "ms", P50_MILLISECONDS, len(every), spread(every)),
        row("status-to-accepted-p99", percentile(every, 99), "ms", P99_MILLISECONDS, len(every), spread(every)),
        row("status-to-accepted-run-p50", median(start), "ms", None, len(start), spread(start)),
        row("status-to-accepted-complete-p50", median(end), "ms", None, len(end), spread(end)),
    ]


def status_writes(events: Iterable[Seen]) -> Moments:
    """When the first status arrived that shows a pod's container started (`run`), and ended (`complete`)."""
    found: Moments = {}
    for event in events:
        pod: dict[str, Any] = event.object
        series = pod["metadata"].get("labels", {}).get("batch.kubernetes.io/controller-uid", "")
        states = [status["state"] for status in pod["status"].get("containerStatuses", ())]
        if any("running" in state or "terminated" in state for state in states):
            found.setdefault((series, "run"), event.at)
        if states and all("terminated" in state for state in states):
            found.setdefault((series, "complete"), event.at)
    return found


def acceptances(requests: Iterable[dict[str, Any]]) -> Moments:
    """When the stand-in took each event first."""
    found: Moments = {}
    for request in requests:
        if request["delivered"]:
            found.setdefault((request["series"], request["state"]), request["arrived"])
    return found
