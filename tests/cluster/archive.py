"""Makes container images without a registry and without a builder: a docker-archive is a tar of a tar and two JSONs.

Two are made of Debian's busybox-static: the busybox that ordinary manifests name, and the pause container of pods.
"""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.layout import BUSYBOX_IMAGE, PAUSE_IMAGE, cache
from tests.cluster.packages import SYSTEM_PATH
from tests.cluster.progress import Step

PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"
RECIPE = "1"  # part of the cache's key: raise it when what is put into the images changes


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one layer: what is in it and what it runs. Paths have no leading slash."""

    name: str
    command: Sequence[str]
    files: Mapping[str, bytes]
    executable: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, int] = field(default_factory=dict)


def busybox_image(binary: bytes, applets: Sequence[str]) -> Image:
    """Busybox as ordinary manifests expect it: every applet a link, `sh` first among them."""
    links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    return Image(
        BUSYBOX_IMAGE,
        ["sh"],
        {"bin/busybox": binary, "etc/passwd": PASSWD.encode(), "etc/group": GROUP.encode()},
        frozenset({"bin/busybox"}),
        {**links, "usr/bin/env": "../../bin/env"},
        {"bin": 0o755, "etc": 0o755, "home": 0o755, "root": 0o700, "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755,
         "var": 0o755, "var/tmp": 0o1777},
    )  # fmt: skip


def pause_image(binary: bytes) -> Image:
    """What keeps a pod's namespaces: the longest sleep there is."""
    return Image(PAUSE_IMAGE, ["/sleep", "2147483647"], {"sleep": binary}, frozenset({"sleep"}))


def docker_archive(image: Image) -> bytes:
    """The image as a docker-archive. Equal images give equal bytes: no time of day is in it."""
    layer = _layer(image)
    configuration = {
        "architecture": _architecture(),
        "os": "linux",
        "config": {"Cmd": list(image.command), "Env": [f"PATH={SYSTEM_PATH}"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    encoded = json.dumps(configuration, sort_keys=True).encode()
    config_name = f"{hashlib.sha256(encoded).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [image.name], "Layers": ["layer.tar"]}]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (
            (config_name, encoded), ("layer.tar", layer), ("manifest.json", json.dumps(manifest).encode()),
        ):  # fmt: skip
            _add(archive, name, content, 0o644)
    return buffer.getvalue()


def _layer(image: Image) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder, mode in image.folders.items():
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for name, content in image.files.items():
            _add(archive, name, content, 0o755 if name in image.executable else 0o644)
        for name, target in image.links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            archive.addfile(entry)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def node_images() -> list[Path]:
    """The archives that every node needs, made once and kept in the cache."""
    binary = Path("/bin/busybox").read_bytes()
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    key = hashlib.sha256(RECIPE.encode() + binary).hexdigest()[:16]
    folder = cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    archives = []
    for name in ("busybox", "pause"):
        path = folder / f"{name}-{key}.tar"
        if not path.exists():
            image = busybox_image(binary, applets) if name == "busybox" else pause_image(binary)
            with Step(f"making image {image.name}"):
                temporary = path.with_suffix(".part")
                temporary.write_bytes(docker_archive(image))
                temporary.rename(path)
        archives.append(path)
    return archives
