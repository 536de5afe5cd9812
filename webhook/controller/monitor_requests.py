"""Requests to the monitors API, counted and timed; and what is asked in their place in a dry run."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from webhook import metrics
from webhook.errors import CronitorError, KeyRefused, MonitorsRejected, TooManyRequests

log = logging.getLogger(__name__)

Json = Mapping[str, Any]
Answer = TypeVar("Answer")


class Monitors(Protocol):
    """The monitors API, as `webhook/clients/cronitor.py` has it."""

    def put(self, monitors: Sequence[Json]) -> list[Json]: ...
    def delete(self, key: str) -> None: ...
    def is_paused(self, key: str) -> bool | None: ...
    def pauses_on(self, page: int) -> Mapping[str, bool]: ...


class AccountMonitors(Monitors, Protocol):
    """The same, by one key at one address; `account` is another one where those are."""

    @property
    def account(self) -> str: ...


class CountedMonitors:
    """The same, in metrics. `worked` is called when Cronitor has answered to a key that may put and delete."""

    def __init__(self, client: Monitors, worked: Callable[[], None], now: Callable[[], float]) -> None:
        self._client, self._worked, self._now = client, worked, now

    def put(self, monitors: Sequence[Json]) -> list[Json]:
        with metrics.monitor_put_seconds.time():
            answered = self._changed("put", lambda: self._client.put(monitors))
        if missing := {one["key"] for one in monitors} - {one.get("key") for one in answered}:
            log.debug("monitors_not_in_answer", extra={"monitors": sorted(missing)})
        log.info("monitors_put", extra={"monitors": len(monitors)})
        return answered

    def delete(self, key: str) -> None:
        self._changed("delete", lambda: self._client.delete(key))
        log.info("monitor_deleted", extra={"monitor": key})

    def is_paused(self, key: str) -> bool | None:
        return self._asked("get", lambda: self._client.is_paused(key))

    def pauses_on(self, page: int) -> Mapping[str, bool]:
        return self._asked("get", lambda: self._client.pauses_on(page))

    def _changed(self, operation: str, ask: Callable[[], Answer]) -> Answer:
        try:
            answer = self._asked(operation, ask)
        except MonitorsRejected:
            self._worked()
            raise
        self._worked()
        return answer

    def _asked(self, operation: str, ask: Callable[[], Answer]) -> Answer:
        try:
            answer = ask()
        except CronitorError as error:
            metrics.monitor_requests.labels(operation, _result(error)).inc()
            if isinstance(error, KeyRefused):
                metrics.api_key_valid.set(0)
            raise
        metrics.monitor_requests.labels(operation, "accepted").inc()
        metrics.monitors_last_success.set(self._now())
        return answer


class DryRunMonitors:
    """Takes everything and sends nothing."""

    def put(self, monitors: Sequence[Json]) -> list[Json]:
        for monitor in monitors:
            log.info("would_put_monitor", extra={"monitor": monitor["key"], "attributes": dict(monitor)})
        return list(monitors)

    def delete(self, key: str) -> None:
        log.info("would_delete_monitor", extra={"monitor": key})

    def is_paused(self, key: str) -> bool | None:
        return False

    def pauses_on(self, page: int) -> Mapping[str, bool]:
        return {}


def _result(error: CronitorError) -> str:
    match error:
        case MonitorsRejected():
            return "rejected"
        case KeyRefused():
            return "refused"
        case TooManyRequests():
            return "throttled"
        case _:
            return "failed"
