"""How much longer a Job takes with our sidecar: than with one that does nothing, and than with none."""

import random
from collections import defaultdict
from typing import Any

from tests.bench import client, runs
from tests.bench.client import Seen
from tests.bench.figures import added, median, spread
from tests.bench.ground import Ground
from tests.bench.results import Goal, Row, row
from tests.e2e.world import eventually, outcome

ADDED_SECONDS = Goal(0.3)
ADDED_P95_SECONDS = Goal(1.0)
# No multiple of the kubelet's second, so that the Jobs end at all points of its round.
APART_SECONDS = 1.63
LONGEST_SECONDS = 180.0


def measure(ground: Ground, *, quick: bool) -> list[Row]:
    count = 4 if quick else 40
    cron_jobs = {
        "none": runs.made(ground, ground.namespace("none")),
        "trivial": runs.made(ground, ground.namespace("trivial"), trivial=True),
        "ours": runs.made(ground, ground.namespace("ours", injected=True)),
    }
    order = [kind for _ in range(count) for kind in random.sample(list(cron_jobs), 3)]
    with client.watching("/apis/batch/v1/jobs") as watch:
        jobs = runs.start_apart(ground, [cron_jobs[kind] for kind in order], APART_SECONDS)
        kinds = {job["metadata"]["uid"]: kind for job, kind in zip(jobs, order, strict=True)}

        def all_done() -> dict[str, float] | None:
            found = _durations(watch.events())
            return found if kinds.keys() <= found.keys() else None

        taken = eventually(all_done, "the end of the Jobs", LONGEST_SECONDS, pause=0.5)
    ground.clear()
    by_kind: dict[str, list[float]] = defaultdict(list)
    for uid, kind in kinds.items():
        by_kind[kind].append(taken[uid])
    none, trivial, ours = (by_kind[kind] for kind in ("none", "trivial", "ours"))
    return [
        row("job-duration-added", added(ours, trivial), "s", ADDED_SECONDS, count, f"{spread(ours)} in all"),
        row("job-duration-added-p95", added(ours, trivial, 95), "s", ADDED_P95_SECONDS, count),
        row("job-duration-added-to-none", added(ours, none), "s", None, count),
        row("job-duration-trivial-added", added(trivial, none), "s", None, count, f"{spread(trivial)} in all"),
        row("job-duration-none", median(none), "s", None, count, spread(none)),
    ]


def _durations(events: list[Seen]) -> dict[str, float]:
    """Seconds from a Job's creation to its condition `Complete`, as the API server told of both, by UID."""
    created: dict[str, float] = {}
    found: dict[str, float] = {}
    for event in events:
        job: dict[str, Any] = event.object
        uid = job["metadata"]["uid"]
        created.setdefault(uid, event.at)
        if outcome(job) == "Complete":
            found.setdefault(uid, event.at - created[uid])
    return found
