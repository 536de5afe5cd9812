"""The sidecar's one loop: views of the pod, acknowledgements and SIGTERM come in, events and the journal go out.

Every decision is `machine.observe`'s; here is when to ask it, when to write the journal (before each send and after
each acknowledgement) and when to leave.
"""

import os
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sidecar import journal as journals
from sidecar.earlier import Beginning
from sidecar.events import Event, State
from sidecar.journal import Delivery, Journal
from sidecar.log import Log
from sidecar.machine import Phase, Step, all_ended, begin, observe, recover, take_up
from sidecar.pod import Container, Pod, Running, Terminated, parse, remembering
from sidecar.settings import Settings

SIBLINGS_SECONDS = 2.0
"""After SIGTERM the siblings' ends may still be under way to the API (measured: -0.9 to +0.7 s)."""
DELIVERY_SECONDS = 5.0
SHORT_GRACE_DELIVERY_SECONDS = 1.5
LOST_SIGTERM_SECONDS = 3.0
"""SIGTERM before the handler stood is lost to a PID 1. Where the first view already shows the end, or one that came so
soon after it (the first may be old, and the kubelet's write later than its signal), that may have been so: so long
after, the pod's end is taken as told. Else SIGTERM comes, if late: native sidecars that started after us are ended
before us, and may take their time."""
STALE_VIEW_SECONDS = 45.0
"""How long an incarnation waits for the API to show itself, before it believes that there was none before it. A kubelet
that could not write a status tries again every 10 s, and an API server that is just back has much to do."""
START_TOLERANCE_SECONDS = 1.2
"""The runtime notes a container's start after its process has begun, and the API cuts it to whole seconds: so much
further back our own `startedAt` may lie. A longer tolerance would take an incarnation that was killed soon after its
start for this one, and its journal for none."""
EARLIER_SECONDS = 1.5
"""How long the first decision waits for what earlier pods leave of the run's start, which is to be told first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A view of the pod from the watch."""

    pod: dict[str, Any]
    deleted: bool


@dataclass(frozen=True, slots=True)
class Broken:
    """The watch has failed, and will be tried again."""


@dataclass(frozen=True, slots=True)
class Delivered:
    event: Event
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Earlier:
    """How the run began in its earlier pods, None where that cannot be known; how many of them have failed."""

    beginning: Beginning | None
    failed: int = 0


Incoming = Seen | Broken | Delivered | Earlier | None
"""What comes in; None stands for SIGTERM, so that its handler needs no import."""


def delivery_limit(grace_seconds: float) -> float:
    """Seconds after SIGTERM that may be spent on delivery, since the pod's end waits for it."""
    if grace_seconds <= 2:
        return SHORT_GRACE_DELIVERY_SECONDS
    return min(DELIVERY_SECONDS, grace_seconds - 1)


def earlier_journal(own: Container | None, process_started_at: float) -> Journal | None:
    """What the incarnation before this one wrote, empty if there was none; None while the API shows an old view."""
    match own:
        case Container(state=Terminated() as ended):
            return journals.decode(ended.message)
        case Container(state=Running(started_at), last=last):
            if started_at is None or started_at < process_started_at - START_TOLERANCE_SECONDS:
                return None
            return journals.decode(last.message) if last else Journal()
    return newest_journal(own)


def newest_journal(own: Container | None) -> Journal:
    """The newest one that this view of our container holds, whichever incarnation's it is."""
    match own:
        case Container(state=Terminated() as ended) | Container(last=Terminated() as ended):
            return journals.decode(ended.message)
    return Journal()


class Reporter:
    """Runs until the pod's work is told, or left to the controller, and SIGTERM has come.

    `clock` gives the times that are told; every wait is measured on `monotonic`, which no correction of the node's
    clock moves. `hurry(seconds)` says that the pod is ending, and how long delivery may take now.
    """

    def __init__(
        self,
        settings: Settings,
        log: Log,
        inbox: "queue.SimpleQueue[Incoming]",
        send: Callable[[Event], None],
        hurry: Callable[[float], None],
        process_started_at: float,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._log, self._inbox = settings, log, inbox
        self._rules = settings.rules
        self._send, self._hurry = send, hurry
        self._process_started_at = process_started_at
        self._clock, self._monotonic = clock, monotonic
        self._progress = begin(settings.rules)
        self._journal = Journal()
        self._recovered = False
        self._beginning: Beginning | None = None
        self._awaits_earlier = settings.rules.passes_run_on
        self._pod: Pod | None = None
        self._watch_broken = False
        self._sigterm_may_be_lost = False
        self._hurrying = False
        # All on the monotonic clock:
        self._first_view_at: float | None = None
        self._wake_at: float | None = None
        self._stopped_at: float | None = None
        self._ended_at: float | None = None

    def run(self) -> None:
        while not self._may_leave():
            try:
                self._take_next()
            except Exception as error:  # noqa: BLE001 - one view that cannot be read must not end the telling
                self._wake_at = None
                self._log.error("passed_over", error=type(error).__name__)
        self._leave()

    def _take_next(self) -> None:
        try:
            incoming = self._inbox.get(timeout=self._patience())
        except queue.Empty:
            self._look_again()
            return
        match incoming:
            case Seen(pod, deleted):
                self._watch_broken = False
                self._view(pod, deleted)
            case Broken():
                self._watch_broken = True
            case Delivered(event, delivery):
                self._write(self._journal.with_delivery(event, delivery))
            case Earlier(beginning, failed):
                # The Job may not have counted the last failure yet when this pod was made.
                if State.FAIL in self._rules.tells:  # else a podFailurePolicy says which failures count
                    self._rules = replace(self._rules, failed_before=max(self._rules.failed_before, failed))
                if beginning is None and State.RUN in self._rules.tells:
                    beginning = Beginning(owed=True)  # as far as anybody knows
                self._beginning, self._awaits_earlier = beginning, False
                self._look_again()
            case None:
                self._log.info("sigterm", phase=self._progress.phase.name.lower())
                self._stopped_at = self._monotonic() if self._stopped_at is None else self._stopped_at

    def _view(self, raw: dict[str, Any], deleted: bool) -> None:
        pod = remembering(self._pod, parse(raw))
        if deleted and pod.deletion_requested_at is None:
            pod = replace(pod, deletion_requested_at=self._clock())
        self._pod = pod
        over = all_ended(pod) or pod.deletion_requested_at is not None
        now = self._monotonic()
        if self._first_view_at is None:
            self._first_view_at = now
        if over and now - self._first_view_at <= LOST_SIGTERM_SECONDS:
            self._sigterm_may_be_lost = True
        if not over:
            self._ended_at = None
        elif self._ended_at is None and self._sigterm_may_be_lost:
            self._ended_at = now
        self._look_again()

    def _recover(self, pod: Pod, first_view_at: float) -> bool:
        """Take up the journal of the incarnation before this one; False while the API may still show that one."""
        found = earlier_journal(pod.own, self._process_started_at)
        if found is None:
            if self._monotonic() - first_view_at < STALE_VIEW_SECONDS:
                self._wake_at = self._monotonic() + 1
                return False
            found = newest_journal(pod.own)
        self._recovered = True
        if found.entries:
            self._log.info("journal_recovered", entries=len(found.entries), pending=len(found.pending))
            self._progress = recover(found, self._rules)
            self._write(found)
            for event in found.pending:
                self._send(event)
        return True

    def _look_again(self) -> None:
        """Ask the machine about the newest view of the pod, at the present time."""
        pod, first_view_at = self._pod, self._first_view_at
        if pod is None or first_view_at is None or not (self._recovered or self._recover(pod, first_view_at)):
            return
        if self._awaits_earlier:
            if (due := first_view_at + EARLIER_SECONDS) > self._monotonic():
                self._wake_at = due
                return
            self._awaits_earlier = False
            if State.RUN in self._rules.tells:
                self._beginning = Beginning(owed=True)  # rather a start of our own than a verdict alone
        before = self._progress
        self._take_up_beginning()
        step = observe(self._progress, pod, self._clock(), self._rules, monotonic=self._monotonic())
        self._wake_at = step.wake_at
        self._go_on(step)
        if step.progress.phase is Phase.LEFT and before.phase is not Phase.LEFT:
            self._leave_to_controller(step.progress.left)

    def _take_up_beginning(self) -> None:
        found, self._beginning = self._beginning, None
        is_told = any(entry.event.state is State.RUN for entry in self._journal.entries)
        if found is not None and (not is_told or found.completed):
            self._go_on(take_up(self._progress, replace(found, owed=found.owed and not is_told)))

    def _go_on(self, step: Step) -> None:
        self._progress = step.progress
        for event in step.events:
            self._log.info("seen", state=event.state.value, stamp=event.stamp, detail=event.message)
            self._write(self._journal.with_event(event))
            self._send(event)

    def _leave_to_controller(self, reason: str) -> None:
        self._log.info("left_to_controller", reason=reason)
        self._write(replace(self._journal, left=reason))

    def _write(self, journal: Journal) -> None:
        """In one go over what is there: emptied first, it would be lost if the kill came before what is to be in it."""
        self._journal = journal
        text = journals.encode(journal)
        try:
            file = os.open(self._settings.termination_log, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.write(file, text.ljust(os.fstat(file).st_size, b"\n"))
            finally:
                os.close(file)
        except (OSError, ValueError) as error:
            self._log.error("journal_not_written", error=type(error).__name__, detail=getattr(error, "strerror", ""))

    def _ending_since(self) -> float | None:
        """When SIGTERM came, or should have come: it is lost to a process that has no handler yet."""
        if self._stopped_at is not None:
            return self._stopped_at
        if self._ended_at is not None and self._monotonic() - self._ended_at > LOST_SIGTERM_SECONDS:
            return self._ended_at + LOST_SIGTERM_SECONDS
        return None

    def _may_leave(self) -> bool:
        since = self._ending_since()
        if since is None:
            return False
        limit = delivery_limit(self._settings.grace_seconds)
        if not self._hurrying:
            self._hurrying = True
            self._hurry(limit)
        elapsed = self._monotonic() - since
        if elapsed >= limit:
            return True
        decided = self._progress.settled or elapsed >= SIBLINGS_SECONDS or self._waiting_is_fruitless()
        return decided and not self._journal.pending

    def _waiting_is_fruitless(self) -> bool:
        """Whether no later view can be hoped for: none has come so far, and the watch has failed.

        A view that shows every end is no such reason: a next attempt may have ended well meanwhile.
        """
        return self._pod is None and self._watch_broken

    def _patience(self) -> float | None:
        """Seconds until something must be looked at again though nothing comes in."""
        if (since := self._ending_since()) is not None:
            left = since + delivery_limit(self._settings.grace_seconds) - self._monotonic()
            return max(0.01, min(0.1, left))
        waits = [self._wake_at] if self._wake_at is not None else []
        if self._ended_at is not None:
            waits.append(self._ended_at + LOST_SIGTERM_SECONDS)
        return max(0.05, min(waits) - self._monotonic()) if waits else None

    def _leave(self) -> None:
        self._take_acknowledgements()
        if not self._progress.settled:
            self._leave_to_controller("the pod ended before its containers were seen to end")
        elif self._journal.pending and not self._journal.left:
            self._leave_to_controller("not delivered before the pod's end")
        self._take_acknowledgements()
        self._log.info("leaving", pending=len(self._journal.pending))

    def _take_acknowledgements(self) -> None:
        """What Cronitor has taken at the last moment need not be told again by the controller."""
        while not self._inbox.empty():
            match self._inbox.get():
                case Delivered(event, delivery):
                    self._write(self._journal.with_delivery(event, delivery))
