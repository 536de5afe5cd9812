"""Brings the cluster up and down, and says how it is: every step in order, one cluster on a machine at a time."""

import datetime
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import archive, binaries, certificates, components, packages, processes, sandbox
from tests.cluster.components import Plan
from tests.cluster.errors import ClusterError
from tests.cluster.layout import (
    CHECKOUT,
    CONTAINERD_SOCKET,
    KUBECONFIG,
    LOADED,
    NODE_NAME,
    RUN,
    STATE,
    log_of,
)
from tests.cluster.locks import exclusively
from tests.cluster.processes import Process, wait_until
from tests.cluster.progress import Step, say

READY_SECONDS = 120.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class State:
    """What an `up` wrote down: whose cluster it is, made of what, and which processes it is."""

    checkout: str
    inputs: str
    path: list[str]
    init: Process
    components: dict[str, Process]
    ready: bool = False

    def write(self) -> None:
        document = {
            "checkout": self.checkout, "inputs": self.inputs, "path": self.path, "ready": self.ready,
            "init": [self.init.pid, self.init.started],
            "components": {name: [p.pid, p.started] for name, p in self.components.items()},
        }  # fmt: skip
        temporary = STATE.with_suffix(".part")
        temporary.write_text(json.dumps(document, indent=1))
        temporary.rename(STATE)

    @classmethod
    def read(cls) -> "State | None":
        try:
            document = json.loads(STATE.read_text())
            return cls(
                document["checkout"], document["inputs"], document["path"], Process(*document["init"]),
                {name: Process(*known) for name, known in document["components"].items()}, document["ready"],
            )  # fmt: skip
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None  # none, or cut short: either way nothing is known of the cluster


def require_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError("the cluster needs root (namespaces, mounts, cgroups): run this as root, or with sudo")


def up(*, fresh: bool = False) -> None:
    """Builds what is missing, then starts a cluster, unless this checkout's is up with the same inputs."""
    require_root()
    packages.require(packages.CLUSTER_PACKAGES)
    folders = binaries.build()
    images = archive.node_images()
    plan = components.plan(_locate(folders))
    inputs = hashlib.sha256("\0".join([plan.text(), *map(str, images)]).encode()).hexdigest()[:16]
    with exclusively():
        state = State.read()
        same = state is not None and (state.checkout, state.inputs) == (str(CHECKOUT), inputs)
        if state and same and not fresh and state.ready and not ailments(state):
            say("the cluster is up already")
            return
        if sandbox.exists():
            _take_down("taking the old cluster down" + (f" ({state.checkout})" if state and not same else ""))
        started = time.monotonic()
        state = _start(plan, State(str(CHECKOUT), inputs, [str(f) for f in folders], Process(0, ""), {}), images)
        say(f"node {NODE_NAME} is ready, {time.monotonic() - started:.1f} s after the start")


def down() -> None:
    """Takes down whatever is there, from whichever checkout, however it was left."""
    require_root()
    with exclusively():
        if sandbox.exists():
            _take_down("taking the cluster down")
        else:
            sandbox.destroy()  # cgroups may be left even so
            say("no cluster is up")


def ailments(state: State | None) -> list[str]:
    """What is wrong with the cluster; nothing if it is healthy."""
    if state is None:
        return ["no cluster is up"]
    if not processes.alive(state.init):
        return ["the cluster's namespaces are gone"]
    dead = [name for name in components.NAMES if name not in state.components or not alive(state, name)]
    if dead:
        return [f"not running: {', '.join(dead)}"]
    if not _answers(state):
        return ["the API server is not ready"]
    return [] if _node_is_ready(state) else [f"node {NODE_NAME} is not ready"]


def alive(state: State, component: str) -> bool:
    return processes.alive(state.components[component])


def stop(component: str, signal_number: signal.Signals = signal.SIGTERM) -> None:
    """Ends one component, for tests of faults; `start` brings it back."""
    with exclusively():
        state = running_state()
        processes.stop_group(_known(state, component), signal_number, STOP_SECONDS)


def start(component: str) -> None:
    """Starts a component that `stop` ended, as it was."""
    with exclusively():
        state = running_state()
        if not alive(state, component):
            plan = components.plan(_locate([Path(folder) for folder in state.path]))
            _start_component(component, plan, state)
            state.write()


def restart(component: str, signal_number: signal.Signals = signal.SIGTERM) -> None:
    """Ends one component and starts it again."""
    _known(running_state(), component)
    stop(component, signal_number)
    start(component)
    if component == "kube-apiserver":
        state = running_state()
        _wait(state, component, lambda: _answers(state))


def running_state() -> State:
    """The state of the cluster that is up; an error that says how to start one if none is."""
    state = State.read()
    if state is None or not processes.alive(state.init):
        raise ClusterError("no cluster is up: start one with `python -m tests.cluster up`")
    return state


def load(image: Path) -> None:
    """Gives the node an image from a docker-archive or OCI tar."""
    running_state()
    if not image.is_file():
        raise ClusterError(f"no such image archive: {image}")
    LOADED.unlink(missing_ok=True)  # whoever loads by hand may have put another image in place of a noted one
    processes.run(["ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images", "import", str(image)])


def loaded_images() -> dict[str, str]:
    """Which archive each image of the tests was last loaded from, by its tag; nothing if that is not known."""
    running_state()
    try:
        noted: dict[str, str] = json.loads(LOADED.read_text())
    except FileNotFoundError:
        return {}
    return noted


def note_loaded(archives: dict[str, str]) -> None:
    """Writes down what `loaded_images` answers."""
    LOADED.write_text(json.dumps(archives))


def _known(state: State, component: str) -> Process:
    if component not in state.components:
        raise ClusterError(f"no component {component}: there are {', '.join(components.NAMES)}")
    return state.components[component]


def _locate(folders: Sequence[Path]) -> dict[str, Path]:
    built = {name: folder / name for folder in folders for name in os.listdir(folder)}
    return {**built, "containerd": Path("/usr/bin/containerd")}


def _take_down(title: str) -> None:
    with Step(title):
        sandbox.destroy()


def _start(plan: Plan, state: State, images: Sequence[Path]) -> State:
    RUN.mkdir(parents=True, mode=0o755)
    for name, text in plan.files.items():
        (RUN / name).parent.mkdir(parents=True, exist_ok=True)
        (RUN / name).write_text(text)
        (RUN / name).chmod(0o600)
    certificates.write(components.PKI, datetime.datetime.now(datetime.UTC))
    state = State(state.checkout, state.inputs, state.path, sandbox.create(), {})
    state.write()
    with Step("starting etcd, containerd and the API server"):
        for name in components.FIRST:
            _start_component(name, plan, state)
        _wait(state, "containerd", _containerd_answers)
        for image in images:
            load(image)
        _wait(state, "kube-apiserver", lambda: _answers(state))
    with Step("starting the controllers, the scheduler, kube-proxy and the kubelet"):
        for name in components.AFTER_API_SERVER:
            _start_component(name, plan, state)
        _wait(state, "kubelet", lambda: _node_is_ready(state))
        # No pod is admitted before it is there.
        _wait(state, "kube-controller-manager", lambda: _has_default_account(state))
    ready = State(state.checkout, state.inputs, state.path, state.init, state.components, ready=True)
    ready.write()
    return ready


def _start_component(name: str, plan: Plan, state: State) -> None:
    command = [*sandbox.inside(state.init), *plan.commands[name]]
    state.components[name] = processes.spawn(command, log_of(name), sandbox.environment())
    state.write()


def _wait(state: State, component: str, condition: Callable[[], bool]) -> None:
    """Waits for a component to do what it is there for; if it dies or takes too long, the end of its log is told."""
    dead: list[str] = []

    def settled() -> bool:
        dead[:] = [name for name in state.components if not alive(state, name)]
        return bool(dead) or condition()

    if wait_until(settled, READY_SECONDS) and not dead:
        return
    name = dead[0] if dead else component
    what = "ended" if dead else f"was not ready after {READY_SECONDS:.0f} s"
    raise ClusterError(f"{name} {what}; the end of {log_of(name)}:\n{processes.tail(log_of(name))}")


def _containerd_answers() -> bool:
    return processes.run(["ctr", f"--address={CONTAINERD_SOCKET}", "version"], check=False).returncode == 0


def _kubectl(state: State, *arguments: str) -> str | None:
    kubectl = str(_locate([Path(folder) for folder in state.path])["kubectl"])
    command = [*sandbox.IN_NETWORK, kubectl, f"--kubeconfig={KUBECONFIG}", "--request-timeout=5s", *arguments]
    done = processes.run(command, check=False)
    return done.stdout if done.returncode == 0 else None


def _answers(state: State) -> bool:
    return _kubectl(state, "get", "--raw", "/readyz") is not None


def _node_is_ready(state: State) -> bool:
    path = '{.status.conditions[?(@.type=="Ready")].status}'
    return _kubectl(state, "get", "node", NODE_NAME, f"-o=jsonpath={path}") == "True"


def _has_default_account(state: State) -> bool:
    return _kubectl(state, "get", "serviceaccount", "default", "--namespace=default") is not None
