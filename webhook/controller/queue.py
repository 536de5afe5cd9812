"""A queue of keys to reconcile: each by one thread at a time, again on request, later and later on failure."""

import heapq
import itertools
import logging
import random
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from webhook import metrics
from webhook.errors import Conflict, CronitorK8sError

FIRST_RETRY_SECONDS = 0.5
SLOWEST_RETRY_SECONDS = 60.0

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What to reconcile: `kind` chooses who does it."""

    kind: str
    namespace: str = ""
    name: str = ""


class Reconciler(Protocol):
    """Brings the world to what it should be for one key, from the newest state; called again when that changes."""

    def reconcile(self, key: Key) -> float | None:
        """Seconds after which to look again though nothing changed, or None. Errors are retried."""


class WorkQueue:
    """Threads: any may `add`; `work` runs in as many as wanted."""

    def __init__(self, reconcilers: Mapping[str, Reconciler]) -> None:
        self._reconcilers = reconcilers
        self._changed = threading.Condition()
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._running: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._stopped = False

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Reconcile `key` in `delay` seconds, or earlier where that was asked for already."""
        due = time.monotonic() + delay
        with self._changed:
            if self._due.get(key, float("inf")) > due:
                self._due[key] = due
                heapq.heappush(self._heap, (due, next(self._order), key))
                metrics.queue_depth.set(len(self._due))
                self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def start(self, threads: int) -> None:
        for number in range(threads):
            threading.Thread(target=self.work, name=f"reconcile-{number}", daemon=True).start()

    def work(self) -> None:
        """Reconcile what is due until stopped."""
        while (key := self._take()) is not None:
            again = self._reconcile(key)
            with self._changed:
                self._running.discard(key)
                self._changed.notify()
            if again is not None:
                self.add(key, again)

    def _take(self) -> Key | None:
        with self._changed:
            while not self._stopped:
                wait = self._next_wait()
                if wait == 0.0:
                    _, _, key = heapq.heappop(self._heap)
                    del self._due[key]
                    metrics.queue_depth.set(len(self._due))
                    self._running.add(key)
                    return key
                self._changed.wait(wait)
        return None

    def _next_wait(self) -> float | None:
        """Seconds until the first key is due, 0.0 when it is; None when nothing is to be waited for but a change."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # asked for again at an earlier time, or done
        if not self._heap:
            return None
        due, _, key = self._heap[0]
        if key in self._running:  # comes back when it is done
            heapq.heapreplace(self._heap, (due + 0.05, next(self._order), key))
            self._due[key] = due + 0.05
            return 0.05
        return max(0.0, due - time.monotonic())

    def _reconcile(self, key: Key) -> float | None:
        try:
            again = self._reconcilers[key.kind].reconcile(key)
        except Exception as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            seconds = random.uniform(0.1, min(SLOWEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(failures, 10)))  # noqa: S311
            metrics.reconciles.labels(key.kind, "conflict" if isinstance(error, Conflict) else "error").inc()
            log.warning(
                "reconcile_failed",
                extra={**key._asdict(), "error": str(error), "failures": failures, "next_seconds": round(seconds, 1)},
                exc_info=not isinstance(error, CronitorK8sError),
            )
            return seconds
        self._failures.pop(key, None)
        metrics.reconciles.labels(key.kind, "ok").inc()
        return again
