"""Installs the Debian packages that the cluster and the image builds stand on, where they are absent."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.progress import Step

# Package → a program or folder that shows it is there. Looked up without dpkg, so that any other way of
# installing them counts as well.
CLUSTER_PACKAGES: Mapping[str, str] = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "iptables",
    "nftables": "nft",
    "iproute2": "ip",
    "conntrack": "conntrack",
    "busybox-static": "busybox",
    "curl": "curl",
    "jq": "jq",
}
IMAGE_PACKAGES: Mapping[str, str] = {"buildah": "buildah", "debootstrap": "debootstrap"}

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing(packages: Mapping[str, str], path: str = SYSTEM_PATH) -> list[str]:
    """Which of the packages are not there yet."""
    return [name for name, proof in packages.items() if not _present(proof, path)]


def _present(proof: str, path: str) -> bool:
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof, path=path) is not None


def require(packages: Mapping[str, str]) -> None:
    """Installs what is absent; does nothing, and asks nobody, when all is there."""
    absent = missing(packages)
    if not absent:
        return
    if shutil.which("apt-get", path=SYSTEM_PATH) is None:
        raise ClusterError(f"missing: {', '.join(absent)}; this machine has no apt-get, so install them yourself")
    with Step(f"installing {' '.join(absent)}"):
        # A source list that does not answer must not matter as long as the packages can be installed.
        _apt("update", check=False)
        _apt("install", "-y", "--no-install-recommends", *absent, check=True)
    still = missing(packages)
    if still:
        raise ClusterError(f"apt-get installed {', '.join(still)}, but what they bring is not on {SYSTEM_PATH}")


def _apt(*arguments: str, check: bool) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-q", *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if check and done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise ClusterError(f"apt-get {arguments[0]} failed (exit {done.returncode}):\n{tail}")
