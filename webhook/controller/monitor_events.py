"""What people are told of their monitors: Events on the CronJobs, in these words."""

import logging
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from webhook import annotations
from webhook.controller.events import EventRecorder
from webhook.controller.monitor_records import CronJobReference
from webhook.controller.monitor_steps import Put, Shared
from webhook.errors import KeyRefused

SHOWN_CRON_JOBS = 10
MOST_TOLD_OF_REFUSAL = 1000
"""Where the key is refused, so many CronJobs are told; all the others would be told the same."""

log = logging.getLogger(__name__)


class Tell(Protocol):
    """Tells one Event on a CronJob."""

    def __call__(self, cron_job: CronJobReference, reason: str, message: str, *, warning: bool = False) -> None: ...


def events_on_cron_jobs(recorder: EventRecorder) -> Tell:
    def tell(cron_job: CronJobReference, reason: str, message: str, *, warning: bool = False) -> None:
        recorder.tell("CronJob", {"metadata": cron_job._asdict()}, reason, message, warning=warning)

    return tell


class Told:
    """Events that wait to be told: each is a request, and monitors are more urgent.

    Those of rejected and shared monitors are told first, before anything is written that says that they have been.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._urgent: deque[tuple[CronJobReference, str, str]] = deque()
        self._warnings: deque[tuple[CronJobReference, str, str]] = deque()
        self._others: deque[tuple[CronJobReference, str, str]] = deque()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._warnings) + len(self._others)

    def synced(self, cron_job: CronJobReference, key: str) -> None:
        self._others.append((cron_job, "MonitorSynced", f"Cronitor has the monitor {key} for this CronJob"))

    def rejected(self, cron_job: CronJobReference, key: str, words: str) -> None:
        message = f"Cronitor rejects the monitor {key}: {words or 'it does not say why'}"
        self._urgent.append((cron_job, "MonitorRejected", message))

    def refused(self, cron_job: CronJobReference, message: str) -> None:
        self._warnings.append((cron_job, "KeyRefused", message))

    def shared(self, found: Shared) -> None:
        oldest, *others = found.cron_jobs
        names = ", ".join(f"{one.namespace}/{one.name}" for one in found.cron_jobs[:SHOWN_CRON_JOBS])
        more = len(found.cron_jobs) - SHOWN_CRON_JOBS
        message = (
            f"{len(found.cron_jobs)} CronJobs share the monitor {found.key}: {names}"
            f"{f' and {more} more' if more > 0 else ''}. All of them report to it; schedule and settings are those of "
            f"the oldest, {oldest.namespace}/{oldest.name}"
        )
        self._urgent.extend((one, "KeyShared", message) for one in (oldest, *others))

    def tell_urgent(self) -> None:
        while self._urgent:
            self.tell_next()

    def tell_next(self) -> None:
        cron_job, reason, message = (self._urgent or self._warnings or self._others).popleft()
        warning = reason != "MonitorSynced"
        self._tell(cron_job, reason, message, warning=warning)


class Refusals:
    """What CronJobs are told of a key that Cronitor refuses: once each, not with each try."""

    def __init__(self, told: Told) -> None:
        self._told, self.text = told, ""
        self._knowing: set[str] = set()

    def refused(self, error: KeyRefused, puts: Iterable[Put]) -> None:
        if (text := refusal(error)) != self.text:
            self.text = text
            self._knowing.clear()
            log.error("api_key_refused", extra={"detail": text})
        self.tell(puts)

    def tell(self, puts: Iterable[Put]) -> None:
        """Tell those that do not know yet, while the key is refused."""
        for put in puts if self.text else ():
            cron_job = put.record.cron_job
            if put.wanted and cron_job.uid not in self._knowing and len(self._knowing) < MOST_TOLD_OF_REFUSAL:
                self._knowing.add(cron_job.uid)
                self._told.refused(cron_job, self.text)

    def over(self) -> None:
        self.text = ""
        self._knowing.clear()


class ProblemTeller:
    """`AnnotationIgnored`, once for each text while it stands. Of very many problems the first are told."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._known: dict[tuple[str, str], tuple[str, frozenset[str]]] = {}
        """By namespace and name: the uid, and what that one has been told."""

    def tell_problems(self, cron_job: CronJobReference, problems: Iterable[object]) -> None:
        """Tell what is new among the problems that a CronJob's annotations have now; none at all forgets it."""
        texts = annotations.told(str(problem) for problem in problems)
        place = (cron_job.namespace, cron_job.name)
        uid, known = self._known.pop(place, ("", frozenset[str]()))
        if texts:
            self._known[place] = (cron_job.uid, frozenset(texts))
        for text in texts:
            if uid != cron_job.uid or text not in known:
                self._tell(cron_job, "AnnotationIgnored", text, warning=True)

    def forget(self, namespace: str, name: str) -> None:
        """A CronJob that is gone, or no longer looked at."""
        self._known.pop((namespace, name), None)


def refusal(error: KeyRefused) -> str:
    """Why no monitor can be put, for people."""
    said = f"{error.status}: {error.words}" if error.words else str(error.status)
    if error.telemetry_only:
        why = "it has no right to monitors, as a telemetry key has none: credentials.apiKey has to be an SDK key"
    else:
        why = "it is not known there: see credentials.apiKey"
    return f"Cronitor refuses the API key for monitors ({said}); {why}"
