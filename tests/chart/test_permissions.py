"""Every right that an installation hands out, as one table: a change of a role is a change here."""

import pytest

from tests.chart.helm import Manifest, of_kind, only, render
from webhook.controller.monitor_records import SHARDS

READ = {"get", "list", "watch"}
WRITE = {"get", "list", "watch", "patch", "update", "delete"}
STATE = "cronitor-k8s-state"
OWNER = "cronitor-k8s-sidecar"

# (kind, role) → (API group, resource, the one name it holds for) → verbs
GRANTED: dict[tuple[str, str], dict[tuple[str, str, str], set[str]]] = {
    ("ClusterRole", "cronitor-k8s-admission"): {
        ("batch", "jobs", ""): READ,
        ("batch", "cronjobs", ""): READ,
        ("", "limitranges", ""): READ,
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "cronitor-k8s"): READ | {"patch"},
        ("rbac.authorization.k8s.io", "clusterroles", OWNER): {"get"},
    },
    ("Role", "cronitor-k8s-admission"): {
        ("", "configmaps", STATE): READ,
        ("", "secrets", ""): {"create"},
        ("", "secrets", "cronitor-k8s-tls"): READ | {"update", "patch"},
    },
    ("ClusterRole", "cronitor-k8s-controller"): {
        ("", "namespaces", ""): READ,
        ("", "pods", ""): READ | {"patch"},
        ("batch", "cronjobs", ""): READ,
        ("batch", "jobs", ""): READ | {"patch"},
        ("", "events", ""): {"create", "patch", "list", "watch"},
        ("", "serviceaccounts", ""): {"create"},
        ("", "serviceaccounts", "cronitor-sidecar"): WRITE,
        ("", "secrets", ""): {"create"},
        ("", "secrets", "cronitor-sidecar"): WRITE,
        ("", "serviceaccounts/token", "cronitor-sidecar"): {"create"},
        ("rbac.authorization.k8s.io", "rolebindings", ""): {"create"},
        ("rbac.authorization.k8s.io", "rolebindings", "cronitor-sidecar"): WRITE,
        ("rbac.authorization.k8s.io", "clusterroles", OWNER): {"get", "bind"},
    },
    ("Role", "cronitor-k8s-controller"): {
        ("", "configmaps", ""): {"create"},
        ("", "configmaps", STATE): READ | {"patch", "update"},
        **{("", "configmaps", f"cronitor-k8s-monitors-{shard:x}"): {"get", "patch"} for shard in range(SHARDS)},
        ("coordination.k8s.io", "leases", ""): {"create"},
        ("coordination.k8s.io", "leases", "cronitor-k8s-controller"): {"get", "update", "patch"},
    },
    ("ClusterRole", OWNER): {("", "pods", ""): READ},
}


def test_the_chart_grants_exactly_these_rights() -> None:
    manifests = render()
    roles = of_kind(manifests, "Role") + of_kind(manifests, "ClusterRole")
    assert {(role["kind"], role["metadata"]["name"]): rights(role) for role in roles} == GRANTED


@pytest.mark.parametrize(
    ("breaker", "pods", "events"),
    [
        ({"freeStuckPods": False}, READ, {"create", "patch", "list", "watch"}),
        ({"enabled": False}, READ, {"create", "patch"}),
    ],
    ids=["pods are not freed", "no breaker"],
)
def test_what_the_breaker_does_not_do_it_has_no_right_to(
    breaker: dict[str, bool], pods: set[str], events: set[str]
) -> None:
    found = rights(only(render({"breaker": breaker}), "ClusterRole", "cronitor-k8s-controller"))
    assert found["", "pods", ""] == pods
    assert found["", "events", ""] == events


def test_admission_and_controller_have_their_own_roles_and_the_sidecars_role_is_bound_by_the_controller() -> None:
    manifests = render()
    bindings = of_kind(manifests, "RoleBinding") + of_kind(manifests, "ClusterRoleBinding")
    bound = {
        (binding["roleRef"]["kind"], binding["roleRef"]["name"]): [s["name"] for s in binding["subjects"]]
        for binding in bindings
    }
    assert bound == {(kind, name): [name] for kind, name in GRANTED if name != OWNER}


def test_a_service_account_s_token_is_mounted_only_where_the_pod_asks_for_it() -> None:
    manifests = render({"serviceAccount": {"annotations": {"a": "b"}}})
    for account in of_kind(manifests, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
        assert account["metadata"]["annotations"] == {"a": "b"}
    for deployment in of_kind(manifests, "Deployment"):
        assert deployment["spec"]["template"]["spec"]["automountServiceAccountToken"] is True


def test_cluster_roles_of_two_releases_have_different_names() -> None:
    first, second = (
        {role["metadata"]["name"] for role in of_kind(render(release=release), "ClusterRole")}
        for release in ("cronitor-k8s", "another")
    )
    assert not first & second


def test_the_owner_of_what_our_processes_create_is_cluster_scoped() -> None:
    assert "namespace" not in only(render(), "ClusterRole", OWNER)["metadata"]


def rights(role: Manifest) -> dict[tuple[str, str, str], set[str]]:
    found: dict[tuple[str, str, str], set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    found.setdefault((group, resource, name), set()).update(rule["verbs"])
    return found
