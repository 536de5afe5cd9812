"""What a sidecar costs: the memory and CPU of a whole run, its requests to the API server, its image."""

import contextlib
import re

from tests import cluster, images
from tests.bench import runs
from tests.bench.accounting import Sampler
from tests.bench.figures import median, spread
from tests.bench.ground import Ground
from tests.bench.results import Goal, Row, row
from tests.e2e.world import Json, World, eventually
from tests.images.recipes import SIDECAR
from webhook.errors import NotFound

PRIVATE_MIB = Goal(14)
RESIDENT_MIB = Goal(26)
CPU_SECONDS = Goal(0.25)
API_REQUESTS = Goal(1)
IMAGE_MB = Goal(10)
APART_SECONDS = 1.5
FLOW_SCHEMAS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
FLOW_SCHEMA = "bench-sidecar"


def measure(ground: Ground, *, quick: bool) -> list[Row]:
    count = 4 if quick else 20
    namespace = ground.namespace("sidecar", injected=True)
    before = _count_requests_of(ground.world, namespace)
    try:
        with Sampler(lambda command: command[-3:] == ["-m", "sidecar", ""]) as sampler:
            runs.told(ground, namespace, count, APART_SECONDS)
            eventually(lambda: len(sampler.lives()) >= count, "the end of the sidecars")
            lives = sampler.lives()
        requests = _requests() - before
    finally:
        ground.world.kube.delete(f"{FLOW_SCHEMAS}/{FLOW_SCHEMA}")
        ground.clear()
    private, resident, cpu = ([getattr(life, name) for life in lives] for name in ("private", "resident", "cpu"))
    size = next(image.compressed for image in images.build() if image.tag == SIDECAR.tag) / 1e6
    return [
        row("sidecar-private-memory", max(private), "MiB", PRIVATE_MIB, count, spread(private)),
        row("sidecar-rss", max(resident), "MiB", RESIDENT_MIB, count, spread(resident)),
        row("sidecar-cpu", median(cpu), "s", CPU_SECONDS, count, spread(cpu)),
        row("sidecar-api-requests", requests / count, "per run", API_REQUESTS, count),
        row("sidecar-image", size, "MB", IMAGE_MB, 1),
    ]


def _count_requests_of(world: World, namespace: str) -> float:
    """Have the API server count this namespace's sidecars' requests on their own: flow control tells users apart."""
    account = {"name": "cronitor-sidecar", "namespace": namespace}
    rules = {
        "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }
    schema: Json = {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": FLOW_SCHEMA},
        "spec": {
            "priorityLevelConfiguration": {"name": "workload-low"},
            "matchingPrecedence": 150,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [rules],
        },
    }
    with contextlib.suppress(NotFound):  # of a bench that was killed
        world.kube.delete(f"{FLOW_SCHEMAS}/{FLOW_SCHEMA}")
    world.kube.create(FLOW_SCHEMAS, schema)
    return _requests()


def _requests() -> float:
    """All requests so far that were let through by that schema."""
    text = cluster.run(["kubectl", "get", "--raw", "/metrics"]).stdout
    found = re.findall(
        rf'^apiserver_flowcontrol_dispatched_requests_total{{[^}}]*flow_schema="{FLOW_SCHEMA}"[^}}]*}} (\S+)$',
        text,
        re.MULTILINE,
    )
    return sum(map(float, found))
