"""The images made without a builder: what containerd reads in them."""

import hashlib
import io
import json
import tarfile

from tests.cluster.archive import Image, busybox_image, docker_archive, pause_image


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {m.name: (opened.extractfile(m) or io.BytesIO()).read() for m in opened if m.isfile()}


def layer_of(image: Image) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(members(docker_archive(image))["layer.tar"]))


def test_the_manifest_names_configuration_and_layer_by_their_digests() -> None:
    found = members(docker_archive(pause_image(b"program")))
    (manifest,) = json.loads(found["manifest.json"])
    configuration = json.loads(found[manifest["Config"]])
    assert manifest["RepoTags"] == ["docker.io/cronitor-k8s/pause:1"]
    assert manifest["Config"] == f"{hashlib.sha256(found[manifest['Config']]).hexdigest()}.json"
    digest = hashlib.sha256(found[manifest["Layers"][0]]).hexdigest()
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert configuration["config"]["Cmd"] == ["/sleep", "2147483647"]
    assert configuration["os"] == "linux"


def test_equal_images_are_equal_bytes() -> None:
    image = busybox_image(b"program", ["sh", "ls"])
    assert docker_archive(image) == docker_archive(image)


def test_busybox_has_every_applet_and_the_users_that_manifests_count_on() -> None:
    with layer_of(busybox_image(b"program", ["busybox", "sh", "ls"])) as layer:
        program = layer.getmember("bin/busybox")
        assert program.isfile()
        assert program.mode == 0o755
        for applet in ("bin/sh", "bin/ls"):
            assert layer.getmember(applet).linkname == "busybox"
        assert layer.getmember("tmp").mode == 0o1777
        passwd = layer.extractfile("etc/passwd")
        assert passwd is not None
        users = passwd.read().decode()
    assert "root:x:0:0:" in users
    assert "nobody:x:65534:65534:" in users
