"""What every included CronJob wants to have at Cronitor, kept as CronJobs and Namespaces change.

A CronJob's status changes with each of its runs: only what changes its monitor is passed on.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from webhook import annotations, metrics
from webhook.annotations import Problem
from webhook.clients.informer import Informer
from webhook.controller import monitors
from webhook.controller.monitor_plan import Wanted
from webhook.controller.monitor_records import CronJobReference
from webhook.controller.monitors import MonitorDefaults
from webhook.levels import Levels

Json = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One CronJob of a labelled namespace. `wanted` is None where it is not included."""

    cron_job: CronJobReference
    wanted: Wanted | None
    problems: tuple[Problem, ...]


class MonitorIndex:
    """Safe for threads. `changed` is called when a monitor is to be another, `complained` when problems are others.

    A CronJob that cannot be read, by a mistake of ours, keeps the entry that it had.
    """

    def __init__(
        self,
        cron_jobs: Informer,
        is_labelled: Callable[[str], bool],
        levels: Levels,
        defaults: MonitorDefaults,
        changed: Callable[[], None],
        complained: Callable[[str, str], None],
    ) -> None:
        self._cron_jobs, self._is_labelled, self._levels, self._defaults = cron_jobs, is_labelled, levels, defaults
        self._changed, self._complained = changed, complained
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._unread: set[tuple[str, str]] = set()

    def cron_job_changed(self, _kind: str, cron_job: Json) -> None:
        self._look(cron_job["metadata"]["namespace"], cron_job["metadata"]["name"])

    def namespace_changed(self, namespace: str) -> None:
        """Its label or its annotations may be others."""
        for cron_job in self._cron_jobs.in_namespace(namespace):
            self._look(namespace, cron_job["metadata"]["name"])

    def wanted(self) -> list[Wanted]:
        with self._lock:
            return [entry.wanted for entry in self._entries.values() if entry.wanted is not None]

    def unread(self) -> list[tuple[str, str]]:
        """Namespace and name of each CronJob that could never be read: what it wants is not among what is wanted."""
        with self._lock:
            return sorted(self._unread)

    def names(self) -> list[tuple[str, str]]:
        """Namespace and name of each CronJob that something is wrong with."""
        with self._lock:
            return [name for name, entry in self._entries.items() if entry.problems]

    def problems(self, namespace: str, name: str) -> tuple[CronJobReference, tuple[Problem, ...]] | None:
        with self._lock:
            entry = self._entries.get((namespace, name))
        return None if entry is None else (entry.cron_job, entry.problems)

    def _look(self, namespace: str, name: str) -> None:
        """By the caches' newest word, one at a time: two threads may tell of one CronJob."""
        with self._lock:
            cron_job = self._cron_jobs.get(namespace, name) if self._is_labelled(namespace) else None
            before = self._entries.pop((namespace, name), None)
            was_unread = (namespace, name) in self._unread
            self._unread.discard((namespace, name))
            try:
                entry = None if cron_job is None else self._entry(cron_job)
            except Exception:  # of one CronJob: nothing follows from it for the others
                metrics.informer_errors.labels("cronjobs").inc()
                log.exception("cron_job_not_read", extra={"namespace": namespace, "cron_job": name})
                entry = before
                if before is None:
                    self._unread.add((namespace, name))
            if entry is not None:
                self._entries[namespace, name] = entry
            is_unread = (namespace, name) in self._unread
        if (before and before.wanted) != (entry and entry.wanted) or was_unread != is_unread:
            self._changed()
        if (before.problems if before else ()) != (entry.problems if entry else ()):
            self._complained(namespace, name)

    def _entry(self, cron_job: Json) -> Entry | None:
        metadata = cron_job["metadata"]
        if metadata.get("deletionTimestamp"):
            return None
        reference = CronJobReference(metadata["namespace"], metadata["name"], metadata["uid"])
        options = self._levels.of(metadata["namespace"], metadata.get("annotations"))
        above = self._levels.unknown(metadata["namespace"])
        if not annotations.included(options):
            unknown = annotations.unknown(metadata.get("annotations"))
            return Entry(reference, None, (*options.problems, *above, *unknown))
        desired = monitors.desired(cron_job, options, self._defaults)
        wanted = Wanted(reference, metadata.get("creationTimestamp") or "", desired.monitor)
        return Entry(reference, wanted, (*desired.problems, *above))
