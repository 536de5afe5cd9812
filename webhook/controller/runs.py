"""Keeps the mark of each run true, and has told what is the controller's to tell.

Decided by `verdicts.py`; here it is stored first, with the version of the Job it was decided on, then handed to the
outbox, then stored that it was taken. Another leader, or this one started anew, goes on from the mark.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from webhook import annotations, metrics, run_mark, workloads
from webhook.annotations import Problem
from webhook.clients.kube import KubeClient
from webhook.controller import alerts, marks, verdicts
from webhook.controller.marks import Absence
from webhook.controller.opener import RunOpener
from webhook.controller.outbox import Outbox
from webhook.controller.queue import Key, earliest
from webhook.controller.run_book import Entry, RunBook
from webhook.controller.verdicts import Rules, Seen
from webhook.errors import Conflict, CronitorK8sError, KubeError, NotFound
from webhook.run_mark import RunMark
from webhook.telemetry import Event

GONE_SECONDS = 1.0
"""A Job that a write does not find has gone: the watch says so within that time."""

log = logging.getLogger(__name__)

Json = Mapping[str, Any]


class RunTeller:
    """Reconciles Jobs by namespace and name. Safe for threads as long as one key is worked on by one at a time.

    `lead` is called when this replica begins to.
    """

    def __init__(self, kube: KubeClient, book: RunBook, opener: RunOpener, outbox: Outbox, rules: Rules) -> None:
        self._kube, self._book, self._opener, self._outbox, self._rules = kube, book, opener, outbox, rules
        self._told_problems: set[tuple[str, Problem]] = set()
        self._absence = Absence()
        self._not_looked_at: set[Key] | None = None

    def lead(self, absence: Absence, jobs: Iterable[Key]) -> None:
        """Begin with these Jobs, of which some may have ended in the absence."""
        self._absence, self._not_looked_at = absence, set(jobs)

    def noted_until(self, now: float) -> float | None:
        """Up to when all that has happened is noted on the Jobs, or told where they are gone; None for no time yet."""
        if self._not_looked_at is None or self._not_looked_at:
            return None
        return min([now, *self._book.not_noted_since()])

    def reconcile(self, key: Key) -> float | None:
        try:
            again = earliest(*(self._reconcile(key, uid) for uid in self._book.named(key.namespace, key.name)))
        except KubeError as error:
            if error.status is not None and error.status < 500:
                self._looked_at(key)  # refused: what follows must not wait for that
            raise
        self._looked_at(key)
        return again

    def _looked_at(self, key: Key) -> None:
        if self._not_looked_at:
            self._not_looked_at.discard(key)

    def note(self, key: Key) -> None:
        """The same when this replica ends: a failure is told, and left to the next one."""
        try:
            self.reconcile(key)
        except CronitorK8sError as error:
            log.warning("not_noted", extra={"namespace": key.namespace, "job": key.name, "error": str(error)})

    def _reconcile(self, key: Key, uid: str) -> float | None:
        entry = self._book.entry(uid)
        if entry is None or entry.job is None or self._is_of_an_earlier_leader(uid, entry):
            return None
        if run_mark.of_job(entry.job) is None and (found := self._opener.cron_job_of(entry.job)) is not None:
            self._tell_problems(*found)
        mark = entry.mark or self._open(entry, entry.job)
        seen = self._book.seen(uid, frozenset(mark.containers)) if mark else None
        if mark is None or seen is None:
            return None
        decision = verdicts.decide(mark.delivered(frozenset(entry.acknowledged)), seen, self._rules, time.time())
        if decision.mark != run_mark.of_job(seen.job) and (wait := self._store(entry, seen, decision.mark)) is not None:
            return wait
        self._count(entry, mark, decision.mark, seen)
        events = alerts.deliverable(decision.mark, seen.job, seen.attempts)
        self._outbox.owe(key, uid, mark.identity, events)
        if verdicts.is_closed(decision.mark, seen):
            self._book.close(uid)
        return decision.look_again

    def _is_of_an_earlier_leader(self, uid: str, entry: Entry) -> bool:
        """A Job that went, with the last of its pods, while another led was that one's to tell."""
        if entry.gone_at is None:
            return False
        pods = (float("inf") if gone_at is None else gone_at for _, gone_at in entry.pods.values())
        last = max([entry.gone_at, *pods])
        if last > self._absence.until or self._absence.covers(last):
            return False
        self._book.close(uid)
        return True

    def _open(self, entry: Entry, job: Json) -> RunMark | None:
        """The mark of a Job that has none: a run that begins, or one that ended while nobody led."""
        ended = workloads.finished_at(job)
        if entry.gone_at is None and (not workloads.is_finished(job) or self._absence.covers_end(ended)):
            entry.opened = self._opener.run_of(job)
        return entry.opened

    def _store(self, entry: Entry, seen: Seen, mark: RunMark) -> float | None:
        """Seconds after which to try again, None when it is stored. A Job that is gone has only our memory."""
        if seen.gone_at is not None:
            entry.opened = mark
            return None
        if not marks.may_be_written(seen.job):
            return verdicts.SIDECAR_SECONDS  # its startTime is a change, and comes first
        return self._write(seen.job, mark)

    def _write(self, job: Json, mark: RunMark) -> float | None:
        metadata = job["metadata"]
        path = f"/apis/batch/v1/namespaces/{metadata['namespace']}/jobs/{metadata['name']}"
        # With the version it was decided on: whoever is late reads again and decides anew.
        patch = {
            "metadata": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "annotations": {run_mark.ANNOTATION: run_mark.write(mark)},
            }
        }
        try:
            self._kube.patch(path, patch)
        except (Conflict, NotFound) as changed:
            # That change comes to us as well, and all is decided anew.
            reason = type(changed).__name__
            log.debug(
                "mark_late", extra={"namespace": metadata["namespace"], "job": metadata["name"], "reason": reason}
            )
            return GONE_SECONDS
        metrics.runs_opened.inc(run_mark.of_job(job) is None)
        told = {"namespace": metadata["namespace"], "job": metadata["name"], "series": metadata["uid"]}
        owed = ",".join(event.state.value for event in mark.owed)
        log.info("run_marked", extra={**told, "start": mark.start, "verdict": mark.verdict or "open", "owed": owed})
        return None

    def _count(self, entry: Entry, before: RunMark, after: RunMark, seen: Seen) -> None:
        for event in after.owed:
            if event in entry.claimed:
                continue
            entry.claimed.add(event)
            metrics.events_repeated.inc(event in before.owed or _was_perhaps_told(event, seen))
        if {before.verdict, after.verdict} == {"complete", "fail"}:
            metrics.corrections.inc()
        if seen.vanished and verdicts.is_closed(after, seen) and not after.verdict:
            if not any(one.tells and "complete" in one.tells for one in seen.attempts):
                metrics.runs_lost.inc()
            metadata = seen.job["metadata"]
            where = {"namespace": metadata["namespace"], "job": metadata["name"], "series": metadata["uid"]}
            log.warning("run_out_of_sight", extra={**where, "reason": "its Job vanished while no watch was open"})

    def _tell_problems(self, cron_job: Json, options: annotations.Options) -> None:
        metadata = cron_job["metadata"]
        for problem in options.problems:
            if (told := (metadata["uid"], problem)) not in self._told_problems:
                self._told_problems.add(told)
                metrics.bad_annotations.labels(problem.key).inc()
                where = {"namespace": metadata["namespace"], "cronjob": metadata["name"]}
                log.warning("bad_annotation", extra={**where, "problem": str(problem)})


def _was_perhaps_told(event: Event, seen: Seen) -> bool:
    """Whether a sidecar had this to tell whose journal has gone with its pod."""
    if event.attempt:
        return False
    if not seen.attempts:
        return event.is_verdict and not workloads.is_managed_elsewhere(seen.job)
    silent = (one for one in seen.attempts if one.tells and not (one.report.told or one.report.pending))
    return any(event.state.value in (one.tells or ()) and not one.report.left and one.starts for one in silent)
