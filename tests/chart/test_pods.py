"""The two Deployments: how they start, stop, are placed, and what they can read."""

from typing import Any

import pytest

from tests.chart.helm import Manifest, container, of_kind, only, pod_template, render
from tests.chart.value_sets import DIGEST, PEM

COMPONENTS = ["admission", "controller"]


def test_admission_always_has_its_full_number_of_replicas_during_an_update() -> None:
    spec = only(render(), "Deployment", "cronitor-k8s-admission")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert only(render(), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_the_controller_has_a_replica_that_stands_by() -> None:
    assert only(render(), "Deployment", "cronitor-k8s-controller")["spec"]["replicas"] == 2


@pytest.mark.parametrize("drain", [0, 95, 300])
def test_admission_is_killed_only_after_its_drain(drain: int) -> None:
    spec = pod_template(render({"admission": {"drainSeconds": drain}}), "admission")["spec"]
    assert spec["terminationGracePeriodSeconds"] == drain + 15


@pytest.mark.parametrize("component", COMPONENTS)
def test_probes_ask_the_http_port(component: str) -> None:
    each = container(render(), component)
    assert {port["name"]: port["containerPort"] for port in each["ports"]}["http"] == 8080
    assert each["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert each["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    startup = each["startupProbe"]
    assert startup["httpGet"] == {"path": "/healthz", "port": "http"}
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 120


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_process_is_told_what_it_is_and_where(component: str) -> None:
    each = container(render(), component)
    assert each["args"] == [component]
    assert "command" not in each
    fields = {entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"] for entry in each["env"]}
    assert fields == {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    assert {mount["mountPath"] for mount in each["volumeMounts"]} == {"/etc/cronitor", "/tmp"}
    assert set(each["resources"]) == {"requests", "limits"}


def test_admission_mounts_no_key() -> None:
    manifests = render({"credentials": {"telemetryKey": "t"}, "cronitor": {"extraCA": PEM}})
    assert files(manifests, "admission") == {"settings.json": "cronitor-k8s-settings"}


def test_the_controller_reads_keys_and_ca_as_files() -> None:
    manifests = render({"credentials": {"telemetryKey": "t"}, "cronitor": {"extraCA": PEM}})
    assert files(manifests, "controller") == {
        "settings.json": "cronitor-k8s-settings",
        "credentials/api-key": "cronitor-k8s-credentials",
        "credentials/telemetry-key": "cronitor-k8s-credentials, optional",
        "ca/ca.crt": "cronitor-k8s-ca",
    }
    assert only(manifests, "Secret")["stringData"] == {
        "api-key": "sdk-key-of-the-tests",
        "telemetry-key": "t",
    }
    assert only(manifests, "ConfigMap", "cronitor-k8s-ca")["data"] == {"ca.crt": PEM}


def test_existing_secret_and_config_map_are_used_and_nothing_is_made_for_them() -> None:
    values = {
        "credentials": {"existingSecret": "mine"},
        "cronitor": {"extraCAConfigMap": {"name": "corporate", "key": "bundle.pem"}},
    }
    manifests = render(values, credentials=False)
    assert files(manifests, "controller") == {
        "settings.json": "cronitor-k8s-settings",
        "credentials/api-key": "mine",
        "credentials/telemetry-key": "mine, optional",
        "ca/ca.crt": "corporate",
    }
    assert of_kind(manifests, "Secret") == []
    assert len(of_kind(manifests, "ConfigMap")) == 1


def test_white_space_around_a_key_is_not_part_of_it() -> None:
    manifests = render({"credentials": {"apiKey": " key\n"}})
    assert only(manifests, "Secret")["stringData"] == {"api-key": "key"}


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "ghcr.io/cronitorio/cronitor-k8s-webhook:0.1.0"),
        ({"tag": "main"}, "ghcr.io/cronitorio/cronitor-k8s-webhook:main"),
        ({"digest": DIGEST, "tag": "main"}, f"ghcr.io/cronitorio/cronitor-k8s-webhook@{DIGEST}"),
        ({"repository": "r.local:5000/w", "tag": "test"}, "r.local:5000/w:test"),
    ],
)
def test_the_image_can_come_from_elsewhere(component: str, image: dict[str, str], expected: str) -> None:
    assert container(render({"image": image}), component)["image"] == expected


@pytest.mark.parametrize("component", COMPONENTS)
def test_proxy_variables_spare_the_api_server(component: str) -> None:
    values = {"proxy": {"https": "http://p:1", "http": "http://p:2", "no": ".corp"}}
    assert variables(render(values), component) == {
        "HTTPS_PROXY": "http://p:1",
        "HTTP_PROXY": "http://p:2",
        "NO_PROXY": "$(KUBERNETES_SERVICE_HOST),localhost,127.0.0.1,.svc,.corp",
    }
    assert variables(render(), component) == {}


@pytest.mark.parametrize("component", COMPONENTS)
def test_user_ids_are_left_to_the_platform_on_request(component: str) -> None:
    security = pod_template(render(), component)["spec"]["securityContext"]
    assert security["runAsUser"] == 65532
    open_shift = pod_template(render({"podSecurity": {"runAsUser": None}}), component)["spec"]["securityContext"]
    assert open_shift == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.mark.parametrize("component", COMPONENTS)
def test_replicas_rather_run_on_different_nodes(component: str) -> None:
    affinity = pod_template(render(), component)["spec"]["affinity"]
    assert set(affinity) == {"podAntiAffinity"}
    assert set(affinity["podAntiAffinity"]) == {"preferredDuringSchedulingIgnoredDuringExecution"}


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("nodeSelector", {"pool": "a"}),
        ("tolerations", [{"operator": "Exists"}]),
        ("affinity", {"nodeAffinity": {}}),
        (
            "topologySpreadConstraints",
            [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}],
        ),
        ("priorityClassName", "high"),
    ],
)
def test_placement_is_the_person_s(component: str, value: str, given: Any) -> None:
    manifests = render({component: {value: given}})
    assert pod_template(manifests, component)["spec"][value] == given
    (other,) = set(COMPONENTS) - {component}
    assert pod_template(manifests, other)["spec"].get(value) != given


@pytest.mark.parametrize("component", COMPONENTS)
def test_pod_labels_and_annotations_are_added_but_replace_none_of_ours(component: str) -> None:
    values = {
        component: {
            "podLabels": {"team": "ops", "app.kubernetes.io/component": "x"},
            "podAnnotations": {"a": "b", "checksum/settings": "x"},
        },
        "imagePullSecrets": [{"name": "pull"}],
    }
    template = pod_template(render(values), component)
    assert template["metadata"]["labels"]["team"] == "ops"
    assert template["metadata"]["labels"]["app.kubernetes.io/component"] == component
    assert template["metadata"]["annotations"]["a"] == "b"
    assert template["metadata"]["annotations"]["checksum/settings"] != "x"
    assert template["spec"]["imagePullSecrets"] == [{"name": "pull"}]


@pytest.mark.parametrize("component", COMPONENTS)
def test_scrape_annotations_on_request(component: str) -> None:
    annotations = pod_template(render({"metrics": {"scrapeAnnotations": True}}), component)["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == "8080"
    assert annotations["prometheus.io/path"] == "/metrics"
    assert "prometheus.io/scrape" not in pod_template(render(), component)["metadata"]["annotations"]


def test_a_pod_monitor_on_request() -> None:
    assert of_kind(render(), "PodMonitor") == []
    values = {"metrics": {"podMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}}
    monitor = only(render(values), "PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["podMetricsEndpoints"] == [{"port": "http", "path": "/metrics"}]


def variables(manifests: list[Manifest], component: str) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(manifests, component)["env"] if "value" in entry}


def files(manifests: list[Manifest], component: str) -> dict[str, str]:
    """Each file under /etc/cronitor and the object that it comes from."""
    spec = pod_template(manifests, component)["spec"]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "settings"]
    found = {}
    for source in volume.get("projected", {}).get("sources", [volume]):
        origin = source.get("configMap") or source["secret"]
        for item in origin.get("items", [{"path": "settings.json"}]):
            found[item["path"]] = origin["name"] + (", optional" if origin.get("optional") else "")
    return found
