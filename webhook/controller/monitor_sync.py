"""Keeps the monitors at Cronitor as the CronJobs want them. One reconciler with one key: never beside itself."""

import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from webhook import metrics
from webhook.clients.cronitor import BATCH_SIZE
from webhook.controller.monitor_batches import deliver
from webhook.controller.monitor_events import Refusals, Tell, Told
from webhook.controller.monitor_pauses import Pauses
from webhook.controller.monitor_plan import Policy, Wanted, plan, rejected_record
from webhook.controller.monitor_records import Record, too_many
from webhook.controller.monitor_requests import CountedMonitors, DryRunMonitors, Monitors
from webhook.controller.monitor_steps import Plan, Put, Settled
from webhook.controller.monitor_troubles import FIRST_RETRY_SECONDS, Troubles, back_off
from webhook.controller.queue import Key, earliest
from webhook.errors import CronitorError, KeyRefused, MonitorsRejected, TooManyRequests

ROUND_SECONDS = 5.0
"""After so long what is left is planned anew: the newest state wins."""

TELLING_SECONDS = 1.0
KEY_REFUSED_SECONDS = 300.0
LONGEST_RETRY_AFTER_SECONDS = 600.0

log = logging.getLogger(__name__)


class Records(Protocol):
    """Where records are kept, as `webhook/controller/monitor_store.py` does."""

    def load(self) -> dict[str, Record]: ...
    def write(self, records: Mapping[str, Record], changed: Iterable[str] = ()) -> None: ...


class MonitorSync:
    """`wanted` gives every monitored CronJob with its monitor. What it does not give is removed: while the caches are
    not filled it is not to be asked, or has to raise. `open_keys` gives the keys of which a run is open. With `dry_run`
    nothing is sent, recorded or told as done.
    """

    def __init__(
        self,
        wanted: Callable[[], Iterable[Wanted]],
        store: Records,
        client: Monitors,
        tell: Tell,
        policy: Callable[[], Policy],
        *,
        dry_run: bool = False,
        open_keys: Callable[[], Collection[str]] = frozenset,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._wanted, self._store, self._policy, self._dry_run = wanted, store, policy, dry_run
        self._open_keys = open_keys
        self._client = DryRunMonitors() if dry_run else CountedMonitors(client, self._worked, now)
        self._pauses = Pauses(self._client, clock)
        self._troubles = Troubles(BATCH_SIZE, clock, jitter)
        self._told = Told(tell)
        self._refusals = Refusals(self._told)
        self._now, self._clock, self._jitter = now, clock, jitter
        self._known: dict[str, Record] | None = None
        self._missing: Mapping[str, float] = {}
        self._not_before, self._failures = float("-inf"), 0

    def detail(self) -> str:
        """What people should know of it, for `/readyz`; empty where all is well."""
        return self._refusals.text

    def reconcile(self, key: Key) -> float | None:
        """Bring Cronitor to what is wanted. A pause that Cronitor asks for is kept here: no change cuts it short.

        Raises KubeError where records cannot be read or written.
        """
        self._write(())  # what could not be written before comes first
        wait: float | None = (left := self._not_before - self._clock())
        is_due = left <= 0
        if is_due or self._refusals.text:
            records, now = self._records, self._now()
            planned = plan(self._wanted(), records, self._policy(), now, self._missing, self._open_keys)
            self._missing = planned.missing
            if is_due:
                wait = self._applied(planned)
            else:
                self._refusals.tell(planned.puts)  # who comes now is not to wait for the next try
            self._count(planned)
        return 0.0 if self._tell_some() else wait

    @property
    def _records(self) -> dict[str, Record]:
        if self._known is None:
            self._known = self._store.load()
        return self._known

    def _applied(self, planned: Plan) -> float | None:
        """Seconds after which there is more to do, or None."""
        try:
            done = self._apply(planned)
        except KeyRefused as error:
            self._refusals.refused(error, planned.puts)
            return self._postpone(KEY_REFUSED_SECONDS, error)
        except CronitorError as error:
            self._failures += 1
            return self._postpone(self._back_off(error), error)
        return earliest(planned.look_again, self._troubles.look_again()) if done else 0.0

    def _back_off(self, error: CronitorError) -> float:
        if isinstance(error, TooManyRequests) and error.retry_after > 0:
            # Something on top: other clusters wait for the same moment.
            return min(error.retry_after, LONGEST_RETRY_AFTER_SECONDS) + self._jitter(0.0, FIRST_RETRY_SECONDS)
        return back_off(self._failures, self._jitter)

    def _postpone(self, seconds: float, error: CronitorError) -> float:
        self._not_before = self._clock() + seconds
        log.warning("monitors_postponed", extra={"error": str(error), "next_seconds": round(seconds, 1)})
        return seconds

    def _apply(self, planned: Plan) -> bool:
        """Do what is planned, for a while; whether that was all."""
        until = self._clock() + ROUND_SECONDS
        self._settle(planned.settled)
        self._troubles.begin([*(put.key for put in planned.puts), *planned.deletions])
        for batch in self._troubles.batches(self._pauses.begin(planned.puts)):
            if self._clock() >= until or not self._deliver(batch, until) or self._troubles.are_over:
                return False
        for key in self._troubles.due(planned.deletions):
            if self._clock() >= until:
                return False
            self._delete(key)
        self._settle(Settled(key, None) for key in too_many(self._records))
        return self._tell_shared(planned)

    def _settle(self, settled: Iterable[Settled]) -> None:
        changed = []
        for one in settled:
            self._record(one.key, one.record)
            changed.append(one.key)
            if one.told and one.record is not None:
                self._tell_synced(one.record, one.key)
        self._write(changed)

    def _deliver(self, batch: Sequence[Put], until: float) -> bool:
        """Put a batch, and write down what has come of it even where that is an error; whether that was all of it."""
        changed: list[str] = []
        to_send: list[Put] = []
        try:
            found = self._pauses.look_up(batch, until)
            self._settle(one for one in found if isinstance(one, Settled))
            to_send = [one for one in found if isinstance(one, Put)]
            self._announce_pauses(to_send)
            for outcome in deliver(to_send, self._send) if to_send else ():
                for put in outcome.puts:
                    self._take(put, outcome.rejected)
                    changed.append(put.key)
                self._troubles.worked(put.key for put in outcome.puts)
        except CronitorError as error:
            self._put_aside({put.key for put in to_send}.difference(changed), error)
        finally:
            self._told.tell_urgent()  # nobody tells them once it is written that they are known
            self._write(changed)
        return len(found) == len(batch)

    def _put_aside(self, keys: Collection[str], error: CronitorError) -> None:
        """Let what fails again and again not hold up the others. Raises the error where that is not it."""
        if isinstance(error, KeyRefused | TooManyRequests) or not self._troubles.failed(keys):
            raise error
        log.warning("monitors_put_aside", extra={"monitors": len(keys), "error": str(error)})

    def _send(self, puts: Sequence[Put]) -> None:
        self._client.put([put.body for put in puts])

    def _announce_pauses(self, puts: Iterable[Put]) -> None:
        """Write down what nobody has paused and we are about to: Cronitor may do so, and we never hear of it."""
        pausing = [put for put in puts if put.may_be_paused and not (put.before and put.before.may_be_paused_by_us)]
        for put in pausing:
            self._record(put.key, replace(put.before or Record(put.record.cron_job), pausing=True))
        if pausing:
            self._write(put.key for put in pausing)

    def _delete(self, key: str) -> None:
        try:
            self._client.delete(key)
        except MonitorsRejected as error:  # it is not asked for again
            log.warning("monitor_not_deleted", extra={"monitor": key, "error": str(error)})
        except CronitorError as error:
            self._put_aside([key], error)
            return
        self._troubles.worked([key])
        self._settle([Settled(key, None)])

    def _take(self, put: Put, rejected: MonitorsRejected | None) -> None:
        if rejected is not None:
            self._reject(put, rejected.words)
            return
        self._pauses.forget(put.key)
        self._record(put.key, put.record)
        if put.told:
            self._tell_synced(put.record, put.key)

    def _reject(self, put: Put, words: str) -> None:
        log.warning("monitor_rejected", extra={"monitor": put.key, "error": words})
        record = rejected_record(put, self._now(), words)
        is_there = put.before is not None and put.before.was_put and not put.before.is_elsewhere(put.record.account)
        if put.wanted and is_there and "paused" in put.body:
            record = self._paused_alone(put, record)
        self._record(put.key, record)
        if record.rejected is not None and not record.repeats_rejection(put.before):
            self._told.rejected(record.cron_job, put.key, words)

    def _paused_alone(self, put: Put, record: Record) -> Record:
        """The same of a monitor whose other attributes were rejected, paused or resumed: that much can be done."""
        try:
            self._client.put([{name: put.body[name] for name in ("type", "key", "paused")}])
        except MonitorsRejected:
            return record
        self._pauses.forget(put.key)
        return replace(record, paused=put.record.paused, pausing=False)

    def _worked(self) -> None:
        self._failures = 0
        self._refusals.over()
        metrics.api_key_valid.set(1)

    def _record(self, key: str, record: Record | None) -> None:
        if record is None:
            self._records.pop(key, None)
        else:
            self._records[key] = record

    def _write(self, changed: Iterable[str]) -> None:
        if not self._dry_run:
            self._store.write(self._records, changed)

    def _tell_shared(self, planned: Plan) -> bool:
        """Tell CronJobs that share a key, once while they are the same ones: for a while; whether that was all.

        It is written once it has been told: nobody does it afterwards.
        """
        until = self._clock() + TELLING_SECONDS
        constellations = {one.key: one.constellation for one in planned.shared}
        known = {key: record.shared for key, record in self._records.items() if record.shared}
        to_tell = [one for one in planned.shared if one.constellation != known.get(one.key)]
        while to_tell:
            self._told.shared(to_tell.pop())
            self._told.tell_urgent()
            if self._clock() >= until:
                break
        untold = {one.key for one in to_tell}
        self._settle(
            Settled(key, replace(record, shared=constellations.get(key, "")))
            for key in (constellations.keys() | known.keys()) - untold
            if (record := self._records.get(key)) and record.shared != constellations.get(key, "")
        )
        return not untold

    def _tell_synced(self, record: Record, key: str) -> None:
        if not self._dry_run:
            self._told.synced(record.cron_job, key)

    def _tell_some(self) -> bool:
        """Tell some of the Events that wait; whether there are more."""
        until = self._clock() + TELLING_SECONDS
        while len(self._told) and self._clock() < until:
            self._told.tell_next()
        return len(self._told) > 0

    def _count(self, planned: Plan) -> None:
        records = [(wanted, one) for key, wanted in planned.wanted.items() if (one := self._records.get(key))]
        metrics.monitors_desired.set(len(planned.wanted))
        account = self._policy().account
        metrics.monitors_synced.set(sum(one.holds(wanted, account) for wanted, one in records))
        metrics.monitors_rejected.set(sum(one.rejected is not None for _, one in records))
