"""The controller's absence, for the rows that want it; all others wait until it is back, as it has its part in them."""

import threading
from collections.abc import Iterable

from tests.e2e.world import World

DEPLOYMENT = "cronitor-k8s-controller"
REPLICAS = 2
PATIENCE_SECONDS = 180.0


class Absence:
    """It is away from the first `begin` to the last `end` of the rows that were announced."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._announced: set[str] = set()
        self._away = False

    def announce(self, rows: Iterable[str]) -> None:
        with self._changed:
            self._announced |= set(rows)

    def begin(self, world: World) -> None:
        with self._changed:
            if not self._away:
                world.scale(DEPLOYMENT, 0)
            self._away = True

    def end(self, world: World, row: str) -> None:
        """This row wants it no longer, if it ever did."""
        with self._changed:
            self._announced.discard(row)
            if self._away and not self._announced:
                world.scale(DEPLOYMENT, REPLICAS)
                self._away = False
            self._changed.notify_all()

    def wait_until_over(self) -> None:
        with self._changed:
            over = self._changed.wait_for(lambda: not self._announced, PATIENCE_SECONDS)
        assert over, "the controller is still away"


controller_away = Absence()
