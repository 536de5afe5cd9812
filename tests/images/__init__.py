"""Builds both images as they are (Dockerfile.webhook, Dockerfile.sidecar) with no container registry, for the tests.

Their base is made by debootstrap in place of `python:3.13-slim`; each image is built once for the same inputs.
"""

import json
import shutil
import tarfile
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests import cluster
from tests.cluster import lifecycle, packages
from tests.cluster.layout import CHECKOUT, cache
from tests.cluster.locks import exclusively
from tests.cluster.progress import say
from tests.images import buildah
from tests.images.recipes import ALL, BASE_PACKAGES, BASE_PATH, BASE_SUITE, Recipe, base_key, image_key

KEPT = 3  # archives of one image: going back to a branch need not build again

# What the slim images leave out as well.
UNNEEDED = (
    "usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man",
    "var/cache/apt", "var/cache/debconf", "var/lib/apt/lists", "var/log",
)  # fmt: skip

__all__ = ["Built", "build", "load"]


@dataclass(frozen=True, slots=True)
class Built:
    """An image in the cache. Sizes in bytes: of all layers as they are, and as a registry would keep them."""

    tag: str
    archive: Path
    size: int
    compressed: int


def build() -> list[Built]:
    """Builds what has changed; returns all."""
    lifecycle.require_root()
    packages.require(packages.IMAGE_PACKAGES)
    with exclusively(cache() / "images.lock", "image build"):
        return [_built(recipe) for recipe in ALL]


def load(images: list[Built]) -> None:
    """Gives the images to the cluster's node, unless it has them already."""
    loaded = {image.tag: image.archive.name for image in images}
    if lifecycle.loaded_images() == loaded:
        say("the node has the images already")
        return
    for image in images:
        started = time.monotonic()
        cluster.load(image.archive)
        say(f"{image.tag}: loaded, {time.monotonic() - started:.1f} s")
    lifecycle.note_loaded(loaded)


def _built(recipe: Recipe) -> Built:
    folder = cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{image_key(recipe)}.tar"
    started = time.monotonic()
    if fresh := not archive.exists():
        arguments = {"PYTHON_IMAGE": _base(), "VERSION": (CHECKOUT / "VERSION").read_text().strip()}
        buildah.build(recipe.tag, CHECKOUT / recipe.dockerfile, CHECKOUT, arguments)
        partial = archive.with_suffix(".part")
        partial.unlink(missing_ok=True)
        buildah.push(recipe.tag, partial)
        archive.with_suffix(".sizes").write_text("{} {}\n".format(*_sizes(partial)))
        partial.rename(archive)
        _prune(recipe, folder)
    archive.touch()
    size, compressed = map(int, archive.with_suffix(".sizes").read_text().split())
    took = f"built, {time.monotonic() - started:.0f} s" if fresh else "nothing changed"
    say(f"{recipe.tag}: {size / 1e6:.1f} MB, compressed {compressed / 1e6:.1f} MB ({took})")
    return Built(recipe.tag, archive, size, compressed)


def _base() -> str:
    """The image that stands in for `python:3.13-slim`: Debian with its Python and pip, nothing else."""
    tag = f"localhost/cronitor-k8s/python-base:{base_key()}"
    if buildah.exists(tag):
        return tag
    work = cache() / "base"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="base-", dir=work) as folder:
        root = Path(folder) / "root"
        include = f"--include={','.join(BASE_PACKAGES)}"
        # In a mount namespace of its own: it mounts /proc in the new root, and may be killed in between.
        wrapped = ["unshare", "--mount", "--propagation", "private", "--", "setpriv", "--pdeathsig", "KILL", "--"]
        command = [*wrapped, "debootstrap", "--variant=minbase", include, BASE_SUITE, str(root)]
        buildah.run(command, "making the base image (debootstrap)")
        for unneeded in UNNEEDED:
            for entry in (root / unneeded).iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        dockerfile = Path(folder) / "Dockerfile"
        dockerfile.write_text(f'FROM scratch\nCOPY root/ /\nENV PATH={BASE_PATH} LANG=C.UTF-8\nCMD ["python3"]\n')
        buildah.build(tag, dockerfile, Path(folder), {})
    return tag


def _sizes(archive: Path) -> tuple[int, int]:
    """All layers together, as they are and gzipped, as registries keep them. Most are those of the last build."""
    known_file = archive.parent / "layers.json"
    known: dict[str, list[int]] = json.loads(known_file.read_text()) if known_file.exists() else {}
    found: dict[str, list[int]] = {}
    with tarfile.open(archive) as images:
        for layer in images:
            content = images.extractfile(layer) if layer.isfile() and layer.name.endswith(".tar") else None
            if content is not None:
                found[layer.name] = known.get(layer.name) or _sizes_of_layer(content)
    known_file.write_text(json.dumps({**known, **found}))
    return sum(size for size, _ in found.values()), sum(compressed for _, compressed in found.values())


def _sizes_of_layer(content: IO[bytes]) -> list[int]:
    size = compressed = 0
    gzip = zlib.compressobj(6, wbits=31)
    while block := content.read(1 << 20):
        size += len(block)
        compressed += len(gzip.compress(block))
    return [size, compressed + len(gzip.flush())]


def _prune(recipe: Recipe, folder: Path) -> None:
    archives = sorted(folder.glob(f"{recipe.name}-*.tar"), key=lambda path: path.stat().st_mtime)
    for old in archives[:-KEPT]:
        old.unlink()
        old.with_suffix(".sizes").unlink(missing_ok=True)
