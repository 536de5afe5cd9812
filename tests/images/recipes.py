"""The images that are built for tests: what goes into each, and the key that names what comes out (pure but for
reading the inputs).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.layout import CHECKOUT

BASE_SUITE = "bookworm"
# python3-minimal lacks http.client and pip.
BASE_PACKAGES = ("python3", "python3-pip", "ca-certificates")
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASE_RECIPE = "2"  # part of the base's key: raise it when how the base is made changes


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image: its Dockerfile and what that copies, relative to the checkout."""

    name: str
    inputs: Sequence[str]

    @property
    def dockerfile(self) -> str:
        return f"Dockerfile.{self.name}"

    @property
    def tag(self) -> str:
        return f"docker.io/cronitor-k8s/{self.name}:test"


SIDECAR = Recipe("sidecar", ("requirements/sidecar.txt", "docker/collect.py", "docker/verify.py", "sidecar"))
WEBHOOK = Recipe("webhook", ("requirements/webhook.txt", "docker/remove_installers.py", "webhook"))
ALL = (SIDECAR, WEBHOOK)


def base_key() -> str:
    """The base image's name in the cache."""
    parts = (BASE_RECIPE, BASE_SUITE, *BASE_PACKAGES, BASE_PATH)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def input_files(recipe: Recipe, checkout: Path = CHECKOUT) -> Iterator[Path]:
    """Every file that decides what the image is like; what .dockerignore keeps out does not count."""
    yield checkout / recipe.dockerfile
    yield checkout / ".dockerignore"
    yield checkout / "VERSION"
    for entry in recipe.inputs:
        path = checkout / entry
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (f for f in found if f.is_file() and f.suffix != ".pyc" and "__pycache__" not in f.parts)


def image_key(recipe: Recipe, checkout: Path = CHECKOUT) -> str:
    """The archive's name in the cache: the same inputs, the same name."""
    digest = hashlib.sha256(base_key().encode())
    for path in input_files(recipe, checkout):
        digest.update(f"\0{path.relative_to(checkout)}\0{path.stat().st_mode & 0o111}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{recipe.name}-{digest.hexdigest()[:16]}"
