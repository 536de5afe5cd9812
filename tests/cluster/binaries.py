"""Builds Kubernetes, etcd and helm from their Go modules, at the versions pinned in modules/, once per machine.

Each module has its own folder in the cache, named by a hash of all that decides what comes out of it. A binary is
built under a temporary name and renamed, so that one which is there is whole.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.layout import MODULES, cache
from tests.cluster.locks import exclusively
from tests.cluster.progress import Step

BUILD_ENVIRONMENT: Mapping[str, str] = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
LOG_LINES = 30


@dataclass(frozen=True, slots=True)
class Module:
    """One folder of modules/: binaries by name, each with the package that is its main."""

    name: str
    packages: Mapping[str, str]
    version_from: str | None = None  # the requirement whose version is stamped into the binaries


KUBERNETES = Module(
    "kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
        )
    },
    version_from="k8s.io/kubernetes",
)  # fmt: skip
ETCD = Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"})
HELM = Module("helm", {"helm": "helm.sh/helm/v3/cmd/helm"})
ALL = (KUBERNETES, ETCD, HELM)


def required_version(go_mod: str, requirement: str) -> str:
    """The version of a requirement in the text of a go.mod, such as `v1.35.4`."""
    found = re.search(rf"^(?:require\s+|\s+){re.escape(requirement)}\s+(v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ClusterError(f"go.mod does not require {requirement}")
    return found.group(1)


def link_flags(module: Module, go_mod: str) -> str:
    """What the linker is told. Without the version, the API server reports v0.0.0 and clients misjudge it."""
    flags = "-s -w"
    if module.version_from:
        version = required_version(go_mod, module.version_from)
        major, minor = version.removeprefix("v").split(".")[:2]
        for name, value in (("gitVersion", version), ("gitMajor", major), ("gitMinor", minor)):
            flags += f" -X k8s.io/component-base/version.{name}={value}"
    return flags


def cache_key(module: Module, go_mod: str, go_sum: str, go_version: str) -> str:
    """The folder's name in the cache: the same inputs, the same name."""
    environment = sorted(BUILD_ENVIRONMENT.items())
    parts = (go_mod, go_sum, go_version, link_flags(module, go_mod), repr(environment), repr(sorted(module.packages)))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"{module.name}-{digest[:16]}"


def build() -> list[Path]:
    """Builds what is missing; returns the folders with the binaries, fit for PATH."""
    return [_build_module(module) for module in ALL]


def _build_module(module: Module) -> Path:
    source = MODULES / module.name
    go_mod, go_sum = ((source / name).read_text() for name in ("go.mod", "go.sum"))
    folder = cache() / "bin" / cache_key(module, go_mod, go_sum, go_version(source))
    folder.mkdir(parents=True, exist_ok=True)
    if all((folder / name).exists() for name in module.packages):
        return folder
    with exclusively(cache() / "build.lock", "build"):
        for abandoned in folder.glob(".*"):  # by a build that was killed
            shutil.rmtree(abandoned)
        for name, package in module.packages.items():
            if not (folder / name).exists():
                _build_binary(name, package, source, link_flags(module, go_mod), folder)
    return folder


def _build_binary(name: str, package: str, source: Path, flags: str, folder: Path) -> None:
    with (
        Step(f"building {name}") as step,
        tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as scratch,
        open(Path(scratch) / "log", "w+") as log,
    ):
        target = Path(scratch) / name
        # The kernel ends the build with whoever asked for it, so that a killed `up` leaves no compiler behind.
        command = ["setpriv", "--pdeathsig", "KILL", "--", go(), "build", "-trimpath", "-ldflags", flags]
        build = subprocess.Popen(
            [*command, "-o", str(target), package],
            cwd=source, env={**os.environ, **BUILD_ENVIRONMENT}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        while True:
            try:
                status = build.wait(timeout=1)
                break
            except subprocess.TimeoutExpired:
                step.tick()
        if status:
            log.seek(0)
            tail = "".join(log.readlines()[-LOG_LINES:])
            raise ClusterError(f"building {name} failed (go build, exit {status}):\n{tail}")
        target.rename(folder / name)


def go() -> str:
    """The Go toolchain's program."""
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if found is None:
        raise ClusterError("the cluster is built from Go modules, and there is no `go` on PATH")
    return found


def go_version(source: Path) -> str:
    """The version that builds the module in `source`, which may ask for another than the one on PATH."""
    done = subprocess.run([go(), "env", "GOVERSION"], cwd=source, capture_output=True, text=True)
    if done.returncode:
        raise ClusterError(f"`go env GOVERSION` failed in {source}:\n{done.stderr}")
    return done.stdout.strip()
