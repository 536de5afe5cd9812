"""From the monitors that are wanted and what was put last to what is to be asked of Cronitor now. Pure.

| a monitor | and | then |
|---|---|---|
| is wanted | never put, changed, or its tombstone is there | put |
| | as it was put last | nothing, also after a restart |
| | as it was put last, but with another key or address | put: that account may not have it |
| | rejected by Cronitor, and unchanged since | nothing, but once in some hours |
| its CronJob is suspended | it was not when it was put last | put with `paused: true`, if nobody else has paused it |
| | we were about to, and do not know what came of it | put with `paused: true`: the pause is ours |
| | it was put with another key or address | put with `paused: true` where it is not there; else as it was already |
| | it was already | put without `paused`, if it has changed at all: a pause that a person lifts stays lifted |
| its CronJob is not suspended | we have paused it, or were about to | put with `paused: false` |
| | a person has paused it | without `paused` |
| nobody wants it any more | we have put it, some seconds have passed | `monitors.onRemove`: paused, kept, deleted |
| | it is to be deleted, and a run of its key is open | deleted afterwards: what that run tells would make it again |
| | we have not put it | never touched |
| two CronJobs want its key | | that of the older one counts; suspended only if both are |
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, cached_property
from typing import Any

from webhook.controller.monitor import Monitor
from webhook.controller.monitor_records import (
    ELSEWHERE,
    LONGEST_WORDS,
    CronJobReference,
    Record,
    Rejection,
    fingerprint,
    names_of,
    shard_of,
)
from webhook.controller.monitor_steps import Plan, Put, Settled, Shared

REMOVAL_PATIENCE_SECONDS = 30.0
"""A tool that deletes a CronJob and makes it again is done by then."""

REJECTED_AGAIN_SECONDS = 6 * 3600.0
"""What was rejected may pass later, as when a notification list has been made since. Up to half as much is added."""

OPEN_RUN_SECONDS = 10.0
"""Whether a run is still open is looked at again after so long."""

MONITOR_TYPE = "job"


class OnRemove(Enum):
    """What becomes of a monitor that is no longer wanted: `monitors.onRemove`."""

    PAUSE = "pause"
    KEEP = "keep"
    DELETE = "delete"


@dataclass(frozen=True)
class Wanted:
    """One monitored CronJob: its `creationTimestamp` and the monitor that it wants."""

    cron_job: CronJobReference
    created: str
    monitor: Monitor

    @cached_property
    def fingerprint(self) -> str:
        """Made once: every plan asks for that of every monitor."""
        return fingerprint_of(self.monitor)


@dataclass(frozen=True, slots=True)
class Policy:
    """`resets` are the values that take back attributes which were put and are not wanted any more.

    `account`: where monitors are put (`MonitorsClient.account`).
    """

    on_remove: OnRemove = OnRemove.PAUSE
    resets: Mapping[str, Any] = field(default_factory=dict)
    patience_seconds: float = REMOVAL_PATIENCE_SECONDS
    rejected_again_seconds: float = REJECTED_AGAIN_SECONDS
    account: str = ""


def plan(
    wanted: Iterable[Wanted],
    records: Mapping[str, Record],
    policy: Policy,
    now: float,
    missing: Mapping[str, float],
    open_keys: Callable[[], Collection[str]] = frozenset,
) -> Plan:
    """What to do at `now`; `missing` is that of the plan before, empty at first.

    `open_keys` gives the keys of which a run is open. It is called where one is to be deleted.
    """
    planning = _Planning(policy, now, cache(open_keys))
    by_key: dict[str, list[Wanted]] = {}
    for one in wanted:
        by_key.setdefault(one.monitor.key, []).append(one)
    shared, fingerprints = [], {}
    for key, ones in by_key.items():
        if len(ones) > 1:
            ones.sort(key=lambda one: (one.created, one.cron_job.uid))
            shared.append(Shared(key, tuple(one.cron_job for one in ones)))
        counts = _counting(ones)
        fingerprints[key] = counts.fingerprint
        planning.keep(counts, records.get(key))
    gone = {key: record for key, record in records.items() if key not in by_key and not _is_done_with(record)}
    still_missing = {key: min(missing.get(key, now), now) for key in gone}
    for key, record in gone.items():
        planning.remove(key, record, still_missing[key])
    return Plan(
        tuple(planning.ordered_puts()),
        tuple(planning.deletions),
        tuple(planning.settled),
        tuple(shared),
        fingerprints,
        still_missing,
        min(planning.waits, default=None),
    )


def fingerprint_of(monitor: Monitor) -> str:
    return fingerprint([dict(monitor.attributes), monitor.suspended])


def rejected_record(put: Put, now: float, words: str) -> Record:
    """The record of a put that Cronitor rejected: what was put last is still what it has."""
    before = put.before or Record(put.record.cron_job)
    if not put.wanted:  # it was to be paused: that is not asked for again
        return replace(put.record, paused=before.paused, pausing=before.pausing)
    if before.is_elsewhere(put.record.account):
        before = replace(before, fingerprint=ELSEWHERE)
    return replace(
        before,
        cron_job=put.record.cron_job,
        # One that goes on is paused anew when it is suspended; one that is not there yet, when it is.
        suspended=before.suspended and put.record.suspended and not put.is_new_and_paused,
        paused=before.paused and not put.is_new_and_paused,
        rejected=Rejection(put.wanted, now, words[:LONGEST_WORDS]),
        account=put.record.account,
    )


def _counting(ones: Sequence[Wanted]) -> Wanted:
    """What the monitor of these is to be: as the first wants it, but paused only where none of them runs any more."""
    first = ones[0]
    if first.monitor.suspended and not all(one.monitor.suspended for one in ones):
        return replace(first, monitor=replace(first.monitor, suspended=False))
    return first


class _Planning:
    """Collects what is to be done."""

    def __init__(self, policy: Policy, now: float, open_keys: Callable[[], Collection[str]]) -> None:
        self._policy, self._now, self._open_keys = policy, now, open_keys
        self._puts: list[tuple[bool, Put]] = []
        self.deletions: list[str] = []
        self.settled: list[Settled] = []
        self.waits: list[float] = []

    def ordered_puts(self) -> list[Put]:
        """What is wanted first, what was rejected before among its like; by shard, so that a batch changes few."""

        def order(entry: tuple[bool, Put]) -> tuple[bool, bool, int, str]:
            rejected_before, put = entry
            return not put.wanted, rejected_before, shard_of(put.key), put.key

        return [put for _, put in sorted(self._puts, key=order)]

    def keep(self, wanted: Wanted, record: Record | None) -> None:
        """The monitor as its CronJob wants it."""
        key, monitor = wanted.monitor.key, wanted.monitor
        if record is not None and not self._is_to_be_put(wanted, record):
            told = record.cron_job.uid != wanted.cron_job.uid or record.rejected is not None
            settled = replace(record, cron_job=wanted.cron_job, rejected=None, account=self._policy.account)
            if self._is_put(wanted, record) and settled != record:
                self.settled.append(Settled(key, settled, told))
            return
        before = record or Record(wanted.cron_job)
        body = dict(monitor.attributes)
        for name in (set(before.attributes) - body.keys()) & self._policy.resets.keys():
            body[name] = self._policy.resets[name]
        # Once: whoever resumes it while its CronJob stays suspended wants it so.
        pauses = monitor.suspended and not (before.paused or (before.suspended and before.removed is None))
        # Another account may not have it yet: then nobody has paused it there, nor resumed it.
        pauses_new = monitor.suspended and not pauses and before.is_elsewhere(self._policy.account)
        if pauses or pauses_new or (before.may_be_paused_by_us and not monitor.suspended):
            body["paused"] = monitor.suspended
        put = replace(
            before,
            cron_job=wanted.cron_job,
            fingerprint=wanted.fingerprint,
            attributes=names_of(monitor.attributes),
            paused=monitor.suspended and (pauses or pauses_new or before.may_be_paused_by_us),
            pausing=False,
            suspended=monitor.suspended,
            rejected=None,
            removed=None,
            account=self._policy.account,
        )
        was_rejected = before.rejected is not None
        is_new = not before.was_put or before.removed is not None or before.cron_job.uid != wanted.cron_job.uid
        may_be_paused = pauses_new or (pauses and not before.may_be_paused_by_us)
        told = is_new or was_rejected
        entry = Put(key, body, put, record, wanted.fingerprint, told, may_be_paused, pauses_new)
        self._puts.append((was_rejected, entry))

    def remove(self, key: str, record: Record, since: float) -> None:
        """A monitor that nobody wants any more."""
        if (wait := since + self._policy.patience_seconds - self._now) > 0:
            self.waits.append(wait)
            return
        if not record.was_put and not record.pausing:
            self.settled.append(Settled(key, None))
            return
        tombstone = replace(record, removed=self._now, rejected=None, shared="")
        match self._policy.on_remove:
            case OnRemove.PAUSE:
                body = {"type": MONITOR_TYPE, "key": key, "paused": True}
                paused = replace(tombstone, paused=True, pausing=False)
                self._puts.append((False, Put(key, body, paused, record, may_be_paused=True)))
            case OnRemove.DELETE if record.was_put and key in self._open_keys():
                self.waits.append(OPEN_RUN_SECONDS)
            case OnRemove.DELETE if record.was_put:
                self.deletions.append(key)
            case _:
                self.settled.append(Settled(key, tombstone))

    def _is_to_be_put(self, wanted: Wanted, record: Record) -> bool:
        if self._is_put(wanted, record):
            return False
        if record.rejected is None or record.rejected.fingerprint != wanted.fingerprint:
            return True
        if record.is_elsewhere(self._policy.account):
            return True
        if record.cron_job.uid != wanted.cron_job.uid:
            return True  # nobody has told this one
        again = record.rejected.at + self._policy.rejected_again_seconds * (1 + _share(wanted.monitor.key) / 2)
        if record.rejected.at <= self._now < again:
            self.waits.append(again - self._now)
            return False
        return True

    def _is_put(self, wanted: Wanted, record: Record) -> bool:
        """Whether Cronitor has it as it is wanted, but for what people have changed there."""
        needs_resuming = record.may_be_paused_by_us and not wanted.monitor.suspended
        return record.holds(wanted.fingerprint, self._policy.account) and not needs_resuming


def _is_done_with(record: Record) -> bool:
    """A tombstone; but what came back and was rejected then may have been resumed for all that."""
    return record.removed is not None and record.rejected is None


def _share(key: str) -> float:
    """From 0 to 1, another for each key: what was rejected together does not come again together."""
    return int.from_bytes(hashlib.sha256(key.encode(errors="surrogatepass")).digest()[4:8]) / 2**32
