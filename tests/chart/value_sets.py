"""Sets of values that people give: what must hold of every release is checked with each of them."""

from dataclasses import dataclass, field
from typing import Any

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
DIGEST = "sha256:" + "0123456789abcdef" * 4


@dataclass(frozen=True, slots=True)
class ValueSet:
    """One way to install the chart."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    release: str = "cronitor-k8s"
    namespace: str = "cronitor"
    credentials: bool = True

    def __str__(self) -> str:
        return self.name


VALUE_SETS = [
    ValueSet("defaults"),
    ValueSet("two keys", {"credentials": {"telemetryKey": "telemetry-key-of-the-tests"}}),
    ValueSet("existing Secret", {"credentials": {"existingSecret": "my-keys"}}, credentials=False),
    ValueSet("another release name", release="monitoring", namespace="ops"),
    ValueSet("longest release name", release="r" * 53, namespace="n" * 63),
    ValueSet("release name with dots", release="team.cron", namespace="123"),
    ValueSet("full name given", {"fullnameOverride": "f" * 50}),
    ValueSet("name given", {"nameOverride": "cron"}, release="prod"),
    ValueSet("OpenShift", {"sidecar": {"runAsUser": None}, "podSecurity": {"runAsUser": None}}),
    ValueSet("installed in kube-system", namespace="kube-system"),
    ValueSet("extra CA", {"cronitor": {"extraCA": PEM}}),
    ValueSet(
        "extra CA of one's own",
        {"cronitor": {"extraCAConfigMap": {"name": "corporate-ca", "key": "bundle.pem"}}},
    ),
    ValueSet("proxy", {"proxy": {"https": "http://proxy:3128", "http": "http://proxy:3128", "no": "10.0.0.0/8"}}),
    ValueSet(
        "private registry",
        {
            "image": {"repository": "registry.local/webhook", "digest": DIGEST},
            "imagePullSecrets": [{"name": "pull"}],
            "sidecar": {
                "image": {"repository": "registry.local/sidecar", "tag": "1"},
                "imagePullSecrets": [{"name": "pull"}, {"name": "pull-too"}],
            },
        },
    ),
    ValueSet(
        "metrics",
        {"metrics": {"scrapeAnnotations": True, "podMonitor": {"enabled": True, "labels": {"a": "b"}}}},
    ),
    ValueSet(
        "scheduling",
        {
            component: {
                "replicas": 1,
                "nodeSelector": {"pool": "system"},
                "tolerations": [{"key": "system", "operator": "Exists"}],
                "affinity": {"nodeAffinity": {}},
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
                ],
                "priorityClassName": "system-cluster-critical",
                "podAnnotations": {"team": "ops"},
                "podLabels": {"team": "ops", "app.kubernetes.io/name": "must-not-win"},
                "resources": {"limits": {"cpu": 1}},
            }
            for component in ("admission", "controller")
        },
    ),
    ValueSet(
        "nothing optional",
        {
            "sidecar": {"resources": None, "ignoreContainers": []},
            "serviceAccount": None,
            "breaker": {"freeImages": None},
        },
    ),
    ValueSet("a parent chart's values", {"global": {"imageRegistry": "x"}, "enabled": True}),
]
