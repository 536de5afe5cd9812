"""A Cronitor without a network, a place for records, and CronJobs that want monitors: what tests of monitors need."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from webhook.controller.monitor import Monitor
from webhook.controller.monitor_plan import Policy, Wanted
from webhook.controller.monitor_records import CronJobReference, Record, read, shard_of, write
from webhook.controller.monitor_sync import MonitorSync
from webhook.controller.queue import Key
from webhook.errors import CronitorError, MonitorsRejected

MONITORS = Key("monitors")
RESETS: dict[str, Any] = {"grace_seconds": 60, "notify": ["default"], "assertions": [], "note": None}
START = 1_700_000_000.0


def cron_job(name: str = "backup", uid: str = "") -> CronJobReference:
    return CronJobReference("shop", name, uid or f"uid-{name}")


def wanted(
    name: str = "backup",
    *,
    key: str = "",
    uid: str = "",
    created: str = "2026-01-01T00:00:00Z",
    suspended: bool = False,
    **attributes: Any,
) -> Wanted:
    """What the CronJob wants: a monitor with the CronJob's name as key, or with `key`."""
    key = key or name
    body = {"type": "job", "key": key, "name": f"shop/{name}", "schedule": "0 3 * * *", **attributes}
    return Wanted(cron_job(name, uid), created, Monitor(key, body, suspended))


class Cronitor:
    """Rejects a batch when one of its monitors has the note `bad`.

    `failures` are raised first, one a PUT; those of `lost` in place of the answer to one that was taken.
    """

    account = "one"

    def __init__(self) -> None:
        self.monitors: dict[str, dict[str, Any]] = {}
        self.puts: list[list[dict[str, Any]]] = []
        self.deleted: list[str] = []
        self.looked_up: list[str] = []
        self.failures: list[CronitorError | None] = []
        self.lookup_failure: CronitorError | None = None
        self.lost: list[BaseException | None] = []
        self.pages: list[int] = []
        self.page_size = 100
        self.largest = 100

    def put(self, monitors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        self.puts.append([dict(one) for one in monitors])
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
        if len(monitors) > self.largest:
            raise MonitorsRejected(413, "too large")
        for one in monitors:
            if one.get("note") == "bad":
                raise MonitorsRejected(400, f"{one['key']}: no such note")
        for one in monitors:
            self.monitors.setdefault(one["key"], {"paused": False}).update(one)
        if self.lost and (lost := self.lost.pop(0)) is not None:
            raise lost
        return [self.monitors[one["key"]] for one in monitors]

    def delete(self, key: str) -> None:
        self.deleted.append(key)
        self.monitors.pop(key, None)

    def is_paused(self, key: str) -> bool | None:
        self.looked_up.append(key)
        if self.lookup_failure is not None:
            raise self.lookup_failure
        return bool(self.monitors[key].get("paused")) if key in self.monitors else None

    def pauses_on(self, page: int) -> dict[str, bool]:
        self.pages.append(page)
        if self.lookup_failure is not None:
            raise self.lookup_failure
        keys = sorted(self.monitors)[(page - 1) * self.page_size : page * self.page_size]
        return {key: bool(self.monitors[key].get("paused")) for key in keys}


class Kept:
    """Keeps the records of all shards as text, as ConfigMaps do; `failure` is raised by writes."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.written = 0
        self.failure: Exception | None = None

    def load(self) -> dict[str, Record]:
        return {key: record for text in self.texts.values() for key, record in read(text).items()}

    def write(self, records: Mapping[str, Record], changed: Iterable[str] = ()) -> None:
        for shard in set(map(shard_of, changed)):
            if self.failure is not None:
                raise self.failure
            self.written += 1
            self.texts[shard] = write({key: one for key, one in records.items() if shard_of(key) == shard})


class Scene:
    """One leader after another over the same Cronitor and the same records; the test says what time it is."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.cronitor, self.kept = Cronitor(), Kept()
        self.policy = policy or Policy(resets=RESETS)
        self.wanted: list[Wanted] = []
        self.events: list[tuple[str, str, str]] = []
        self.now = START
        self.clock: Callable[[], float] = lambda: self.now
        self.dry_run = False
        self.open_keys: set[str] = set()
        self.lead()

    def lead(self) -> None:
        """A new leader, or the same after a restart."""
        self.sync = MonitorSync(
            lambda: self.wanted,
            self.kept,
            self.cronitor,
            self._tell,
            lambda: self.policy,
            dry_run=self.dry_run,
            now=lambda: self.now,
            clock=lambda: self.clock(),
            jitter=lambda _least, most: most,
            open_keys=lambda: self.open_keys,
        )

    def reconcile(self, *wanted: Wanted) -> float | None:
        self.wanted = list(wanted)
        return self.sync.reconcile(MONITORS)

    def gone(self, *left: Wanted) -> float | None:
        """Some CronJobs have gone, and are waited for in vain."""
        self.reconcile(*left)
        self.now += self.policy.patience_seconds
        return self.reconcile(*left)

    def sent(self) -> list[list[dict[str, Any]]]:
        """The PUTs since it was asked last."""
        sent, self.cronitor.puts = self.cronitor.puts, []
        return sent

    def told(self) -> list[tuple[str, str, str]]:
        """The Events since it was asked last: CronJob, reason, message."""
        told, self.events = self.events, []
        return told

    def records(self) -> dict[str, Record]:
        return self.kept.load()

    def edit(self, key: str, **changes: Any) -> None:
        """Somebody edits what is kept."""
        records = self.records()
        records[key] = replace(records[key], **changes)
        self.kept.write(records, [key])

    def _tell(self, cron_job: CronJobReference, reason: str, message: str, *, warning: bool = False) -> None:
        assert warning is (reason != "MonitorSynced")
        self.events.append((cron_job.name, reason, message))
