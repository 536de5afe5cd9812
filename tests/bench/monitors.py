"""Monitors by the thousand: until Cronitor has them all, and the memory of our processes with so many CronJobs.

API objects only: their schedule is far away. Memory is that of `idle`, which stands beside it.
"""

import json
import time

from tests.bench import client, idle
from tests.bench.client import Block
from tests.bench.figures import spread
from tests.bench.gated import demand_made
from tests.bench.ground import Ground
from tests.bench.results import Goal, Row, row
from tests.e2e.world import INJECTION, cron_job, eventually

NAMESPACES = 20
CLIENTS = 16
EDITS = 5
COUNTS = (1_000, 10_000)
QUICK_COUNTS = (100, 200)
ALL_SECONDS = 600.0
SETTLE_SECONDS = 5.0


def measure(ground: Ground, *, quick: bool) -> list[Row]:
    names = [ground.namespace(f"monitors-{number}") for number in range(NAMESPACES)]
    rows: list[Row] = []
    there = 0
    for count in QUICK_COUNTS if quick else COUNTS:
        before = _puts(ground)
        _create(names, count - there, first=there)
        began = time.monotonic()
        if not there:  # they are there before anybody looks after them, as on the day of the installation
            for name in names:
                ground.world.patch("Namespace", "", name, {"metadata": {"labels": INJECTION}})
        eventually(lambda count=count: len(ground.cronitor.monitors()) >= count, f"{count} monitors", ALL_SECONDS, 0.2)  # type: ignore[misc]
        if not there:
            puts = _puts(ground) - before
            rows += [
                row("monitors-all-there", time.monotonic() - began, "s", Goal(30), count),
                row("monitors-puts", puts, "", Goal(15), count),
            ]
            took = [_one_changed(ground, name, "bench-0") for name in names[:EDITS]]
            rows.append(row("monitors-one-changed", max(took), "s", Goal(2), len(took), spread(took)))
        there = count
        time.sleep(SETTLE_SECONDS)  # records and Events follow; what is measured is rest, not the work
        rows += [_named(one, count) for one in idle.measure(ground, quick=quick)]
    return rows


def _create(names: list[str], count: int, *, first: int) -> None:
    body = {"apiVersion": "batch/v1", **cron_job("bench-%NUMBER%")}
    each = count // len(names)
    blocks = [
        Block(name, f"/apis/batch/v1/namespaces/{name}/cronjobs", json.dumps(body), each, first // len(names))
        for name in names
    ]
    for made in client.create(blocks, clients=CLIENTS):
        demand_made(made.failed, made.error)


def _puts(ground: Ground) -> int:
    return sum(one["method"] == "PUT" for one in ground.cronitor.requests(surface="monitors"))


def _one_changed(ground: Ground, namespace: str, name: str) -> float:
    """Seconds from the edit of one CronJob until Cronitor has it."""
    schedule = "7 7 7 7 *"
    began = time.monotonic()
    ground.world.patch("CronJob", namespace, name, {"spec": {"schedule": schedule}})

    def there() -> bool:
        return any(one["schedule"] == schedule for one in ground.cronitor.monitors())

    eventually(there, f"the new schedule of {name}", ALL_SECONDS, 0.05)
    took = time.monotonic() - began
    ground.world.patch("CronJob", namespace, name, {"spec": {"schedule": "0 0 1 1 *"}})
    eventually(lambda: not there(), f"the old schedule of {name}", ALL_SECONDS)
    return took


def _named(one: Row, count: int) -> Row:
    return row(one.name.replace("idle", f"{count}-cronjobs"), one.value, one.unit, None, one.samples)
