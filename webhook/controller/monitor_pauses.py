"""Whose pause it is: before each pause of ours the monitor is looked up, alone or with many by pages."""

import logging
from collections.abc import Callable, Sequence

from webhook.controller.monitor_requests import Monitors
from webhook.controller.monitor_steps import Put, Settled
from webhook.errors import CronitorError, KeyRefused, TooManyRequests

MANY = 10
"""More than these to be looked up in a round are looked up by pages, of all the account's monitors."""

MOST_PAGES = 300
FRESH_SECONDS = 60.0
"""So long after its last page a list is used: what is not done in one round is done in the next."""

log = logging.getLogger(__name__)


class Pauses:
    """Raises TooManyRequests and KeyRefused. Where a look-up fails for another reason, nobody has paused that monitor:
    a pause too many is the lesser evil.
    """

    def __init__(self, client: Monitors, clock: Callable[[], float]) -> None:
        self._client, self._clock = client, clock
        self._listed: dict[str, bool] = {}
        self._page, self._page_size, self._is_complete, self._read_at = 0, 0, False, float("-inf")
        self._lists, self._is_away = False, False

    def begin(self, puts: Sequence[Put]) -> list[Put]:
        """Begin a round. The puts, with those last that are to be looked up."""
        if self._clock() >= self._read_at + FRESH_SECONDS:
            self._listed, self._page, self._is_complete = {}, 0, False
        self._lists, self._is_away = sum(put.may_be_paused for put in puts) > MANY, False
        return sorted(puts, key=lambda put: put.may_be_paused)

    def look_up(self, batch: Sequence[Put], until: float) -> list[Put | Settled]:
        """What is to be done of a batch, from its front: less of it where the time is over."""
        found: list[Put | Settled] = []
        for put in batch:
            if not put.may_be_paused:
                found.append(put)
                continue
            if self._lists and not self._list(until):
                break
            if found and self._clock() >= until:
                break
            found.append(put.once_looked_up(self._is_paused(put)))
        return found

    def forget(self, key: str) -> None:
        """This monitor has been put: it may be another one than it was."""
        self._listed.pop(key, None)

    def _list(self, until: float) -> bool:
        """Read pages, at least one; whether that was all. One by one they are looked up if there are no pages."""
        while not self._is_complete:
            try:
                found = self._client.pauses_on(self._page + 1)
            except (TooManyRequests, KeyRefused):
                raise
            except CronitorError as error:
                log.info("monitors_not_listed", extra={"error": str(error)})
                self._lists = False
                return True
            # Cronitor may hold pages to be smaller than they are asked for.
            self._page_size = self._page_size if self._page else len(found)
            self._page += 1
            is_last = len(found) < self._page_size or found.keys() <= self._listed.keys()
            self._listed |= found
            self._read_at, self._is_complete = self._clock(), is_last or self._page == MOST_PAGES
            if not self._is_complete and self._read_at >= until:
                return False
        return True

    def _is_paused(self, put: Put) -> bool | None:
        if self._is_complete:
            if (paused := self._listed.get(put.key)) is not None:
                return paused
            if put.before is None or not put.before.was_put or put.pauses_new:
                return None  # of what has been put we make sure: a page may pass over one while another is deleted
        unknown = None if put.pauses_new else False
        if self._is_away:
            return unknown
        try:
            return self._client.is_paused(put.key)
        except (TooManyRequests, KeyRefused):
            raise
        except CronitorError as error:
            log.info("pause_not_looked_up", extra={"monitor": put.key, "error": str(error)})
            self._is_away = True
            return unknown
