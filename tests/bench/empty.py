"""The empty Go webhook beside ours: in pods behind a Service as ours is, called for the same pods, same resources."""

import base64
import tempfile
from pathlib import Path

from tests.bench import programs
from tests.bench.ground import Ground
from tests.cronitor.certificates import server_context
from tests.e2e.world import IMAGE, Json, World, eventually
from tests.installation import NAMESPACE, RELEASE

LABEL = {"bench.cronitor-k8s.test/webhook": "empty"}
"""On a namespace whose pods the empty webhook is called for."""
NAME = "empty-webhook"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
PORT = 8443


def deploy(ground: Ground, replicas: int) -> None:
    """Start it in a namespace of its own and have it called; `remove` is for when the namespace goes."""
    world = ground.world
    ours = world.kube.get(f"{CONFIGURATION}/{RELEASE}")["webhooks"][0]
    deployment = world.get("Deployment", NAMESPACE, f"{RELEASE}-admission") or {}
    resources = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]
    namespace = ground.namespace("empty-webhook")
    bundle = _secret(world, namespace)
    world.create(_deployment(replicas, resources, programs.build(programs.EMPTY_WEBHOOK)), namespace)
    service = {"selector": {"app": NAME}, "ports": [{"port": 443, "targetPort": PORT}]}
    world.kube.create(
        f"/api/v1/namespaces/{namespace}/services",
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": service},
    )
    _wait_ready(world, namespace, replicas)
    remove(world)
    client = {
        "caBundle": bundle,
        "service": {"name": NAME, "namespace": namespace, "path": "/mutate", "port": 443},
    }
    # All else as ours is: rules, CEL conditions, policies.
    webhook = {**ours, "name": "empty.bench.test", "clientConfig": client, "namespaceSelector": {"matchLabels": LABEL}}
    world.kube.create(
        CONFIGURATION,
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": NAME},
            "webhooks": [webhook],
        },
    )


def remove(world: World) -> None:
    """Have it called no more."""
    world.delete("MutatingWebhookConfiguration", "", NAME)


def _wait_ready(world: World, namespace: str, replicas: int) -> None:
    def ready() -> bool:
        status = (world.get("Deployment", namespace, NAME) or {}).get("status") or {}
        return bool(status.get("readyReplicas") == replicas)

    eventually(ready, f"{replicas} replicas of the empty webhook")


def _secret(world: World, namespace: str) -> str:
    """Make certificate and key for the Service; returns the CA bundle as the webhook configuration takes it."""
    with tempfile.TemporaryDirectory(prefix="cronitor-k8s-bench-") as folder:
        place = Path(folder)
        server_context(place, [f"{NAME}.{namespace}.svc"])
        encoded = {
            name: base64.b64encode((place / name).read_bytes()).decode()
            for name in ("server.crt", "server.key", "ca.crt")
        }
    bundle = encoded.pop("ca.crt")
    world.create({"kind": "Secret", "metadata": {"name": NAME}, "data": encoded}, namespace)
    return bundle


def _deployment(replicas: int, resources: Json, program: Path) -> Json:
    container = {
        "name": "webhook",
        "image": IMAGE,
        "command": [f"/program/{program.name}", f":{PORT}", "/tls/server.crt", "/tls/server.key"],
        "resources": resources,
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": PORT, "scheme": "HTTPS"},
            "periodSeconds": 10,
        },
        "volumeMounts": [
            {"name": "program", "mountPath": "/program", "readOnly": True},
            {"name": "tls", "mountPath": "/tls", "readOnly": True},
        ],
    }
    volumes = [
        {"name": "program", "hostPath": {"path": str(program.parent), "type": "Directory"}},
        {"name": "tls", "secret": {"secretName": NAME}},
    ]
    labels = {"app": NAME}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "volumes": volumes, "enableServiceLinks": False},
            },
        },
    }
