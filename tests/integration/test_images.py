"""Both images, as they are, on the real node: restricted, as their own user, with a read-only root."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests import cluster, images
from tests.cluster.layout import CHECKOUT
from tests.images.recipes import SIDECAR, WEBHOOK

pytestmark = pytest.mark.cluster

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
VERIFY = (CHECKOUT / "docker" / "verify.py").read_text()
WHO_AND_WHERE = """
import importlib, os, pkgutil, webhook
print("user", os.getuid(), os.getgid())
try:
    open("/app/written", "w")
except OSError as error:
    print("cannot write:", error.strerror)
names = [module.name for module in pkgutil.walk_packages(webhook.__path__, "webhook.")]
for name in names:
    importlib.import_module(name)
print("imported", "webhook.__main__" in names)
print("pip", importlib.util.find_spec("pip"))
"""
WRITE = """
import os
print("user", os.getuid(), os.getgid())
open("/dev/termination-log", "w").write("journal")
try:
    open("/written", "w")
except OSError as error:
    print("cannot write:", error.strerror)
"""


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace that takes only restricted pods, on a node that has our images."""
    cluster.up()
    images.load(images.build())
    name = f"images-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    cluster.run(["kubectl", "create", "-f", "-"], stdin=json.dumps(manifest))
    yield name
    cluster.run(["kubectl", "delete", "namespace", name, "--wait=false"])


def run_pod(namespace: str, image: str, command: list[str]) -> tuple[str, dict[str, Any]]:
    """Runs a command in the image to its end; returns what it printed and its end's state."""
    name = f"p-{uuid.uuid4().hex[:8]}"
    container = {"name": "main", "image": image, "command": command, "securityContext": RESTRICTED}
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    kubectl = ["kubectl", f"--namespace={namespace}"]
    # The namespace's account may come a moment after the namespace.
    cluster.run([*kubectl, "wait", "--for=create", "serviceaccount/default", "--timeout=30s"])
    cluster.run([*kubectl, "create", "-f", "-"], stdin=json.dumps(manifest))
    ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
    cluster.run([*kubectl, "wait", ended, f"pod/{name}", "--timeout=60s"])
    pod = json.loads(cluster.run([*kubectl, "get", "pod", name, "-o=json"]).stdout)
    terminated: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return cluster.run([*kubectl, "logs", name]).stdout, terminated


def test_everything_in_the_sidecars_image_can_be_imported_from_it_alone(namespace: str) -> None:
    printed, ended = run_pod(namespace, SIDECAR.tag, ["/usr/bin/python3", "-I", "-S", "-c", VERIFY])
    assert ended["exitCode"] == 0, printed
    assert printed.startswith("verified ")


def test_the_sidecar_can_write_its_journal_and_nothing_else(namespace: str) -> None:
    printed, ended = run_pod(namespace, SIDECAR.tag, ["/usr/bin/python3", "-I", "-S", "-c", WRITE])
    assert printed.splitlines() == ["user 65532 65532", "cannot write: Read-only file system"]
    assert ended["message"] == "journal"


def test_the_webhooks_image_imports_all_of_the_webhook_and_has_no_pip(namespace: str) -> None:
    printed, ended = run_pod(namespace, WEBHOOK.tag, ["python3", "-c", WHO_AND_WHERE])
    assert ended["exitCode"] == 0, printed
    assert printed.splitlines() == [
        "user 65532 65532",
        "cannot write: Read-only file system",
        "imported True",
        "pip None",
    ]
