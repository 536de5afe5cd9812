"""Pods that are deleted, at each moment of their lives: SIGTERM comes whatever the sidecar is at."""

from typing import Any

from tests.e2e.faults.acts import Act
from tests.e2e.faults.network import Way
from tests.e2e.faults.scene import Scene


def deleted_when(reached: Act, **options: Any) -> Act:
    """The first pod is deleted when it has come so far; the next one does the work."""

    def act(scene: Scene) -> None:
        reached(scene)
        scene.delete_pod(**options)
        scene.pod(2)
        scene.end(pod=2)

    return act


def scheduled(scene: Scene) -> None:
    what = f"{scene.row.name} scheduled"
    scene.watcher.wait_for(lambda: scene.pod()["spec"].get("nodeName"), what)


def has_network(scene: Scene) -> None:
    scene.network()


def imports(scene: Scene) -> None:
    scene.sidecar()


def is_blind(scene: Scene) -> None:
    scene.block("api", way=Way.DROP)
    scene.logged("event=started")


def works(scene: Scene) -> None:
    scene.running()


def has_told(scene: Scene) -> None:
    scene.told()
    _mark_knows_the_start(scene)


def sends(scene: Scene) -> None:
    """Its `run` is under way to a Cronitor that does not answer this pod."""
    scene.block("cronitor", way=Way.DROP)
    scene.logged("event=seen")
    _mark_knows_the_start(scene)


def deleted_after_the_end(scene: Scene) -> None:
    scene.told()
    scene.end()
    scene.told("complete")
    scene.watcher.finished(scene.job)
    scene.delete_pod()


def _mark_knows_the_start(scene: Scene) -> None:
    def known() -> bool:
        found = scene.watcher.job(scene.job)
        mark = found["metadata"].get("annotations", {}).get("k8s.cronitor.io/run", "")
        return '"start":' in mark

    scene.watcher.wait_for(known, f"the start in the mark of {scene.row.name}")
