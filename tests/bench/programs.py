"""Builds the bench's Go programs as the cluster's are built, each once for the same source, outside the tree."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from tests.cluster import ClusterError
from tests.cluster.binaries import BUILD_ENVIRONMENT, go, go_version
from tests.cluster.layout import cache
from tests.cluster.locks import exclusively

HERE = Path(__file__).resolve().parent
EMPTY_WEBHOOK = "empty_webhook"
LOAD = "load"


def source_key(name: str, version: str) -> str:
    """The folder's name in the cache: the same source and compiler, the same name."""
    digest = hashlib.sha256(f"{version}\0{sorted(BUILD_ENVIRONMENT.items())}".encode())
    for path in sorted((HERE / name).iterdir()):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return f"bench-{name}-{digest.hexdigest()[:16]}"


def build(name: str) -> Path:
    """The program of that name, built if it is not there yet."""
    source = HERE / name
    target = cache() / "bin" / source_key(name, go_version(source)) / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusively(cache() / "build.lock", "build"), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        partial = Path(scratch) / name
        done = subprocess.run(
            [go(), "build", "-trimpath", "-ldflags", "-s -w", "-o", str(partial), "."],
            cwd=source, env={**os.environ, **BUILD_ENVIRONMENT}, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise ClusterError(f"building {name} failed (go build, exit {done.returncode}):\n{done.stderr}")
        partial.rename(target)
    return target
