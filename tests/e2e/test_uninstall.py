"""Upgrade, what was logged in the whole run, and an uninstallation that leaves nothing: the end for most modules."""

import os
import re
from typing import Any

import pytest

from tests import installation
from tests.cronitor.stand_in import StandIn
from tests.e2e.conftest import API_KEY, NAMESPACE_KEY, TELEMETRY_KEY, flush_old_replicas
from tests.e2e.logs import LogKeeper
from tests.e2e.world import World, cron_job, eventually, is_injected
from webhook.controller.plan import secret_text

JSON_WEB_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}")
HOOK = "cronitor-k8s"


def test_an_upgrade_changes_no_certificate_and_breaks_no_injection(
    world: World, cronitor: StandIn, url: str, namespace: str
) -> None:
    secret = world.get("Secret", installation.NAMESPACE, "cronitor-k8s-tls")
    hook = world.get("MutatingWebhookConfiguration", "", HOOK)
    assert secret is not None
    assert hook is not None
    installation.install(
        url,
        api_key=API_KEY,
        telemetry_key=TELEMETRY_KEY,
        ca=cronitor.ca_file.read_text(),
        values={"log": {"level": "debug"}, "sidecar": {"logLevel": "debug"}},
    )
    after = world.get("Secret", installation.NAMESPACE, "cronitor-k8s-tls")
    bundles = (world.get("MutatingWebhookConfiguration", "", HOOK) or {})["webhooks"][0]["clientConfig"]["caBundle"]
    assert after is not None
    assert after["data"] == secret["data"]
    assert bundles == hook["webhooks"][0]["clientConfig"]["caBundle"]
    job = world.run_now(world.create(cron_job("after-upgrade"), namespace))
    assert is_injected(world.pod_of(job))
    assert cronitor.wait_for(job["metadata"]["uid"], 120).states == ["run", "complete"]
    flush_old_replicas(world)
    assert is_injected(world.pod_of(world.run_now(world.create(cron_job("logged-in-debug"), namespace))))


@pytest.mark.skipif(os.environ.get("CLUSTER") == "current", reason="log files are read on our own node only")
def test_no_log_of_the_whole_run_holds_a_key_or_a_token(world: World, logs: LogKeeper) -> None:
    secrets = world.kube.get("/api/v1/secrets", {"fieldSelector": "metadata.name=cronitor-sidecar"})["items"]
    tokens = {secret_text(secret, "token") for secret in secrets}
    assert all(tokens)
    ours = [(name, text) for name, text in logs.files() if name.startswith("cronitor_") or "/cronitor/" in name]
    lines = sum(text.count("\n") for _, text in ours)
    print(f"{len(ours)} logs of ours with {lines} lines")
    assert any("event=told" in text for _, text in ours)
    assert any("event=injected" in text for _, text in ours)
    assert any("event=leading" in text for _, text in ours)
    for name, text in ours:
        for secret in (API_KEY, TELEMETRY_KEY, NAMESPACE_KEY, *tokens):
            assert secret not in text, f"a secret in {name}"
        assert not JSON_WEB_TOKEN.search(text), f"a token in {name}"
        assert "PRIVATE KEY" not in text, f"a private key in {name}"


def test_uninstalling_leaves_nothing(world: World, namespace: str) -> None:
    installation.uninstall()
    leftovers: dict[str, Any] = {}

    def gone() -> bool:
        leftovers.clear()
        for kind in ("Secret", "ServiceAccount", "RoleBinding"):
            if world.get(kind, namespace, "cronitor-sidecar"):
                leftovers[kind] = "cronitor-sidecar"
        for kind in ("ConfigMap", "Secret", "Lease", "Deployment", "ServiceAccount", "Pod"):
            found = [one["metadata"]["name"] for one in world.all(kind, installation.NAMESPACE)]
            if ours := [name for name in found if name.startswith("cronitor") or "helm" in name]:
                leftovers[kind] = ours
        for kind in ("ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration"):
            if ours := [one["metadata"]["name"] for one in world.all(kind) if "cronitor" in one["metadata"]["name"]]:
                leftovers[kind] = ours
        return not leftovers

    eventually(gone, f"nothing left: {leftovers}", seconds=180)
