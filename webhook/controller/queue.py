"""A queue of keys to reconcile: each by one thread at a time, again on request, later and later on failure."""

import heapq
import itertools
import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from webhook import metrics
from webhook.errors import Conflict, CronitorK8sError

FIRST_RETRY_SECONDS = 0.5
SLOWEST_RETRY_SECONDS = 60.0
LONGEST_DELAY_SECONDS = 86400.0
"""A delay may come from what somebody else wrote, and a wait without end is an error."""

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


def earliest(*waits: float | None) -> float | None:
    """The shortest of some waits as reconcilers give them; None where there is none."""
    return min((wait for wait in waits if wait is not None), default=None)


class WorkQueue:
    """Threads: any may `add`; `work` runs in as many as wanted."""

    def __init__(self, reconcilers: Mapping[str, Reconciler], name: str = "objects") -> None:
        self._reconcilers = reconcilers
        self._name, self._depth = name, metrics.queue_depth.labels(name)
        self._changed = threading.Condition()
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._stopped = False

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Reconcile `key` in `delay` seconds, or earlier where that was asked for already."""
        due = time.monotonic() + min(delay, LONGEST_DELAY_SECONDS)
        with self._changed:
            if self._due.get(key, float("inf")) > due:
                self._due[key] = due
                heapq.heappush(self._heap, (due, next(self._order), key))
                self._depth.set(len(self._due))
                self._changed.notify()

    def stop(self, seconds: float = 0.0) -> None:
        """Take up nothing more, and wait so long for what is under way."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._running, timeout=seconds)

    def start(self, threads: int) -> None:
        for number in range(threads):
            threading.Thread(target=self.work, name=f"{self._name}-{number}", daemon=True).start()

    def work(self) -> None:
        """Reconcile what is due until stopped. A thread that fails ends the process: half a controller is worse."""
        try:
            self._work()
        except BaseException:
            log.exception("reconciling_ended")
            os._exit(1)

    def _work(self) -> None:
        while (key := self._take()) is not None:
            again = self._reconcile(key)
            with self._changed:
                self._running.discard(key)
                self._changed.notify_all()
                asked_meanwhile = key in self._again
                self._again.discard(key)
            if asked_meanwhile:
                self.add(key)
            elif again is not None:
                self.add(key, again)

    def _take(self) -> Key | None:
        with self._changed:
            while not self._stopped:
                wait = self._next_wait()
                if wait == 0.0:
                    _, _, key = heapq.heappop(self._heap)
                    del self._due[key]
                    self._depth.set(len(self._due))
                    self._running.add(key)
                    self._changed.notify()  # somebody else now has to wait for what is due next
                    return key
                self._changed.wait(wait)
        return None

    def _next_wait(self) -> float | None:
        """Seconds until the first key is due, 0.0 when it is; None when nothing is to be waited for but a change."""
        while self._heap:
            due, _, key = self._heap[0]
            wait = max(0.0, due - time.monotonic())
            if self._due.get(key) != due:
                heapq.heappop(self._heap)  # asked for again at an earlier time, or done
            elif wait == 0.0 and key in self._running:
                heapq.heappop(self._heap)
                del self._due[key]
                self._again.add(key)  # comes back when it is done
            else:
                return wait
        return None

    def _reconcile(self, key: Key) -> float | None:
        try:
            again = self._reconcilers[key.kind].reconcile(key)
        except Exception as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            seconds = random.uniform(0.1, min(SLOWEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(failures, 10)))  # noqa: S311
            metrics.reconciles.labels(key.kind, "conflict" if isinstance(error, Conflict) else "error").inc()
            log.warning(
                "reconcile_failed",
                extra={**_told(key), "error": str(error), "failures": failures, "next_seconds": round(seconds, 1)},
                exc_info=not isinstance(error, CronitorK8sError),
            )
            return seconds
        self._failures.pop(key, None)
        metrics.reconciles.labels(key.kind, "ok").inc()
        return again


def _told(key: Key) -> dict[str, str]:
    """The key as fields of a log line; `name` itself is a field that every record of `logging` has."""
    return {"kind": key.kind, "namespace": key.namespace, "object": key.name}
