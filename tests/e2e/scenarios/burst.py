"""Two hundred short Jobs at once: as many as the node takes, and more than its two cores can start in one second."""

from tests.chaos.shapes import KEPT
from tests.e2e.scenarios.play import Play
from tests.e2e.scenarios.shapes import Later, Shape
from tests.e2e.world import container

NUMBER = 200


def all_at_once(play: Play) -> None:
    for _ in range(NUMBER - 1):
        play.again()


BURST = Shape("burst", containers=(container(script="exit 0"),), act=all_at_once, cron=KEPT,
              later=(Later(),) * (NUMBER - 1), twin=False, patience_seconds=600.0)  # fmt: skip
