"""Builds Dockerfiles with buildah: no daemon, no registry, its storage in our cache and no mount left behind."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.layout import CHECKOUT, cache
from tests.cluster.packages import SYSTEM_PATH
from tests.cluster.progress import Step

LOG_LINES = 40
# The machine's own pip settings that a build may need; the rest concern only the machine itself.
PIP_SETTINGS = (
    "cert", "default-timeout", "extra-index-url", "index-url", "proxy", "retries", "timeout", "trusted-host",
)  # fmt: skip
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
# Where the machine's bundle is seen in the build: not in the bundle's usual place, whose content goes into an image.
BUNDLE_INSIDE = "/run/machine-ca.crt"


def pip_configuration(listed: str) -> str:
    """A pip.conf for the build, from what `pip config list` says of this machine."""
    settings: dict[str, str] = {}
    for line in listed.splitlines():
        key, equals, value = line.partition("=")
        name = key.strip().rpartition(".")[2]
        # The environment, the strongest source, is listed first.
        if equals and name in PIP_SETTINGS and name not in settings:
            settings[name] = value.strip().strip("'\"")
    settings["cert"] = BUNDLE_INSIDE
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(settings.items()))


def prefix() -> list[str]:
    """Buildah with our storage, in a mount namespace of its own (it leaves mounts behind), ended with its starter."""
    storage = cache() / "buildah"
    return [
        "unshare", "--mount", "--propagation", "private", "--",
        "setpriv", "--pdeathsig", "KILL", "--",
        "buildah", f"--root={storage}/storage", f"--runroot={storage}/run", "--storage-driver=overlay",
    ]  # fmt: skip


def build_command(
    tag: str, dockerfile: Path, context: Path, settings: Path, bundle: Path, arguments: Mapping[str, str]
) -> list[str]:
    """The whole command line of one build. `settings` holds pip.conf and policy.json."""
    return [
        *prefix(), f"--signature-policy={settings}/policy.json", "build",
        "--isolation=chroot", "--network=host", "--layers", "--pull-never", "--format=docker", "--timestamp=0",
        f"--volume={bundle}:{BUNDLE_INSIDE}:ro", f"--volume={settings}/pip.conf:/etc/pip.conf:ro",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        f"--file={dockerfile}", f"--tag={tag}", str(context),
    ]  # fmt: skip


def build(tag: str, dockerfile: Path, context: Path, arguments: Mapping[str, str]) -> None:
    """Builds one image into the storage."""
    with tempfile.TemporaryDirectory(prefix="cronitor-k8s-build-") as settings:
        (Path(settings) / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        (Path(settings) / "pip.conf").write_text(pip_configuration(_pip_config_list()))
        run(build_command(tag, dockerfile, context, Path(settings), _bundle(), arguments), f"building {tag}")


def exists(tag: str) -> bool:
    """Whether the storage has the image."""
    command = [*prefix(), "inspect", "--type=image", tag]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=_environment()).returncode == 0


def push(tag: str, archive: Path) -> None:
    """Writes the image as a docker-archive."""
    with tempfile.TemporaryDirectory(prefix="cronitor-k8s-build-") as settings:
        policy = Path(settings) / "policy.json"
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        command = [*prefix(), f"--signature-policy={policy}", "push", tag, f"docker-archive:{archive}:{tag}"]
        run(command, f"writing {tag}")


def run(command: Sequence[str], title: str) -> None:
    """Runs a long command with its time shown; a failure shows the end of what it printed."""
    with Step(title) as step, tempfile.TemporaryFile("w+", errors="replace") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), cwd=CHECKOUT
        )
        while True:
            try:
                status = child.wait(timeout=1)
                break
            except subprocess.TimeoutExpired:
                step.tick()
        if status:
            log.seek(0)
            tail = "".join(log.readlines()[-LOG_LINES:])
            raise ClusterError(f"{title} failed (exit {status}):\n{tail}")


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}", "DEBIAN_FRONTEND": "noninteractive"}


def _pip_config_list() -> str:
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout


def _bundle() -> Path:
    named = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    for path in (*([named] if named else []), *BUNDLES):
        if Path(path).is_file():
            return Path(path)
    raise ClusterError("this machine has no CA bundle (install ca-certificates)")
