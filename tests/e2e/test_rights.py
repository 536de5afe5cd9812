"""What our accounts may do, by the API server's own word: what they need, and nothing that could hurt."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import cluster
from tests.e2e.world import World, container
from tests.installation import NAMESPACE

ADMISSION = f"system:serviceaccount:{NAMESPACE}:cronitor-k8s-admission"
CONTROLLER = f"system:serviceaccount:{NAMESPACE}:cronitor-k8s-controller"
RIGHTS = [
    (ADMISSION, "list", "batch", "jobs", "", "", True),
    (ADMISSION, "get", "", "secrets", NAMESPACE, "cronitor-k8s-tls", True),
    (ADMISSION, "get", "", "secrets", NAMESPACE, "cronitor-k8s-credentials", False),
    (ADMISSION, "list", "", "secrets", "", "", False),
    (ADMISSION, "patch", "batch", "jobs", "default", "", False),
    (ADMISSION, "patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "", "somebody-elses", False),
    (CONTROLLER, "patch", "batch", "jobs", "default", "", True),
    (CONTROLLER, "delete", "batch", "jobs", "default", "", False),
    (CONTROLLER, "get", "", "secrets", "default", "cronitor-sidecar", True),
    (CONTROLLER, "get", "", "secrets", "default", "somebody-elses", False),
    (CONTROLLER, "list", "", "secrets", "", "", False),
    (CONTROLLER, "patch", "", "namespaces", "", "default", False),
    (CONTROLLER, "update", "", "namespaces", "", "default", False),
    (CONTROLLER, "create", "", "pods", "default", "", False),
    (CONTROLLER, "delete", "", "pods", "default", "", False),
    (CONTROLLER, "patch", "", "pods", "default", "", True),
    (CONTROLLER, "bind", "rbac.authorization.k8s.io", "clusterroles", "", "cluster-admin", False),
]


@pytest.mark.parametrize(("account", "verb", "group", "resource", "namespace", "name", "allowed"), RIGHTS)
def test_an_account_may_what_it_needs_and_no_more(
    account: str, verb: str, group: str, resource: str, namespace: str, name: str, allowed: bool, world: World
) -> None:
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": account, "resourceAttributes": attributes},
    }
    answer = world.kube.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert answer["status"]["allowed"] is allowed


FREE = "registry.k8s.io/pause:3.10"
PATCHES: list[tuple[str, dict[str, Any], bool]] = [
    ("our container's image", {"spec": {"initContainers": [{"name": "cronitor", "image": FREE}]}}, True),
    ("our annotation", {"metadata": {"annotations": {"k8s.cronitor.io/sidecar-tells": "none"}}}, True),
    ("our container, any image", {"spec": {"initContainers": [{"name": "cronitor", "image": "other"}]}}, False),
    ("somebody's init container", {"spec": {"initContainers": [{"name": "setup", "image": FREE}]}}, False),
    ("somebody's container", {"spec": {"containers": [{"name": "app", "image": FREE}]}}, False),
    ("a deadline", {"spec": {"activeDeadlineSeconds": 1}}, False),
    ("a label", {"metadata": {"labels": {"app": "other"}}}, False),
]


@pytest.fixture(scope="module")
def pod(world: World, make_namespace: Callable[..., str]) -> tuple[str, str]:
    """A pod that is never scheduled, by namespace and name."""
    namespace = make_namespace("e2e-rights", injected=False)
    spec = {
        "schedulingGates": [{"name": "cronitor/test"}],
        "containers": [container()],
        "initContainers": [container("cronitor"), container("setup")],
    }
    world.create({"kind": "Pod", "metadata": {"name": "gated", "labels": {"app": "mine"}}, "spec": spec}, namespace)
    return namespace, "gated"


@pytest.mark.parametrize(("what", "patch", "allowed"), PATCHES, ids=[what for what, _, _ in PATCHES])
def test_the_right_to_patch_pods_reaches_no_further_than_it_must(
    what: str, patch: dict[str, Any], allowed: bool, pod: tuple[str, str]
) -> None:
    namespace, name = pod
    command = ["kubectl", "patch", "pod", "--namespace", namespace, name, "--dry-run=server", "--as", CONTROLLER]
    done = cluster.run([*command, "--type", "strategic", "--patch", json.dumps(patch)], check=False)
    assert (done.returncode == 0) is allowed, done.stderr
    assert allowed or "cronitor-k8s-controller" in done.stderr, "refused by our policy"
