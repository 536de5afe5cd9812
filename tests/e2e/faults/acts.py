"""The faults: each is done to one row's Job, at the moment that its name says, and ends with the Job's work ended."""

import os
import signal
from collections.abc import Callable
from typing import Any

from tests.e2e.faults import processes
from tests.e2e.faults.controller import controller_away
from tests.e2e.faults.network import Way
from tests.e2e.faults.scene import Scene
from tests.e2e.world import eventually

Act = Callable[[Scene], None]
SECRET = "cronitor-sidecar"


def ends(scene: Scene) -> None:
    scene.end()


def ends_once_told(scene: Scene) -> None:
    scene.told()
    scene.end()


def fails(scene: Scene) -> None:
    scene.end(7)


# --- the watch and the API server ----------------------------------------------------------------------------------


def watch_cut_and_again(scene: Scene) -> None:
    """Three times, each time once a new watch is there."""
    scene.told()
    network = scene.network()
    for times in (1, 2, 3):
        eventually(lambda: network.cut("api"), "a watch to be cut", pause=0.3)
        scene.logged("watch_broken", times)
    scene.end()


def api_away_for_a_minute(scene: Scene) -> None:
    """Six tries: five seconds each, and the pauses between them."""
    scene.told()
    network = scene.block("api", way=Way.DROP)
    scene.logged("failures=6")
    network.open("api", Way.DROP)
    scene.end()


def api_away_at_the_start(scene: Scene) -> None:
    network = scene.block("api")
    scene.running()
    scene.logged("failures=3")
    network.open("api")
    scene.told()
    scene.end()


def api_away_at_the_end(scene: Scene) -> None:
    scene.told()
    scene.block("api")
    scene.logged("watch_broken")
    scene.end()


def token_refused(scene: Scene) -> None:
    """A wrong token in the namespace's Secret, until the controller is there to put it right."""
    scene.told()
    before = scene.mounted("token")
    controller_away.begin(scene.world)
    scene.world.patch("Secret", scene.namespace, SECRET, {"stringData": {"token": "no-token"}})
    scene.refresh_volumes()
    eventually(lambda: scene.mounted("token") not in ("", before), "the wrong token in the pod")
    scene.network().cut("api")
    scene.logged("answered 401", 2)
    _controller_back(scene)
    eventually(lambda: _token_is_good(scene), "a token of the controller's")
    scene.refresh_volumes()
    eventually(lambda: len(scene.mounted("token")) > len("no-token"), "a good token in the pod")
    scene.end()


def _controller_back(scene: Scene) -> None:
    """As soon as no other row wants it away."""
    controller_away.end(scene.world, scene.row.name)
    controller_away.wait_until_over()


def _token_is_good(scene: Scene) -> bool:
    found = scene.world.get("Secret", scene.namespace, SECRET)
    return bool(found) and len((found or {}).get("data", {}).get("token", "")) > 100


def secret_gone(scene: Scene) -> None:
    """Nobody puts it back for now."""
    controller_away.begin(scene.world)
    scene.world.delete("Secret", scene.namespace, SECRET)


def secret_late(scene: Scene) -> None:
    """The Secret comes when the pod has long begun; the kubelet looks for it each minute."""
    scene.running()
    scene.logged("watch_broken", 2)
    _controller_back(scene)
    scene.told()
    scene.end()


# --- Cronitor ------------------------------------------------------------------------------------------------------


def fails_at(kind: str, run: int | None = 0, complete: int | None = 0, **more: Any) -> Act:
    """The stand-in fails for this monitor, so often for each state; None is for ever."""

    def before(scene: Scene) -> None:
        for state, times in (("run", run), ("complete", complete)):
            if times != 0:
                scene.cronitor_fails(kind, state=state, times=times, surface="telemetry", **more)

    return before


def answers(status: int, run: int | None = 0, complete: int | None = 0, **more: Any) -> Act:
    return fails_at("status", run, complete, status=status, **more)


def cronitor_refuses(scene: Scene) -> None:
    network = scene.block("cronitor")
    scene.logged("telling_again", 3)
    network.open("cronitor")
    scene.told()
    scene.end()


def cronitor_refuses_at_the_end(scene: Scene) -> None:
    """One try is refused; the next may be taken, as the pod's end waits for it."""
    scene.told()
    network = scene.block("cronitor")
    scene.end()
    scene.logged("telling_again")
    network.open("cronitor")


def cronitor_drops_packets(scene: Scene) -> None:
    network = scene.block("cronitor", way=Way.DROP)
    scene.logged("telling_again", 1)
    network.open("cronitor", Way.DROP)
    scene.told()
    scene.end()


def cronitor_away_for_good(scene: Scene) -> None:
    scene.told()
    scene.block("cronitor", way=Way.DROP)
    scene.end()


def cronitor_never_there(scene: Scene) -> None:
    scene.block("cronitor", way=Way.DROP)
    scene.logged("telling_again")
    scene.end()


def first_pod_cut_off(scene: Scene) -> None:
    """Its attempt fails, and nobody but the next pod's sidecar is there to tell how the run began."""
    scene.block("cronitor")
    scene.logged("telling_again")
    controller_away.begin(scene.world)
    scene.end(7)
    scene.running(pod=2)
    scene.told()
    scene.end(pod=2)
    scene.told("complete")


# --- the pod's network ---------------------------------------------------------------------------------------------


def no_network(scene: Scene) -> None:
    scene.block("api", "cronitor", way=Way.DROP)
    scene.end()


def no_network_and_failure(scene: Scene) -> None:
    scene.block("api", "cronitor")
    scene.end(7)


def no_network_at_the_start(scene: Scene) -> None:
    network = scene.block("api", "cronitor", way=Way.DROP)
    scene.running()
    scene.logged("watch_broken")
    network.open("api", Way.DROP)
    scene.logged("telling_again")
    network.open("cronitor", Way.DROP)
    scene.told()
    scene.end()


# --- the sidecar's own end -----------------------------------------------------------------------------------------


def killed_at_birth(scene: Scene) -> None:
    scene.kill()
    scene.restarted(1)
    scene.told()
    scene.end()


def killed_once_asked(state: str) -> Act:
    def act(scene: Scene) -> None:
        scene.asked(state)
        scene.kill()
        scene.restarted(1)
        scene.asked(state, 2)
        scene.end()

    return act


def killed(times: int) -> Act:
    """In mid-run, and again when it has come back each time."""

    def act(scene: Scene) -> None:
        scene.told()
        scene.journaled()
        for count in range(1, times + 1):
            scene.kill()
            scene.restarted(count)
            scene.journaled()
        scene.end()

    return act


def killed_after_the_end(scene: Scene) -> None:
    """In mid-send, and told to end: it is held still meanwhile, as it may leave before anybody has seen so much."""
    scene.told()
    sidecar = scene.sidecar()
    scene.end()
    scene.asked("complete")
    os.kill(sidecar, signal.SIGSTOP)
    eventually(
        lambda: (
            processes.is_pending(sidecar, signal.SIGTERM)
            or any("event=sigterm" in line for line in scene.sidecar_log())
        ),
        f"the kubelet's SIGTERM to {scene.row.name}",
    )
    processes.end(sidecar, signal.SIGKILL)


def journal_read_only(scene: Scene) -> None:
    """The file on the node behind our /dev/termination-log, which the kubelet makes writable for all."""
    scene.sidecar()
    os.chmod(scene.termination_log, 0o444)
    scene.end()
