"""The settings document as the chart renders it, for tests to change."""

import copy
from typing import Any

from webhook.settings import Settings, parse

ENVIRONMENT = {"POD_NAME": "controller-0", "POD_NAMESPACE": "cronitor"}

DOCUMENT: dict[str, Any] = {
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
        "freeImages": ["registry.example/pause:3", "localhost/pause:latest"],
    },
    "sidecar": {
        "image": "registry.example/sidecar:1",
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecrets": [],
        "runAsUser": 65532,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "guaranteedResources": {"cpu": "100m", "memory": "64Mi"},
        "ignoreContainers": ["istio-proxy", "linkerd-proxy"],
        "stuckSeconds": 120,
        "logLevel": "info",
    },
    "names": {
        "stateConfigMap": "release-state",
        "monitorRecords": "release-monitors",
        "lease": "release-controller",
        "tlsSecret": "release-tls",
        "service": "release-admission",
        "webhookConfiguration": "release",
        "ownerClusterRole": "release-sidecar",
        "namespaceObjects": "cronitor-sidecar",
    },
    "admission": {"port": 8443, "healthPort": 8080, "threads": 8, "drainSeconds": 95},
    "controller": {"healthPort": 8080, "tokenSeconds": 86400, "eventsPerSecond": 20, "unscheduledSeconds": 600},
}

REMOVED = object()


def document(**changes: Any) -> dict[str, Any]:
    """The document with changes, by path: `document(**{"sidecar.runAsUser": None})`. REMOVED takes a key out."""
    changed = copy.deepcopy(DOCUMENT)
    for path, value in changes.items():
        *sections, name = path.split(".")
        place = changed
        for section in sections:
            place = place[section]
        if value is REMOVED:
            del place[name]
        else:
            place[name] = value
    return changed


def settings(**changes: Any) -> Settings:
    return parse(document(**changes), ENVIRONMENT)
