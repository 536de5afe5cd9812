"""2,000 Job pods from 32 clients at once, one replica of admission: none may go without, and how fast it goes."""

from collections import defaultdict

from tests.bench import client, empty, gated
from tests.bench.figures import median, short
from tests.bench.ground import Ground
from tests.bench.results import Goal, Row, row
from tests.e2e.world import eventually, is_injected
from tests.installation import RELEASE

MISSED = Goal(0)
RATE_RATIO = Goal(0.7, at_least=True)
CLIENTS = 32
JOBS = 200
ADMISSION = f"{RELEASE}-admission"


def measure(ground: Ground, *, quick: bool) -> list[Row]:
    pods, rounds = (500, 1) if quick else (2000, 2)
    ground.world.scale(ADMISSION, 1)
    empty.deploy(ground, replicas=1)
    try:
        ground.settle()
        rates, missed = _rates(ground, pods, rounds)
    finally:
        empty.remove(ground.world)
        ground.clear()
        ground.world.scale(ADMISSION, 2)
    ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates["empty"], strict=True)]
    made = pods * rounds
    return [
        row("burst-missed", missed, "pods", MISSED, made),
        row("burst-rate-ratio", median(ratios), "×", RATE_RATIO, made, _range(ratios)),
        row("burst-rate", median(rates["ours"]), "pods/s", None, made, _range(rates["ours"])),
        row("burst-rate-empty-webhook", median(rates["empty"]), "pods/s", None, made, _range(rates["empty"])),
        row("burst-rate-no-webhook", median(rates["none"]), "pods/s", None, pods),
    ]


def _rates(ground: Ground, pods: int, rounds: int) -> tuple[dict[str, list[float]], int]:
    """Pods a second in each round, by what was called for them; and how many should have the sidecar and have not."""
    namespaces = {
        "none": ground.namespace("none"),
        "empty": ground.namespace("empty", labels=empty.LABEL),
        "ours": ground.namespace("ours", injected=True),
    }
    jobs = {
        kind: gated.owners(ground, namespace, JOBS, marked=kind == "ours") for kind, namespace in namespaces.items()
    }
    rates: dict[str, list[float]] = defaultdict(list)
    missed = 0
    kinds = list(namespaces)
    for turn in range(rounds):
        for kind in kinds if turn == 0 else reversed(kinds[1:]):  # without any webhook once, to know the client's limit
            namespace = namespaces[kind]
            (made,) = client.create([gated.block(kind, namespace, jobs[kind], pods, 0)], CLIENTS)
            gated.demand_made(made.failed, made.error)
            rates[kind].append(pods / made.seconds)
            if kind == "ours":
                missed += _missed(ground, namespace, pods)
            gated.delete_pods(ground, namespace)
    return rates, missed


def _missed(ground: Ground, namespace: str, pods: int) -> int:
    """How many of the namespace's pods have no sidecar."""
    found = eventually(lambda: ground.world.all("Pod", namespace), f"the pods of {namespace}")
    assert len(found) == pods, f"{len(found)} pods of {pods}"
    return sum(not is_injected(pod) for pod in found)


def _range(values: list[float]) -> str:
    """Least to most: there are too few for percentiles."""
    return f"{short(min(values))}–{short(max(values))} (least–most)" if len(values) > 1 else ""
