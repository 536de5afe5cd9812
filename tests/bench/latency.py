"""What admission adds to a pod's CREATE: without any webhook, with an empty Go webhook, with ours, in turns."""

from collections import defaultdict

from tests.bench import client, empty, gated
from tests.bench.figures import added, percentile, ratio_added, slices, spread
from tests.bench.ground import Ground
from tests.bench.results import Goal, Row, row
from tests.e2e.world import Json, eventually, is_injected

RATIO = Goal(3.5)
P99_MILLISECONDS = Goal(10)
PER_BLOCK = 10
JOBS = 50
PARTS = 10


def measure(ground: Ground, *, quick: bool) -> list[Row]:
    rounds = 20 if quick else 150
    empty.deploy(ground, replicas=2)
    try:
        taken = _taken(ground, rounds)
    finally:
        empty.remove(ground.world)
        ground.clear()
    none, other, ours = taken["none"], taken["empty"], taken["ours"]
    parts = [
        ratio_added(mine, theirs, neither)
        for mine, theirs, neither in zip(*(slices(one, PARTS) for one in (ours, other, none)), strict=True)
        if added(theirs, neither) > 0
    ]
    tail = [percentile(part, 99) for part in slices(ours, PARTS)]
    count = len(ours)
    return [
        row("admission-latency-ratio", ratio_added(ours, other, none), "×", RATIO, count, spread(parts)),
        row(
            "admission-latency-p99-added", added(ours, none, 99), "ms", P99_MILLISECONDS, count,
            f"{spread(tail)} in all",
        ),
        row("admission-latency-added", added(ours, none), "ms", None, count, f"{spread(ours)} in all"),
        row("empty-webhook-latency-added", added(other, none), "ms", None, count, f"{spread(other)} in all"),
        row("no-webhook-latency", percentile(none, 50), "ms", None, count, spread(none)),
    ]  # fmt: skip


def _taken(ground: Ground, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each CREATE, by what was called for it."""
    namespaces = {
        "none": ground.namespace("none"),
        "empty": ground.namespace("empty", labels=empty.LABEL),
        "ours": ground.namespace("ours", injected=True),
    }
    jobs = {
        kind: gated.owners(ground, namespace, JOBS, marked=kind == "ours") for kind, namespace in namespaces.items()
    }
    kinds = list(namespaces)
    blocks = []
    for turn in range(-2, rounds):  # the first two, before the count begins, open connections and fill caches
        for kind in kinds[turn % 3 :] + kinds[: turn % 3]:
            name = kind if turn >= 0 else "warm-up"
            first = (turn + 2) * PER_BLOCK
            blocks.append(gated.block(name, namespaces[kind], jobs[kind], PER_BLOCK, first))
    eventually(lambda: _is_injected(ground, namespaces["ours"], jobs["ours"]), "the first injected pod")
    taken: dict[str, list[float]] = defaultdict(list)
    for made in client.create(blocks):
        gated.demand_made(made.failed, made.error)
        taken[made.name] += made.milliseconds
    return taken


def _is_injected(ground: Ground, namespace: str, jobs: list[tuple[str, str]]) -> bool:
    """Make one pod and look at it."""
    name, uid = jobs[0]
    job: Json = {"metadata": {"name": name, "namespace": namespace, "uid": uid}}
    pod = ground.world.gated_pod(job, "first")
    ground.world.delete("Pod", namespace, "first")
    return is_injected(pod)
