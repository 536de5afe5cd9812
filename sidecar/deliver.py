"""Sends events to Cronitor in order, over one connection, until each is taken or turned down for good.

Retried are network errors, 5xx, 407 (a proxy's) and 429 (its `Retry-After` obeyed), with full jitter; any other answer
of 4xx is final, but that an event which its message may have made too long is tried once without it.
"""

import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

import urllib3

from sidecar.events import Event, query
from sidecar.http import pool, proxy_secrets, trusting_the_system
from sidecar.journal import Delivery
from sidecar.log import Log
from sidecar.settings import Settings

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
HURRIED_SHARE = 0.4
"""Of the time left once the pod is ending, what one try may take: one that hangs must leave time for another."""
IDLE_SECONDS = 30.0
"""A connection unused for longer may have been dropped on its way without a word: a new one is made."""
FIRST_RETRY_SECONDS = 0.5
SLOWEST_RETRY_SECONDS = 60.0
SLOWEST_LIMITED_RETRY_SECONDS = 15.0
"""The same where Cronitor's limit for this address is used up. Others take turns with us there: with longer pauses the
last of a herd would still wait when the limit has long had room again (docs/performance.md)."""
NO_KEY_RETRY_SECONDS = 2.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0
MESSAGE_MAY_BE_WHY = frozenset({400, 413, 414, 431})


@dataclass(frozen=True, slots=True)
class Answer:
    """What one try came to: `delivery` PENDING means try again, not before `retry_after` seconds where given.

    `slowest` is the most that the pause may grow to beyond that.
    """

    delivery: Delivery
    told: str
    retry_after: float | None = None
    message_may_be_why: bool = False
    slowest: float = SLOWEST_RETRY_SECONDS


def judge(status: int, retry_after: str | None) -> Answer:
    """What an HTTP status means for the event that it answers."""
    if 200 <= status < 300:
        return Answer(Delivery.ACCEPTED, str(status))
    if status in (407, 429) or status >= 500 or 300 <= status < 400:
        given = float(retry_after) if retry_after and retry_after.strip().isdecimal() else None
        seconds = None if given is None else min(given, LONGEST_RETRY_AFTER_SECONDS)
        slowest = SLOWEST_LIMITED_RETRY_SECONDS if status == 429 else SLOWEST_RETRY_SECONDS
        return Answer(Delivery.PENDING, str(status), seconds, slowest=slowest)
    return Answer(Delivery.REFUSED, str(status), message_may_be_why=status in MESSAGE_MAY_BE_WHY)


def pause(tries: int, answer: Answer, chance: float) -> float:
    """Seconds until the next try: full jitter (`chance` in 0..1) below a doubling ceiling, after any `Retry-After`."""
    ceiling = min(answer.slowest, FIRST_RETRY_SECONDS * 2 ** min(tries, 16))
    wait: float = (answer.retry_after or 0.0) + chance * ceiling
    return wait


class Sender:
    """A thread that works off the events given to it. `delivered(event, delivery)` is called for each that is done."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        delivered: Callable[[Event, Delivery], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings, self._log, self._delivered = settings, log, delivered
        self._monotonic, self._chance = monotonic, chance
        self._queue: deque[Event] = deque()
        self._changed = threading.Condition()
        self._hurried: float | None = None  # seconds for one try, once the pod is ending
        self._worker = 0  # number of the thread that works; one that hangs is overtaken by the next
        self._tries = 0
        self._trying = False
        self._pool: urllib3.PoolManager | None = None
        self._context: ssl.SSLContext | None = None
        self._answered_at = monotonic()
        for secret in proxy_secrets(settings.proxy):
            log.conceal(secret)

    def start(self) -> None:
        threading.Thread(target=self._work, args=(self._worker,), name="sender", daemon=True).start()

    def send(self, event: Event) -> None:
        with self._changed:
            self._queue.append(event)
            self._changed.notify()

    def hurry(self, seconds: float) -> None:
        """The pod is ending in `seconds`: end a pause now, unless Cronitor asked for it, and soon a try that hangs."""
        with self._changed:
            self._hurried = seconds * HURRIED_SHARE
            self._changed.notify()
            timer = threading.Timer(self._hurried, self._overtake, (self._tries,))
        timer.daemon = True
        timer.start()

    def _overtake(self, tries: int) -> None:
        """Leave a try that was under way when the pod began to end, and still is, to itself: nothing else ends it."""
        with self._changed:
            if not self._trying or self._tries != tries:
                return
            self._worker += 1
            self._pool = None
        self._log.warning("try_overtaken")
        self.start()

    def _work(self, worker: int) -> None:
        while worker == self._worker:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue))
                event = self._queue[0]
            delivery = self._until_done(event, worker)
            with self._changed:
                # Another thread may have overtaken this one, and told the event before it.
                done = delivery is not None and bool(self._queue) and self._queue[0] is event
                if done:
                    self._queue.popleft()
            if done and delivery is not None:
                self._delivered(event, delivery)

    def _until_done(self, event: Event, worker: int) -> Delivery | None:
        """What the event came to; None where another thread has taken it over."""
        tries = 0
        while worker == self._worker:
            answer = self._counted_try(event, worker)
            if answer.message_may_be_why and event.message:
                self._log.warning("telling_without_message", state=event.state.value, answer=answer.told)
                event = replace(event, message="")
                continue
            if answer.delivery is not Delivery.PENDING:
                level = self._log.info if answer.delivery is Delivery.ACCEPTED else self._log.error
                level("told", state=event.state.value, answer=answer.told, delivery=answer.delivery.name.lower())
                return answer.delivery
            tries += 1
            hurried = self._hurried is not None
            seconds = pause(0 if hurried else tries, answer, self._chance())
            self._log.warning(
                "telling_again", state=event.state.value, answer=answer.told, tries=tries, wait=f"{seconds:.1f}s"
            )
            self._rest(seconds, may_be_cut=answer.retry_after is None and not hurried)
        return None

    def _rest(self, seconds: float, *, may_be_cut: bool) -> None:
        with self._changed:
            self._changed.wait_for(lambda: may_be_cut and self._hurried is not None, timeout=seconds)

    def _counted_try(self, event: Event, worker: int) -> Answer:
        with self._changed:
            self._tries += 1
            self._trying = True
        answer = self._try(event, worker)
        with self._changed:
            if worker == self._worker:
                self._trying = False
        return answer

    def _try(self, event: Event, worker: int) -> Answer:
        if self._settings.dry_run:
            self._log.info(
                "would_tell",
                state=event.state.value,
                stamp=f"{event.stamp:.3f}",
                code="" if event.status_code is None else event.status_code,
                message=event.message,
            )
            return Answer(Delivery.ACCEPTED, "dry run")
        try:
            key = self._settings.telemetry_key_file.read_text().strip()
        except (OSError, ValueError):
            key = ""
        if not key:
            return Answer(Delivery.PENDING, "no telemetry key is mounted yet", NO_KEY_RETRY_SECONDS)
        self._log.conceal(key)
        try:
            response = self._request(event, key)
        except Exception as error:  # noqa: BLE001 - whatever it is, the event is not told yet and nobody else tells it
            if worker == self._worker:
                self._pool = None
            if self._hurried is None:
                self._context = None  # the next try reads the CA files anew: they may have come, or changed
            # Only the kind of error: its text may hold the address, and that holds the key.
            return Answer(Delivery.PENDING, type(error).__name__)
        self._answered_at = self._monotonic()
        return judge(response.status, response.headers.get("Retry-After"))

    def _request(self, event: Event, key: str) -> urllib3.BaseHTTPResponse:
        settings = self._settings
        if self._pool is None:
            self._context = self._context or trusting_the_system(settings.extra_ca_file)
            self._pool = pool(
                settings.telemetry_url,
                self._context,
                proxy=settings.proxy,
                no_proxy=settings.no_proxy,
            )
        elif self._monotonic() - self._answered_at > IDLE_SECONDS:
            self._pool.clear()
        parameters = urlencode(query(event, settings.identity), quote_via=quote)
        connect, read = (self._hurried, self._hurried) if self._hurried else (CONNECT_SECONDS, READ_SECONDS)
        return self._pool.request(
            "GET",
            f"{settings.telemetry_url}/p/{quote(key, safe='')}/{quote(settings.monitor_key, safe='')}?{parameters}",
            headers={"User-Agent": "cronitor-k8s-sidecar"},
            timeout=urllib3.Timeout(connect=connect, read=read),
            redirect=False,
        )
