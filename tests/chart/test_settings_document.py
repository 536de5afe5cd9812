"""settings.json: complete, valid, and what the values say."""

from typing import Any

import pytest

from tests.chart.helm import Manifest, fullname_of, pod_template, render, settings
from tests.chart.value_sets import DIGEST, ValueSet
from webhook.settings import parse

# The document with the chart's defaults, whole: this is the contract with the processes.
DEFAULTS: Manifest = {
    "log": {"level": "info", "format": "text"},
    "credentials": {"namespaceSecret": ""},
    "config": {
        "default": "exclude",
        "environment": "",
        "tags": [],
        "defaultTimezone": "",
        "keyInference": "k8s",
        "namePrefix": "",
        "clusterName": "",
        "onJobDeleted": "fail",
    },
    "monitors": {"onRemove": "pause"},
    "cronitor": {"telemetryUrl": "https://cronitor.link", "apiUrl": "https://cronitor.io/api"},
    "proxy": {"https": "", "http": "", "no": ""},
    "injection": {"enabled": True},
    "dryRun": False,
    "breaker": {
        "enabled": True,
        "openSeconds": 600,
        "freeStuckPods": True,
        "freeImages": [
            "registry.k8s.io/pause:3.10",
            "localhost/kubernetes/pause:latest",
            "mcr.microsoft.com/oss/kubernetes/pause:3.6",
        ],
    },
    "sidecar": {
        "image": "ghcr.io/cronitorio/cronitor-k8s-sidecar:0.1.0",
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecrets": [],
        "runAsUser": 65532,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "guaranteedResources": {"cpu": "200m", "memory": "64Mi"},
        "ignoreContainers": [
            "istio-proxy",
            "linkerd-proxy",
            "kuma-sidecar",
            "consul-dataplane",
            "envoy-sidecar",
            "daprd",
            "vault-agent",
            "otc-container",
            "datadog-agent-injected",
            "gke-gcsfuse-sidecar",
            "cloud-sql-proxy",
            "cloudsql-proxy",
        ],
        "stuckSeconds": 120,
        "logLevel": "info",
    },
    "names": {
        "stateConfigMap": "cronitor-k8s-state",
        "monitorRecords": "cronitor-k8s-monitors",
        "lease": "cronitor-k8s-controller",
        "tlsSecret": "cronitor-k8s-tls",
        "service": "cronitor-k8s-admission",
        "webhookConfiguration": "cronitor-k8s",
        "ownerClusterRole": "cronitor-k8s-sidecar",
        "namespaceObjects": "cronitor-sidecar",
    },
    "admission": {"port": 8443, "healthPort": 8080, "threads": 32, "drainSeconds": 95},
    "controller": {"healthPort": 8080, "tokenSeconds": 86400, "eventsPerSecond": 20, "unscheduledSeconds": 600},
}

CHANGES: list[tuple[dict[str, Any], str, object]] = [
    ({"log": {"level": "debug"}}, "log.level", "debug"),
    ({"log": {"format": "json"}}, "log.format", "json"),
    ({"config": {"default": "include"}}, "config.default", "include"),
    ({"config": {"environment": 'pro"d: #1'}}, "config.environment", 'pro"d: #1'),
    ({"config": {"environment": "true"}}, "config.environment", "true"),
    ({"config": {"defaultEnvironment": "old"}}, "config.environment", "old"),
    ({"config": {"environment": "new", "defaultEnvironment": "old"}}, "config.environment", "new"),
    ({"config": {"tags": ["team-a", "cost: 7"]}}, "config.tags", ["team-a", "cost: 7"]),
    ({"config": {"defaultTimezone": "Europe/Berlin"}}, "config.defaultTimezone", "Europe/Berlin"),
    ({"config": {"keyInference": "name"}}, "config.keyInference", "name"),
    ({"config": {"namePrefix": "prod - "}}, "config.namePrefix", "prod - "),
    ({"config": {"clusterName": "eu-1"}}, "config.clusterName", "eu-1"),
    ({"credentials": {"namespaceSecret": "cronitor-key"}}, "credentials.namespaceSecret", "cronitor-key"),
    ({"monitors": {"onRemove": "delete"}}, "monitors.onRemove", "delete"),
    (
        {"cronitor": {"telemetryUrl": "http://172.31.250.1:9000/"}},
        "cronitor.telemetryUrl",
        "http://172.31.250.1:9000",
    ),
    ({"cronitor": {"apiUrl": "https://c.example/api/"}}, "cronitor.apiUrl", "https://c.example/api"),
    ({"proxy": {"https": "http://u:p&<w@proxy:3128"}}, "proxy.https", "http://u:p&<w@proxy:3128"),
    ({"proxy": {"http": "http://proxy:3128"}}, "proxy.http", "http://proxy:3128"),
    ({"proxy": {"no": ".corp,10.0.0.0/8"}}, "proxy.no", ".corp,10.0.0.0/8"),
    ({"proxy": {"false": ".unquoted"}}, "proxy.no", ".unquoted"),
    ({"proxy": {"no": None, "https": None}}, "proxy.no", ""),
    ({"injection": {"enabled": False}}, "injection.enabled", False),
    ({"dryRun": True}, "dryRun", True),
    ({"breaker": {"enabled": False}}, "breaker.enabled", False),
    ({"breaker": {"openSeconds": 30}}, "breaker.openSeconds", 30),
    ({"breaker": {"freeStuckPods": False}}, "breaker.freeStuckPods", False),
    ({"breaker": {"freeImages": ["r.local/pause:1"]}}, "breaker.freeImages", ["r.local/pause:1"]),
    ({"breaker": {"freeImages": None}}, "breaker.freeImages", []),
    ({"sidecar": {"image": {"repository": "r.local/s", "tag": "2"}}}, "sidecar.image", "r.local/s:2"),
    (
        {"sidecar": {"image": {"repository": "r.local/s", "tag": "2", "digest": DIGEST}}},
        "sidecar.image",
        f"r.local/s@{DIGEST}",
    ),
    ({"sidecar": {"image": {"pullPolicy": "Always"}}}, "sidecar.imagePullPolicy", "Always"),
    (
        {"sidecar": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}},
        "sidecar.imagePullSecrets",
        ["a", "b"],
    ),
    ({"sidecar": {"runAsUser": 1000660000}}, "sidecar.runAsUser", 1000660000),
    ({"sidecar": {"runAsUser": None}}, "sidecar.runAsUser", None),
    (
        {"sidecar": {"resources": {"limits": {"cpu": 1}}}},
        "sidecar.resources.limits",
        {"cpu": "1", "memory": "128Mi"},
    ),
    ({"sidecar": {"resources": {"limits": {"memory": None}}}}, "sidecar.resources.limits", {}),
    ({"sidecar": {"resources": None}}, "sidecar.resources", {"requests": {}, "limits": {}}),
    ({"sidecar": {"guaranteedResources": {"cpu": 0.5}}}, "sidecar.guaranteedResources.cpu", "0.5"),
    ({"sidecar": {"ignoreContainers": []}}, "sidecar.ignoreContainers", []),
    ({"sidecar": {"ignoreContainers": ["mine"]}}, "sidecar.ignoreContainers", ["mine"]),
    ({"sidecar": {"stuckSeconds": 30}}, "sidecar.stuckSeconds", 30),
    ({"sidecar": {"logLevel": "debug"}}, "sidecar.logLevel", "debug"),
    ({"admission": {"threads": 16}}, "admission.threads", 16),
    ({"admission": {"drainSeconds": 5}}, "admission.drainSeconds", 5),
    ({"controller": {"tokenSeconds": 31536000}}, "controller.tokenSeconds", 31536000),
    ({"fullnameOverride": "x"}, "names.lease", "x-controller"),
]


def test_the_defaults_are_these() -> None:
    assert settings(render()) == DEFAULTS


def test_every_key_is_there_whatever_the_values_are(manifests: list[Manifest]) -> None:
    document = settings(manifests, fullname_of(manifests))
    assert set(document) == set(DEFAULTS)
    keys = {name: set(section) for name, section in document.items() if isinstance(section, dict)}
    assert keys == {name: set(section) for name, section in DEFAULTS.items() if isinstance(section, dict)}
    assert set(document["sidecar"]["resources"]) == {"requests", "limits"}


def test_the_processes_can_read_it_whatever_the_values_are(manifests: list[Manifest], value_set: ValueSet) -> None:
    fullname = fullname_of(manifests)
    environment = {"POD_NAME": "pod", "POD_NAMESPACE": value_set.namespace}
    read = parse(settings(manifests, fullname), environment)
    assert read.names.webhook_configuration == fullname


@pytest.mark.parametrize(("values", "path", "expected"), CHANGES, ids=lambda item: str(item)[:60])
def test_a_value_arrives(values: dict[str, Any], path: str, expected: object) -> None:
    found: Any = settings(render(values), values.get("fullnameOverride", "cronitor-k8s"))
    for key in path.split("."):
        found = found[key]
    assert found == expected
    assert type(found) is type(expected)


def test_a_changed_setting_rolls_both_deployments() -> None:
    before, after = render(), render({"log": {"level": "debug"}})
    for component in ("admission", "controller"):
        assert checksum(before, component, "settings") != checksum(after, component, "settings")


def test_a_changed_key_or_ca_rolls_the_controller_alone() -> None:
    before, after = render(), render({"credentials": {"apiKey": "another"}})
    assert checksum(before, "controller", "credentials") != checksum(after, "controller", "credentials")
    assert pod_template(before, "admission") == pod_template(after, "admission")


def test_an_upgrade_to_the_same_values_changes_nothing() -> None:
    values = {"config": {"environment": "prod"}}
    assert render(values) == render({**values, "global": {}})


def checksum(manifests: list[Manifest], component: str, what: str) -> str:
    return str(pod_template(manifests, component)["metadata"]["annotations"][f"checksum/{what}"])
