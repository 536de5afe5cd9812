"""What the controller has seen of each Job and its pods, those included that are gone while the run is open.

Fed by the informers' handlers, in every replica: the one that takes over then knows what happened in between. What
must survive all of them stands in the Job's mark.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhook import run_mark, workloads
from webhook.clients.informer import GONE, VANISHED, Informer, essence
from webhook.controller import attempts, pod_history
from webhook.controller.attempts import Attempt, parse
from webhook.controller.queue import Key
from webhook.controller.verdicts import Seen
from webhook.run_mark import RunMark
from webhook.telemetry import Event

KEEP_GONE_SECONDS = 300.0
"""How long a replica that does not lead remembers a Job that is gone: longer than any change of leader takes."""

Json = dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One Job, and its pods with the time at which they were seen to be gone.

    `opened` is its mark as long as the Job itself does not have it; `acknowledged` what Cronitor took, `claimed` what
    this replica itself has decided to tell; `waiting_since` since when a container of a pod is seen to
    hang, `waited` for how long any of a pod's has, at the longest.
    """

    job: Json | None = None
    pods: dict[str, tuple[Json, float | None]] = field(default_factory=dict)
    gone_at: float | None = None
    vanished: bool = False
    opened: RunMark | None = None
    acknowledged: set[Event] = field(default_factory=set)
    claimed: set[Event] = field(default_factory=set)
    waiting_since: dict[tuple[str, str], float] = field(default_factory=dict)
    waited: dict[str, float] = field(default_factory=dict)
    decided_seen_at: float | None = None

    @property
    def mark(self) -> RunMark | None:
        """As it stands on the Job; what is remembered of it where it does not."""
        written = run_mark.of_job(self.job) if self.job else None
        if written is None or (self.gone_at is not None and self.opened is not None):
            return self.opened
        return written


class RunBook:
    """Safe for threads. `open_run` gives the mark of a Job that is a new run, by what is known of it now.

    `why_refused` gives the API server's words on why a Job, by its UID, gets no pod.
    """

    def __init__(
        self,
        jobs: Informer,
        pods: Informer,
        ignored: frozenset[str],
        open_run: Callable[[Json], RunMark | None],
        *,
        why_refused: Callable[[str], str] = lambda uid: "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._jobs, self._ignored, self._open_run, self._clock = jobs, ignored, open_run, clock
        self._why_refused = why_refused
        self._lock = threading.RLock()
        self._entries: dict[str, Entry] = {}
        self._by_name: dict[tuple[str, str], set[str]] = {}
        jobs.on_change(self._job_changed)
        pods.on_change(self._pod_changed)

    def named(self, namespace: str, name: str) -> list[str]:
        """UIDs of the Jobs of this name: the present one, and those that are gone while their run is open."""
        with self._lock:
            return sorted(self._by_name.get((namespace, name), ()))

    def names(self) -> list[tuple[str, str]]:
        """(namespace, name) of every Job; first those that are gone: of them nobody else may know."""
        with self._lock:
            return sorted(
                self._by_name,
                key=lambda name: all(self._entries[uid].gone_at is None for uid in self._by_name[name]),
            )

    def entry(self, uid: str) -> Entry | None:
        """The entry itself: only its `opened` may be written by others, and only by the one that works on this Job."""
        return self._entries.get(uid)

    def open_keys(self) -> frozenset[str]:
        """The keys of the monitors of which something is still to be told, by whomever."""
        with self._lock:
            return frozenset(
                mark.key
                for entry in self._entries.values()
                if (mark := entry.mark) and not (mark.verdict and entry.acknowledged.issuperset(mark.owed))
            )

    def consider(self, namespace: str, name: str) -> None:
        """Something else has changed (CronJob, namespace) that may make these Jobs runs."""
        with self._lock:
            for uid in self._by_name.get((namespace, name), ()):
                self._open(self._entries[uid])

    def seen(self, uid: str, chosen: frozenset[str]) -> Seen | None:
        """The run as last seen; None for a Job that is not known."""
        with self._lock:
            entry = self._entries.get(uid)
            if entry is None or entry.job is None:
                return None
            by_age = sorted(self._attempts(entry, chosen), key=lambda found: found[0])
            found = tuple(attempt for _, attempt in by_age)
            since, waited, refusal = dict(entry.waiting_since), dict(entry.waited), self._why_refused(uid)
            job, decided = self._newest(entry.job), entry.decided_seen_at
            return Seen(job, found, entry.gone_at, entry.vanished, since, waited, refusal, decided)

    def acknowledge(self, uid: str, event: Event) -> None:
        with self._lock:
            if entry := self._entries.get(uid):
                entry.acknowledged.add(event)

    def not_noted(self) -> list[Key]:
        """The Jobs whose mark still owes what Cronitor has taken."""
        with self._lock:
            return [
                Key("job", entry.job["metadata"]["namespace"], entry.job["metadata"]["name"])
                for entry in self._entries.values()
                if entry.job is not None and (mark := entry.mark) and entry.acknowledged.intersection(mark.owed)
            ]

    def not_noted_since(self) -> list[float]:
        """When what the Jobs themselves do not tell happened: the ends of those that lack their mark, and when those
        went of which something is still to be told."""
        with self._lock:
            entries = [entry for entry in self._entries.values() if entry.opened is not None or entry.gone_at]
            moments = [
                entry.gone_at or (workloads.finished_at(entry.job) if entry.job is not None else None)
                for entry in entries
            ]
            # What hangs for longer must not hold up the rest, and no other replica remembers what went before that.
            limit = self._clock() - KEEP_GONE_SECONDS
            return [moment for moment in moments if moment is not None and moment > limit]

    def close(self, uid: str) -> None:
        """Nothing more is to be told of this run: forget what is gone."""
        with self._lock:
            if entry := self._entries.get(uid):
                entry.pods = {pod: found for pod, found in entry.pods.items() if found[1] is None}
                if entry.gone_at is not None:
                    self._drop(uid, entry)

    def _newest(self, job: Json) -> Json:
        """The same with its newest version: a change of nothing that is kept is told to no handler."""
        cached = self._jobs.get(job["metadata"]["namespace"], job["metadata"]["name"])
        return cached if cached is not None and essence(cached) == essence(job) else job

    def _attempts(self, entry: Entry, chosen: frozenset[str]) -> Iterator[tuple[tuple[str, str], Attempt]]:
        for pod, gone_at in entry.pods.values():
            order = (str(pod["metadata"].get("creationTimestamp")), pod["metadata"]["name"])
            yield order, parse(pod, gone_at=gone_at, chosen=chosen, ignored=self._ignored)

    def _note_waiting(self, entry: Entry, uid: str, names: Sequence[str]) -> None:
        """`names`: the containers of pod `uid` that hang now."""
        before = {place: since for place, since in entry.waiting_since.items() if place[0] == uid}
        if not names and not before:
            return
        now = self._clock()
        others = {place: since for place, since in entry.waiting_since.items() if place not in before}
        entry.waiting_since = others | {(uid, name): before.get((uid, name), now) for name in names}
        if before:
            entry.waited[uid] = max(entry.waited.get(uid, 0.0), now - min(before.values()))

    def _job_changed(self, kind: str, job: Json) -> None:
        metadata = job["metadata"]
        uid, name = metadata["uid"], (metadata["namespace"], metadata["name"])
        with self._lock:
            entry = self._entries.setdefault(uid, Entry())
            self._by_name.setdefault(name, set()).add(uid)
            entry.job = job
            if entry.decided_seen_at is None and (workloads.is_finished(job) or workloads.is_ending(job)):
                entry.decided_seen_at = self._clock()
            if run_mark.of_job(job) is not None:
                entry.opened = None
            if kind in GONE:
                entry.gone_at, entry.vanished = self._clock(), kind == VANISHED
                self._forget_old()
            else:
                self._open(entry)
            if entry.mark is None and entry.gone_at is not None:
                self._drop(uid, entry)

    def _open(self, entry: Entry) -> None:
        """Remember the run while it is seen unfinished: by the time it can be marked it may have ended."""
        if entry.job is not None and entry.gone_at is None and entry.mark is None:
            entry.opened = self._open_run(entry.job)

    def _pod_changed(self, kind: str, pod: Json) -> None:
        owner, uid = workloads.owner(pod, "Job"), pod["metadata"]["uid"]
        with self._lock:
            # A pod that was orphaned goes on without its owner, and so does its run.
            job = owner.uid if owner else next((one for one, found in self._entries.items() if uid in found.pods), None)
            if job is None:
                return
            entry = self._entries.setdefault(job, Entry())
            if kind in GONE and entry.mark is None:
                entry.pods.pop(uid, None)  # of no run that is open
            else:
                known = entry.pods.get(uid)
                pod = pod_history.remembering(known[0], pod) if known else pod
                entry.pods[uid] = (pod, self._clock() if kind in GONE else None)
            self._note_waiting(entry, uid, () if kind in GONE else attempts.hanging(pod))
            if entry.job is None and not entry.pods:
                del self._entries[job]

    def _forget_old(self) -> None:
        limit = self._clock() - KEEP_GONE_SECONDS
        old = [uid for uid, entry in self._entries.items() if entry.gone_at is not None and entry.gone_at < limit]
        for uid in old:
            entry = self._entries[uid]
            owed = entry.opened is not None and entry.opened.owed
            if not owed and all(gone_at is not None for _, gone_at in entry.pods.values()):
                self._drop(uid, entry)

    def _drop(self, uid: str, entry: Entry) -> None:
        del self._entries[uid]
        if entry.job is not None:
            name = (entry.job["metadata"]["namespace"], entry.job["metadata"]["name"])
            self._by_name[name].discard(uid)
            if not self._by_name[name]:
                del self._by_name[name]
