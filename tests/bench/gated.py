"""Gated pods by the thousand: real ones, stored and never scheduled, whose CREATE is all that happens to them."""

import json
from collections.abc import Sequence

from tests.bench.client import Block
from tests.bench.ground import Ground
from tests.cluster import ClusterError
from tests.e2e.world import Json, container, cron_job, eventually
from webhook.errors import KubeError

DELETED_SECONDS = 300.0


def owners(ground: Ground, namespace: str, number: int, *, marked: bool) -> list[tuple[str, str]]:
    """Names and UIDs of so many Jobs of one included CronJob. They are suspended: only the bench makes pods of them.

    With `marked`, returns when the controller has opened each one's run, and so has nothing to do with them any more.
    """
    made = ground.world.create(cron_job("bench", job={"suspend": True}), namespace)
    jobs = [ground.world.run_now(made, f"bench-{count}") for count in range(number)]

    def all_marked() -> bool:
        found = ground.world.all("Job", namespace)
        return all("k8s.cronitor.io/run" in job["metadata"].get("annotations", {}) for job in found)

    if marked:
        eventually(all_marked, f"the marks of the Jobs in {namespace}")
    return [(job["metadata"]["name"], job["metadata"]["uid"]) for job in jobs]


def block(name: str, namespace: str, jobs: Sequence[tuple[str, str]], count: int, first: int) -> Block:
    """So many pods, as the Job controller would make them, but for the gate and that it does not know of them."""
    return Block(name, f"/api/v1/namespaces/{namespace}/pods", json.dumps(_pod()), count, first, jobs)


def delete_pods(ground: Ground, namespace: str) -> None:
    """Delete all pods of the namespace and wait until they have gone."""
    path = f"/api/v1/namespaces/{namespace}/pods"

    def gone() -> bool:
        try:
            ground.world.kube.delete(path, {"gracePeriodSeconds": 0})
        except KubeError:
            return False  # it goes on by itself, though the answer was too late
        return not ground.world.kube.get(path, {"limit": "1"})["items"]

    eventually(gone, f"the end of the pods in {namespace}", DELETED_SECONDS)


def demand_made(failed: int, error: str) -> None:
    """A figure of requests that failed is none."""
    if failed:
        raise ClusterError(f"{failed} pods could not be made: {error}")


def _pod() -> Json:
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "%OWNER%", "uid": "%OWNER_UID%"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "%OWNER%-%NUMBER%",
            "ownerReferences": [owner],
            "labels": {"app": "bench"},
        },
        "spec": {
            "containers": [container()],
            "restartPolicy": "Never",
            "schedulingGates": [{"name": "cronitor-k8s.test/bench"}],
        },
    }
