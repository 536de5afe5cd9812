"""Delivers what the controller owes Cronitor: in order within a series, under the limit for one address, for ever.

What is owed stands in the Jobs' marks; here is only what is under way. A try that fails is repeated by the queue, with
back-off and jitter; other series go on meanwhile.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from webhook import metrics
from webhook.clients.telemetry import Taken
from webhook.controller.queue import Key, WorkQueue
from webhook.errors import CronitorError, TooManyRequests
from webhook.monitor_identity import MonitorIdentity
from webhook.telemetry import Event

KIND = "telemetry"
THREADS = 8
BURST_SECONDS = 4
"""So many seconds' worth of events may go at once: Cronitor's own burst is five seconds' worth of its limit."""

LONGEST_PAUSE_SECONDS = 60.0
"""Of all series for a `Retry-After`: it may be meant for one monitor only."""

log = logging.getLogger(__name__)


class Telemetry(Protocol):
    def send(self, identity: MonitorIdentity, series: str, event: Event, namespace: str) -> Taken:
        """Tell one event of a run in `namespace`; raises CronitorError where it is to be tried again."""


class DryRun:
    """Takes every event and sends none."""

    def send(self, identity: MonitorIdentity, series: str, event: Event, namespace: str) -> Taken:
        log.info(
            "would_tell",
            extra={"series": series, "state": event.state.value, "stamp": event.stamp, "detail": event.message},
        )
        return Taken.ACCEPTED


class Pace:
    """At most `per_second` on the long run, `BURST_SECONDS` as many at once. Pure: times are passed in, in seconds.

    Of Cronitor's 50 a second for one address it leaves the rest to the sidecars behind the same one.
    """

    def __init__(self, per_second: float) -> None:
        self._interval, self._ahead = 1 / per_second, BURST_SECONDS
        self._next = float("-inf")

    def reserve(self, now: float) -> float:
        """Take the next place; seconds to wait for it."""
        self._next = max(self._next, now - self._ahead) + self._interval
        return max(0.0, self._next - now)

    def pause(self, until: float) -> None:
        """Cronitor has said when to come again."""
        self._next = max(self._next, until)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is owed of one run; `job` is the key to reconcile when some of it has been taken."""

    job: Key
    identity: MonitorIdentity
    events: tuple[Event, ...]


class Outbox:
    """Safe for threads. `taken(job, series, event)` is called once for each event that is done."""

    def __init__(
        self,
        telemetry: Telemetry,
        per_second: float,
        taken: Callable[[Key, str, Event], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._telemetry, self._taken, self._monotonic = telemetry, taken, monotonic
        self._pace = Pace(per_second)
        self._lock = threading.Lock()
        self._parcels: dict[str, Parcel] = {}
        self._delivered: dict[str, set[Event]] = {}
        self._stopped = threading.Event()
        self.queue = WorkQueue({KIND: self}, KIND)
        metrics.events_waiting.set_function(self._depth)

    def owe(self, job: Key, series: str, identity: MonitorIdentity, events: Sequence[Event]) -> None:
        """Deliver these, but for those that have been since they were decided; and nothing else of this run."""
        with self._lock:
            if not events:
                self._parcels.pop(series, None)
                self._delivered.pop(series, None)
                return
            left = tuple(event for event in events if event not in self._delivered.get(series, ()))
            known = self._parcels.get(series)
            parcel = Parcel(job, identity, left)
            if not left:
                self._parcels.pop(series, None)
            if not left or parcel == known:
                return
            self._parcels[series] = parcel
        self.queue.add(Key(KIND, job.namespace, series))

    def stop(self, seconds: float) -> None:
        self._stopped.set()
        self.queue.stop(seconds)

    def reconcile(self, key: Key) -> float | None:
        """Tell the first event that this series owes."""
        with self._lock:
            wait = self._pace.reserve(self._monotonic()) if key.name in self._parcels else 0.0
        if self._stopped.wait(wait):
            return None
        with self._lock:
            parcel = self._parcels.get(key.name)  # not sooner: what was owed may have been overtaken while we waited
        if parcel is None:
            return None
        event = parcel.events[0]
        told = {"namespace": key.namespace, "job": parcel.job.name, "series": key.name, "state": event.state.value}
        try:
            taken = self._telemetry.send(parcel.identity, key.name, event, key.namespace)
        except TooManyRequests as limited:
            metrics.events_told.labels(event.state.value, "failed").inc()
            with self._lock:
                self._pace.pause(self._monotonic() + min(limited.retry_after, LONGEST_PAUSE_SECONDS))
            raise
        except CronitorError:
            metrics.events_told.labels(event.state.value, "failed").inc()
            raise
        metrics.events_told.labels(event.state.value, taken.value).inc()
        level = log.info if taken is Taken.ACCEPTED else log.error
        level("told", extra={**told, "result": taken.value, "stamp": event.stamp})
        self._done(key, parcel, event)
        return 0.0 if len(parcel.events) > 1 else None

    def _done(self, key: Key, parcel: Parcel, event: Event) -> None:
        with self._lock:
            self._delivered.setdefault(key.name, set()).add(event)
            now = self._parcels.get(key.name)
            left = tuple(one for one in now.events if one != event) if now else ()
            if now and left:
                self._parcels[key.name] = Parcel(now.job, now.identity, left)
            else:
                self._parcels.pop(key.name, None)
        self._taken(parcel.job, key.name, event)

    def _depth(self) -> float:
        with self._lock:
            return sum(len(parcel.events) for parcel in self._parcels.values())
