"""What disturbs everything on the node: made one after another, each with its own rows.

Each row does its `fault` first; when all have, the storm begins; then each row's `meanwhile`, and when the storm has
passed its `after`.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests import cluster
from tests.e2e.faults import acts
from tests.e2e.faults.deletions import scheduled
from tests.e2e.faults.rows import ANY, COMPLETE, EITHER, RUN, Heard, Row, by_controller, nothing
from tests.e2e.faults.scene import Scene
from tests.e2e.world import eventually

API_SERVER = "kube-apiserver"


@dataclass(frozen=True, slots=True)
class Storm:
    """`begins` and `passes` are called once; `passes` returns when all is as before."""

    name: str
    rows: tuple[Row, ...]
    begins: Callable[[Scene], None]
    passes: Callable[[Scene], None] = nothing


def restarts(component: str, signal_number: signal.Signals) -> Callable[[Scene], None]:
    return lambda _scene: cluster.restart_component(component, signal_number)


def stops(component: str, signal_number: signal.Signals) -> Callable[[Scene], None]:
    return lambda _scene: cluster.stop_component(component, signal_number)


def starts(component: str) -> Callable[[Scene], None]:
    def start(_scene: Scene) -> None:
        cluster.start_component(component)
        command = ["kubectl", "get", "--raw", "/readyz", "--request-timeout=2s"]
        eventually(lambda: cluster.run(command, check=False).returncode == 0, "an API server that is ready")

    return start


def cronitor_closes(scene: Scene) -> None:
    scene.cronitor.fault("refuse")


def cronitor_opens(scene: Scene) -> None:
    scene.cronitor.clear_faults()


def told(scene: Scene) -> None:
    scene.told()
    scene.journaled()


def watch_broken(scene: Scene) -> None:
    scene.logged("failures=3")


def ends_and_leaves(scene: Scene) -> None:
    """Nobody but the node sees the work end, and our container with it."""
    scene.end()
    scene.logged("event=leaving")


def killed_and_back(scene: Scene) -> None:
    scene.kill()
    scene.logged("event=started", 2)


def recovers_and_ends(scene: Scene) -> None:
    """Not before the API shows the new incarnation does it know that there was one before it."""
    scene.logged("journal_recovered")
    scene.end()


def tries_again(scene: Scene) -> None:
    scene.end()
    scene.logged("telling_again")


def mid_run(name: str, **more: object) -> Row:
    return Row(f"{name}-in-mid-run", told, after=acts.ends, **more)  # type: ignore[arg-type]


STORMS = (
    Storm(
        "api-server-restarted",
        (mid_run("api-server-restarted", logged=("watch_broken",)),
         Row("api-server-restarted-at-the-start", scheduled, after=acts.ends)),
        restarts(API_SERVER, signal.SIGTERM),
    ),
    Storm(
        "api-server-killed",
        (Row("api-server-killed-in-mid-run", told, meanwhile=watch_broken, after=acts.ends, logged=("watch_expired",)),
         Row("api-server-killed-and-the-work-ends", told, (RUN, by_controller("complete", 0)),
             meanwhile=ends_and_leaves, logged=("left_to_controller",)),
         # An API server that is just back may show the end too late for the sidecar, which leaves with its pod.
         Row("api-server-killed-and-the-sidecar", told, (RUN, Heard("complete", 0, COMPLETE.message, EITHER)),
             meanwhile=killed_and_back, after=recovers_and_ends, restarts=1)),
        stops(API_SERVER, signal.SIGKILL),
        starts(API_SERVER),
    ),
    Storm(
        "cronitor-closed",
        (mid_run("cronitor-closed"),
         Row("cronitor-closed-at-the-end", told, (RUN, Heard("complete", 0, COMPLETE.message)), meanwhile=tries_again,
             logged=("telling_again",))),
        cronitor_closes,
        cronitor_opens,
    ),
    Storm(
        "kubelet-killed",
        (mid_run("kubelet-killed"), Row("kubelet-killed-and-the-work-ends", told, meanwhile=acts.ends)),
        stops("kubelet", signal.SIGKILL),
        starts("kubelet"),
    ),
    Storm(
        "containerd-killed",
        (mid_run("containerd-killed"),
         Row("containerd-killed-and-the-work-ends", told, (RUN, Heard("complete", 0, ANY)), meanwhile=acts.ends)),
        stops("containerd", signal.SIGKILL),
        starts("containerd"),
    ),
)  # fmt: skip
