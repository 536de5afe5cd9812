"""What our accounts may do, by the API server's own word: what they need, and nothing that could hurt."""

import pytest

from tests.e2e.world import World
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
