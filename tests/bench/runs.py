"""Whole runs: Jobs of a second each, started one after another, and what was heard of them."""

import time
from collections.abc import Sequence
from typing import Any

from tests.bench.ground import Ground
from tests.e2e.world import INCLUDE, Json, container, cron_job, eventually

LONGEST_SECONDS = 180.0
# A native sidecar that does nothing, and goes as soon as it is told to: what any sidecar costs.
TRIVIAL = container("trivial", "trap 'exit 0' TERM; sleep 99999 & wait", restartPolicy="Always")


def made(ground: Ground, namespace: str, *, trivial: bool = False) -> Json:
    """An included CronJob whose Jobs take a second; with the trivial sidecar where that is asked for."""
    pod: dict[str, Any] = {"initContainers": [TRIVIAL]} if trivial else {}
    return ground.world.create(cron_job("run", container(script="sleep 1"), annotations=INCLUDE, **pod), namespace)


def start_apart(ground: Ground, cron_jobs: Sequence[Json], seconds: float) -> list[Json]:
    """One Job of each, so many seconds apart."""
    jobs = []
    begun = time.monotonic()
    for number, one in enumerate(cron_jobs):
        time.sleep(max(0.0, begun + number * seconds - time.monotonic()))
        jobs.append(ground.world.run_now(one, f"run-{number}"))
    return jobs


def told(ground: Ground, namespace: str, count: int, seconds: float) -> list[Json]:
    """So many Jobs, once each has been told as complete."""
    jobs = start_apart(ground, [made(ground, namespace)] * count, seconds)
    wanted = {job["metadata"]["uid"] for job in jobs}

    def all_told() -> bool:
        heard = {event["series"] for event in ground.cronitor.requests(state="complete") if event["delivered"]}
        return wanted <= heard

    eventually(all_told, f"{count} runs told as complete", LONGEST_SECONDS, pause=0.5)
    return jobs
