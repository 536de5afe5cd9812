"""A real Kubernetes on this machine for the tests: `up()`, `down()`, `run(…)` inside its network, `environment()`.

The same from a shell: `python -m tests.cluster`. With CLUSTER=current in the environment all of it speaks of the
cluster of the current kubectl context instead.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster import current, lifecycle, sandbox
from tests.cluster.errors import ClusterError
from tests.cluster.layout import KUBECONFIG, NODE_IP
from tests.cluster.progress import say

__all__ = [
    "ClusterError", "command_line", "down", "environment", "load", "restart_component", "run", "start_component",
    "stop_component", "up",
]  # fmt: skip


def up(*, fresh: bool = False) -> None:
    """Starts the cluster, building what is missing, unless it is up already; returns when the node is ready."""
    if current.chosen():
        say(f"using the current kubectl context: {current.check()}")
    else:
        lifecycle.up(fresh=fresh)


def down() -> None:
    """Takes the cluster down, leaving nothing of it."""
    if current.chosen():
        say(f"left as it is, the current kubectl context: {current.check()}")
    else:
        lifecycle.down()


def environment() -> dict[str, str]:
    """What a command needs to reach the cluster: NODE_IP, KUBECONFIG, and a PATH with the right kubectl and helm."""
    if current.chosen():
        return {**current.environment(), "PATH": os.environ.get("PATH", os.defpath)}
    state = lifecycle.running_state()
    path = os.pathsep.join([*state.path, os.environ.get("PATH", os.defpath)])
    return {"NODE_IP": NODE_IP, "KUBECONFIG": str(KUBECONFIG), "PATH": path}


def command_line(command: Sequence[str]) -> list[str]:
    """The command as it is started from outside, so that it runs where the cluster's addresses are its own."""
    return list(command) if current.chosen() else [*sandbox.IN_NETWORK, *command]


def run(
    command: Sequence[str],
    *,
    check: bool = True,
    stdin: str | None = None,
    timeout: float | None = None,
    extra_environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a command inside the cluster's network and keeps what it prints; a failure shows its error output."""
    done = subprocess.run(
        command_line(command), input=stdin if stdin is not None else "", capture_output=True, text=True,
        timeout=timeout, env={**os.environ, **environment(), **(extra_environment or {})},
    )  # fmt: skip
    if check and done.returncode:
        raise ClusterError(f"`{' '.join(command)}` failed (exit {done.returncode}): {done.stderr.strip()}")
    return done


def load(image: Path) -> None:
    """Gives the node an image from a docker-archive tar."""
    if current.chosen():
        raise ClusterError(f"CLUSTER=current: load {image} with that cluster's own means, or push it to its registry")
    lifecycle.load(image)


def stop_component(name: str, signal_number: signal.Signals = signal.SIGTERM) -> None:
    """Ends one component (such as `kube-apiserver`), for tests of faults."""
    lifecycle.stop(name, signal_number)


def start_component(name: str) -> None:
    """Starts a component that was ended."""
    lifecycle.start(name)


def restart_component(name: str, signal_number: signal.Signals = signal.SIGTERM) -> None:
    """Ends one component and starts it again."""
    lifecycle.restart(name, signal_number)
