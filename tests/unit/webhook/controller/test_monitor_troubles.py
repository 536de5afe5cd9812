"""One monitor on which Cronitor always fails keeps no other out. Where it fails on all, nothing follows for any."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.unit.webhook.controller.monitor_scene import Cronitor, Scene, wanted
from webhook.errors import CronitorError

COUNT = 250


class Failing(Cronitor):
    """Fails on some, or on all."""

    def __init__(self) -> None:
        super().__init__()
        self.poison: set[str] = set()
        self.is_away = False

    def put(self, monitors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        if self.is_away or self.poison & {one["key"] for one in monitors}:
            self.puts.append([dict(one) for one in monitors])
            raise CronitorError("504", 504)
        return super().put(monitors)


@pytest.fixture
def cronitor() -> Failing:
    return Failing()


@pytest.fixture
def scene(cronitor: Failing) -> Scene:
    scene = Scene()
    scene.cronitor = cronitor
    scene.lead()
    return scene


ALL = [wanted(f"c{number}") for number in range(COUNT)]


def go_on(scene: Scene, rounds: int) -> None:
    for _ in range(rounds):
        if (wait := scene.reconcile(*ALL)) is None:
            break
        scene.now += wait


@pytest.mark.parametrize(
    "poison",
    [{"c0"}, {"c0", "c1"}, {f"c{number}" for number in range(0, COUNT, 60)}],
    ids=["one", "two", "one of sixty"],
)
def test_all_the_others_get_through(scene: Scene, cronitor: Failing, poison: set[str]) -> None:
    cronitor.poison = poison
    go_on(scene, 60)
    assert cronitor.monitors.keys() == {one.monitor.key for one in ALL} - poison
    scene.sent()
    go_on(scene, 3)
    assert all(len(put) == 1 for put in scene.sent())
    assert scene.reconcile(*ALL, wanted("new")) is not None
    assert "new" in cronitor.monitors, "it waits for nobody"
    cronitor.poison = set()
    scene.now += 60.0
    go_on(scene, 3)
    assert len(cronitor.monitors) == COUNT + 1


def test_the_batches_behind_it_wait_for_two_tries_of_it(scene: Scene, cronitor: Failing) -> None:
    scene.reconcile(*ALL)
    first = scene.sent()[0][0]["key"]
    cronitor.monitors.clear()
    scene.kept.texts.clear()
    cronitor.poison = {first}
    scene.lead()
    go_on(scene, 3)
    assert len(cronitor.monitors) == COUNT - 100


def test_it_is_tried_again_more_and_more_slowly(scene: Scene, cronitor: Failing) -> None:
    cronitor.poison = {"c0"}
    waits = []
    for _ in range(9):
        wait = scene.reconcile(ALL[0])
        assert wait is not None
        waits.append(wait)
        scene.now += wait
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (2.0, 60.0)


def test_after_an_outage_batches_are_whole_again(scene: Scene, cronitor: Failing) -> None:
    cronitor.is_away = True
    go_on(scene, 30)
    assert len(scene.sent()) < 30 * 3
    cronitor.is_away = False
    scene.now += 60.0
    go_on(scene, 10)
    assert len(cronitor.monitors) == COUNT
    assert len(scene.sent()) <= 6
