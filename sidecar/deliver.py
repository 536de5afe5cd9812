"""Sends events to Cronitor in order, over one connection, until each is taken or turned down for good.

Retried are network errors, 5xx, 407 (a proxy's) and 429 (its `Retry-After` obeyed), with full jitter; any other answer
of 4xx is final, but that an event which its message may have made too long is tried once without it.
"""

import random
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
HURRIED_SECONDS = 2.0
"""Both of them once the pod is ending: one try that hangs must leave time for another."""
IDLE_SECONDS = 30.0
"""A connection unused for longer may have been dropped on its way without a word: a new one is made."""
FIRST_RETRY_SECONDS = 0.5
SLOWEST_RETRY_SECONDS = 60.0
NO_KEY_RETRY_SECONDS = 2.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0
MESSAGE_MAY_BE_WHY = frozenset({400, 413, 414, 431})


@dataclass(frozen=True, slots=True)
class Answer:
    """What one try came to: `delivery` PENDING means try again, not before `retry_after` seconds where given."""

    delivery: Delivery
    told: str
    retry_after: float | None = None
    message_may_be_why: bool = False


def judge(status: int, retry_after: str | None) -> Answer:
    """What an HTTP status means for the event that it answers."""
    if 200 <= status < 300:
        return Answer(Delivery.ACCEPTED, str(status))
    if status in (407, 429) or status >= 500 or 300 <= status < 400:
        given = float(retry_after) if retry_after and retry_after.strip().isdecimal() else None
        seconds = None if given is None else min(given, LONGEST_RETRY_AFTER_SECONDS)
        return Answer(Delivery.PENDING, str(status), seconds)
    return Answer(Delivery.REFUSED, str(status), message_may_be_why=status in MESSAGE_MAY_BE_WHY)


def pause(tries: int, answer: Answer, chance: float) -> float:
    """Seconds until the next try: full jitter (`chance` in 0..1) below a doubling ceiling, after any `Retry-After`."""
    ceiling = min(SLOWEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(tries, 16))
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
        self._hurry = False
        self._pool: urllib3.PoolManager | None = None
        self._answered_at = monotonic()
        for secret in proxy_secrets(settings.proxy):
            log.conceal(secret)

    def start(self) -> None:
        threading.Thread(target=self._work, name="sender", daemon=True).start()

    def send(self, event: Event) -> None:
        with self._changed:
            self._queue.append(event)
            self._changed.notify()

    def hurry(self) -> None:
        """The pod is ending: end a pause now, unless Cronitor asked for it."""
        with self._changed:
            self._hurry = True
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue))
                event = self._queue[0]
            delivery = self._until_done(event)
            with self._changed:
                self._queue.popleft()
            self._delivered(event, delivery)

    def _until_done(self, event: Event) -> Delivery:
        tries = 0
        while True:
            answer = self._try(event)
            if answer.message_may_be_why and event.message:
                self._log.warning("telling_without_message", state=event.state.value, answer=answer.told)
                event = replace(event, message="")
                continue
            if answer.delivery is not Delivery.PENDING:
                level = self._log.info if answer.delivery is Delivery.ACCEPTED else self._log.error
                level("told", state=event.state.value, answer=answer.told, delivery=answer.delivery.name.lower())
                return answer.delivery
            tries += 1
            hurried = self._hurry
            seconds = pause(0 if hurried else tries, answer, self._chance())
            self._log.warning(
                "telling_again", state=event.state.value, answer=answer.told, tries=tries, wait=f"{seconds:.1f}s"
            )
            self._rest(seconds, may_be_cut=answer.retry_after is None and not hurried)

    def _rest(self, seconds: float, *, may_be_cut: bool) -> None:
        with self._changed:
            self._changed.wait_for(lambda: may_be_cut and self._hurry, timeout=seconds)

    def _try(self, event: Event) -> Answer:
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
            self._pool = None  # the next try reads the CA files anew: they may have come, or changed
            # Only the kind of error: its text may hold the address, and that holds the key.
            return Answer(Delivery.PENDING, type(error).__name__)
        self._answered_at = self._monotonic()
        return judge(response.status, response.headers.get("Retry-After"))

    def _request(self, event: Event, key: str) -> urllib3.BaseHTTPResponse:
        settings = self._settings
        if self._pool is None:
            self._pool = pool(
                settings.telemetry_url,
                trusting_the_system(settings.extra_ca_file),
                proxy=settings.proxy,
                no_proxy=settings.no_proxy,
            )
        elif self._monotonic() - self._answered_at > IDLE_SECONDS:
            self._pool.clear()
        parameters = urlencode(query(event, settings.identity), quote_via=quote)
        connect, read = (HURRIED_SECONDS, HURRIED_SECONDS) if self._hurry else (CONNECT_SECONDS, READ_SECONDS)
        return self._pool.request(
            "GET",
            f"{settings.telemetry_url}/p/{quote(key, safe='')}/{quote(settings.monitor_key, safe='')}?{parameters}",
            headers={"User-Agent": "cronitor-k8s-sidecar"},
            timeout=urllib3.Timeout(connect=connect, read=read),
            redirect=False,
        )
