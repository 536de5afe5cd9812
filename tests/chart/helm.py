"""Runs helm on the chart, with no cluster: what it renders, what it refuses, what its notes say."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "cronitor-k8s"
API_KEY = "sdk-key-of-the-tests"
TELEMETRY_KEY = "telemetry-key-of-the-tests"
POLICY_API = "admissionregistration.k8s.io/v1"

Values = Mapping[str, Any]
Manifest = dict[str, Any]


class HelmNotFoundError(RuntimeError):
    """No helm binary could be found."""


class ChartRefusedError(RuntimeError):
    """Helm did not render the chart; the message is what the person reads."""


@functools.cache
def helm_binary() -> str:
    """The binary that HELM names, else the one on PATH, else the one that the test cluster has built."""
    named = os.environ.get("HELM") or shutil.which("helm")
    if named:
        return named
    cache = Path(os.environ.get("CRONITOR_K8S_CACHE") or Path.home() / ".cache" / "cronitor-k8s")
    built = [path for path in cache.glob("**/helm") if path.is_file() and os.access(path, os.X_OK)]
    if not built:
        raise HelmNotFoundError(
            f"helm is neither named by HELM, nor on PATH, nor under {cache}: "
            "install it, or let `python -m tests.cluster up` build it"
        )
    return str(max(built, key=lambda path: path.stat().st_mtime))


def merged(base: Values, changes: Values) -> Manifest:
    """`changes` over `base`, as Helm does it with several values files."""
    result = dict(base)
    for key, value in changes.items():
        below = result.get(key)
        nested = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = merged(below, value) if nested and below else value
    return result


def render(
    changes: Values | None = None,
    *,
    release: str = "cronitor-k8s",
    namespace: str = "cronitor",
    chart: Path = CHART,
    credentials: bool = True,
    policies: bool = False,
) -> list[Manifest]:
    """The objects of the chart, with an API key unless `credentials` is false. They are shared: only read them.

    `policies`: for a cluster that knows ValidatingAdmissionPolicy (Kubernetes 1.30).
    """
    base: Values = {"credentials": {"apiKey": API_KEY}} if credentials else {}
    return _objects(_template(release, namespace, json.dumps(merged(base, changes or {})), chart, policies))


@functools.cache
def _template(release: str, namespace: str, values: str, chart: Path, policies: bool) -> str:
    # Without --kube-version, a helm that was built without version flags takes itself for a Kubernetes 1.20.
    command = [helm_binary(), "template", release, str(chart), "--namespace", namespace, "--values", "-"]
    known = ["--api-versions", f"{POLICY_API}/ValidatingAdmissionPolicy"] if policies else []
    done = subprocess.run(
        [*command, "--kube-version", "1.29.0", *known], input=values, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ChartRefusedError(done.stderr.strip())
    return done.stdout


@functools.cache
def _objects(text: str) -> list[Manifest]:
    # libyaml's loader, where there is one, is ten times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [manifest for manifest in yaml.load_all(text, Loader=loader) if manifest]


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`helm lint --strict` on the chart."""
    command = [helm_binary(), "lint", "--strict", str(CHART), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def notes(scratch: Path, changes: Values | None = None) -> str:
    """What `helm install` prints at its end: a copy of the chart carries it in an object, since `template` omits it."""
    chart = scratch / "cronitor-k8s"
    shutil.copytree(CHART, chart, dirs_exist_ok=True)
    (chart / "templates" / "notes-to-test.yaml").write_text(
        "kind: Notes\nmetadata:\n  name: notes\n"
        'text: {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}\n'
    )
    return str(only(render(changes, chart=chart), "Notes")["text"])


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Every object of that kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def only(manifests: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The one object of that kind (and name)."""
    found = [m for m in of_kind(manifests, kind) if name in (None, m["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} objects of kind {kind} named {name or 'anything'}"
    return found[0]


def pod_template(manifests: list[Manifest], component: str) -> Manifest:
    """The pod template of admission or controller, when the release is named cronitor-k8s."""
    deployment = only(manifests, "Deployment", f"cronitor-k8s-{component}")
    return dict(deployment["spec"]["template"])


def container(manifests: list[Manifest], component: str) -> Manifest:
    """The one container of admission or controller."""
    (found,) = pod_template(manifests, component)["spec"]["containers"]
    return dict(found)


def fullname_of(manifests: list[Manifest]) -> str:
    """The prefix of the names of everything in the release."""
    return str(only(manifests, "MutatingWebhookConfiguration")["metadata"]["name"])


def settings(manifests: list[Manifest], fullname: str = "cronitor-k8s") -> Manifest:
    """The settings document that both processes read."""
    document = json.loads(only(manifests, "ConfigMap", f"{fullname}-settings")["data"]["settings.json"])
    assert isinstance(document, dict)
    return document
