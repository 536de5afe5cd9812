"""`CLUSTER=current`: the cluster of the current kubectl context in place of our own, for demo and end-to-end tests."""

import os
import subprocess
from pathlib import Path

from tests.cluster.errors import ClusterError


def chosen() -> bool:
    """Whether the environment asks for the current kubectl context."""
    wanted = os.environ.get("CLUSTER", "")
    if wanted not in ("", "own", "current"):
        raise ClusterError(f"CLUSTER={wanted}: known are `current` (the current kubectl context) and `own`")
    return wanted == "current"


def check() -> str:
    """Makes sure that the context's API server answers; returns the context's name."""
    context = _kubectl("config", "current-context").strip()
    _kubectl("get", "--raw", "/readyz", "--request-timeout=10s")
    return context


def environment() -> dict[str, str]:
    """NODE_IP of the first node, and KUBECONFIG as kubectl reads it."""
    path = '{.items[0].status.addresses[?(@.type=="InternalIP")].address}'
    addresses = _kubectl("get", "nodes", f"-o=jsonpath={path}").split()
    if not addresses:
        raise ClusterError("the current context's first node has no InternalIP")
    default = str(Path("~/.kube/config").expanduser())
    return {"NODE_IP": addresses[0], "KUBECONFIG": os.environ.get("KUBECONFIG") or default}


def _kubectl(*arguments: str) -> str:
    try:
        done = subprocess.run(["kubectl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        raise ClusterError("CLUSTER=current needs kubectl on PATH") from None
    if done.returncode:
        raise ClusterError(f"the current kubectl context does not answer: {done.stderr.strip()}")
    return done.stdout
