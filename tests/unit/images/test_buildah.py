"""How buildah is started, and which of the machine's pip settings a build gets."""

from pathlib import Path

from tests.images import buildah

LISTED = """\
:env:.index-url='https://mirror.example/simple'
:env:.cert='/elsewhere/ca.pem'
:env:.find-links='/folder/wheels'
global.index-url='https://other.example/simple'
install.trusted-host='mirror.example'
"""


def test_the_machines_index_is_used_in_the_build() -> None:
    lines = buildah.pip_configuration(LISTED).splitlines()
    assert lines[0] == "[global]"
    assert "index-url = https://mirror.example/simple" in lines
    assert "trusted-host = mirror.example" in lines


def test_folders_of_the_machine_do_not_count_in_the_build() -> None:
    assert "find-links" not in buildah.pip_configuration(LISTED)


def test_the_machines_bundle_is_seen_where_no_image_takes_it_from() -> None:
    assert f"cert = {buildah.BUNDLE_INSIDE}" in buildah.pip_configuration("").splitlines()
    assert not buildah.BUNDLE_INSIDE.startswith("/etc/ssl")


def test_a_build_pulls_nothing_and_passes_the_arguments() -> None:
    command = buildah.build_command(
        "name:tag", Path("/tree/Dockerfile.x"), Path("/tree"), Path("/settings"), Path("/ca.crt"), {"VERSION": "1.2.3"}
    )
    assert "--pull-never" in command
    assert "--build-arg=VERSION=1.2.3" in command
    assert f"--volume=/ca.crt:{buildah.BUNDLE_INSIDE}:ro" in command
    assert command[-3:] == ["--file=/tree/Dockerfile.x", "--tag=name:tag", "/tree"]
