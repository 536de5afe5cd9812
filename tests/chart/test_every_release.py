"""What holds of a release whatever its values are."""

import json
from typing import Any

from tests.chart.helm import API_KEY, TELEMETRY_KEY, Manifest, fullname_of, of_kind, only, settings
from tests.chart.value_sets import ValueSet

CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration"}
ALLOWED_VOLUMES = {"configMap", "emptyDir", "projected", "secret"}


def test_no_rule_has_a_wildcard(manifests: list[Manifest]) -> None:
    for role in of_kind(manifests, "Role") + of_kind(manifests, "ClusterRole"):
        for rule in role["rules"]:
            assert set(rule) <= {"apiGroups", "resources", "resourceNames", "verbs"}
            assert not [word for words in rule.values() for word in words if "*" in word], role["metadata"]["name"]


def test_every_pod_passes_pod_security_restricted(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        assert restricted_violations(deployment["spec"]["template"]["spec"]) == []


def test_no_template_holds_a_certificate_of_ours(manifests: list[Manifest]) -> None:
    """An upgrade would undo what admission has published."""
    names = settings(manifests, fullname_of(manifests))["names"]
    assert "caBundle" not in json.dumps(manifests)
    assert [m for m in of_kind(manifests, "Secret") if m["metadata"]["name"] == names["tlsSecret"]] == []


def test_names_fit_and_objects_are_in_the_releases_namespace(manifests: list[Manifest], value_set: ValueSet) -> None:
    seen = set()
    for manifest in manifests:
        metadata = manifest["metadata"]
        assert len(metadata["name"]) <= 63
        assert "." not in metadata["name"]
        assert metadata.get("namespace") == (None if manifest["kind"] in CLUSTER_SCOPED else value_set.namespace)
        assert all(len(text) <= 63 for text in metadata["labels"].values())
        assert metadata["labels"]["app.kubernetes.io/instance"] == value_set.release
        seen.add((manifest["kind"], metadata["name"]))
    assert len(seen) == len(manifests)
    names = settings(manifests, fullname_of(manifests))["names"]
    assert all(len(name) <= 63 for name in names.values())


def test_every_selector_finds_its_pods(manifests: list[Manifest]) -> None:
    pods = {
        d["metadata"]["labels"]["app.kubernetes.io/component"]: d["spec"]["template"]["metadata"]["labels"]
        for d in of_kind(manifests, "Deployment")
    }
    assert set(pods) == {"admission", "controller"}
    for deployment in of_kind(manifests, "Deployment"):
        component = deployment["metadata"]["labels"]["app.kubernetes.io/component"]
        assert selected(deployment["spec"]["selector"]["matchLabels"], pods) == {component}
        for term in anti_affinity_terms(deployment):
            assert selected(term["labelSelector"]["matchLabels"], pods) == {component}
    assert selected(only(manifests, "Service")["spec"]["selector"], pods) == {"admission"}
    budget = only(manifests, "PodDisruptionBudget")
    assert selected(budget["spec"]["selector"]["matchLabels"], pods) == {"admission"}
    for monitor in of_kind(manifests, "PodMonitor"):
        assert selected(monitor["spec"]["selector"]["matchLabels"], pods) == set(pods)


def test_every_reference_within_the_release_is_to_something_in_it(
    manifests: list[Manifest], value_set: ValueSet
) -> None:
    present = {(m["kind"], m["metadata"]["name"]) for m in manifests}
    theirs = {("Secret", "my-keys"), ("ConfigMap", "corporate-ca")}
    for deployment in of_kind(manifests, "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        assert ("ServiceAccount", spec["serviceAccountName"]) in present
        assert volume_references(spec) <= present | theirs
        volumes = {volume["name"] for volume in spec["volumes"]}
        assert {mount["name"] for mount in spec["containers"][0]["volumeMounts"]} == volumes
    for binding in of_kind(manifests, "RoleBinding") + of_kind(manifests, "ClusterRoleBinding"):
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in present
        for subject in binding["subjects"]:
            assert (subject["kind"], subject["name"]) in present
            assert subject["namespace"] == value_set.namespace
    names = settings(manifests, fullname_of(manifests))["names"]
    assert ("Service", names["service"]) in present
    assert ("ClusterRole", names["ownerClusterRole"]) in present
    assert ("MutatingWebhookConfiguration", names["webhookConfiguration"]) in present


def test_keys_stand_in_the_secret_alone(manifests: list[Manifest]) -> None:
    others = json.dumps([manifest for manifest in manifests if manifest["kind"] != "Secret"])
    assert API_KEY not in others
    assert TELEMETRY_KEY not in others


def selected(selector: dict[str, str], pods: dict[str, dict[str, str]]) -> set[str]:
    return {component for component, labels in pods.items() if selector.items() <= labels.items()}


def anti_affinity_terms(deployment: Manifest) -> list[Manifest]:
    affinity = deployment["spec"]["template"]["spec"]["affinity"].get("podAntiAffinity", {})
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution", [])
    return [term["podAffinityTerm"] for term in preferred]


def volume_references(spec: Manifest) -> set[tuple[str, str]]:
    found = set()
    for volume in spec["volumes"]:
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            if "configMap" in source:
                found.add(("ConfigMap", source["configMap"]["name"]))
            if "secret" in source:
                found.add(("Secret", source["secret"]["name"]))
    return found


def restricted_violations(spec: Manifest) -> list[str]:
    """What Kubernetes' Pod Security Standard `restricted` would refuse in this pod."""
    pod = spec["securityContext"]
    found: list[str] = [key for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if key in spec]
    found += [f"volume {volume['name']}" for volume in spec["volumes"] if not ALLOWED_VOLUMES & set(volume)]
    if pod.get("runAsNonRoot") is not True or pod.get("runAsUser", 1) == 0:
        found.append("runAsNonRoot")
    if pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("seccompProfile")
    for each in spec["containers"] + spec.get("initContainers", []):
        found += container_violations(each["securityContext"])
    return found


def container_violations(security: dict[str, Any]) -> list[str]:
    """The container's half. A read-only root is this project's own rule on top."""
    wanted = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    wrong = [key for key, value in wanted.items() if security.get(key) != value]
    return wrong + sorted(set(security) - set(wanted))
