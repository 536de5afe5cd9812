"""Kills each leading controller after five seconds, and knows why something is told twice for that."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.chaos import duplicates, targets
from tests.chaos.plan import Kind
from tests.chaos.seen import Fell, JobSeen, events
from tests.cronitor.runs import RunEvent
from tests.cronitor.stand_in import StandIn
from tests.e2e.faults.controller import DEPLOYMENT, REPLICAS
from tests.e2e.world import World
from tests.installation import NAMESPACE
from webhook.errors import KubeError

PERIOD_SECONDS = 5.0
LOOK_SECONDS = 1.0


def leader(world: World) -> targets.Target | None:
    """The controller that holds the Lease, if it runs."""
    holder = lease_holder(world)
    running = targets.running(world.our_pods("controller"))
    return next((one for one in running if holder and one.pod == holder), None)


def lease_holder(world: World) -> str:
    lease = world.get("Lease", NAMESPACE, DEPLOYMENT) or {"spec": {}}
    return lease["spec"].get("holderIdentity") or ""


@dataclass(slots=True)
class LeaderKiller:
    """A leader that is killed does not give its Lease back: for up to 15 s nobody leads then, and nobody is killed."""

    world: World
    cronitor: StandIn
    fell: list[Fell] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self, going: Callable[[], bool]) -> Iterator[None]:
        """Kills for as long as `going`, and leaves all replicas in place. It may be set to work again."""
        self._over.clear()
        thread = threading.Thread(target=self._work, args=(going,), name="killer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self.world.scale(DEPLOYMENT, REPLICAS)

    def explain(self, first: RunEvent, again: RunEvent) -> str:
        """Why `again` is there although `first` was taken; nothing where no kill accounts for it."""
        found = {one.number: one for one in events(self.cronitor.requests())}
        told, repeated = found[first.number], found[again.number]
        # Of the Job itself only kills of its own sidecars would have to be known, and there are none.
        job = JobSeen("", "", told.series, "", 0.0)
        return duplicates.explain(told, repeated, job, self.fell)

    def _work(self, going: Callable[[], bool]) -> None:
        while not self._over.wait(LOOK_SECONDS) and going():
            with suppress(KubeError):  # the node is busy: the next one is killed
                if (target := leader(self.world)) is not None and not self._over.wait(PERIOD_SECONDS):
                    self.kill(target)

    def kill(self, target: targets.Target) -> None:
        began = time.time()
        if targets.kill(target):
            # Its container would be kept waiting longer each time; a new pod is not.
            self.world.delete("Pod", NAMESPACE, target.pod, gracePeriodSeconds=0)
            self.fell.append(Fell(Kind.LEADER_KILLED, target.pod, began, time.time()))
