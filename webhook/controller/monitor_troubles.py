"""Monitors that Cronitor fails on: put aside, so that they hold up no other, and parted until they are alone."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from webhook.controller.monitor_batches import batches
from webhook.controller.monitor_steps import Put

FIRST_RETRY_SECONDS = 1.0
SLOWEST_RETRY_SECONDS = 60.0
ASIDE_FROM = 2
"""So many failures in a row: one may be anybody's."""

Jitter = Callable[[float, float], float]


def back_off(failures: int, jitter: Jitter = random.uniform) -> float:
    """Seconds to wait after so many failures in a row."""
    longest = min(SLOWEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(failures, 10))
    return jitter(FIRST_RETRY_SECONDS / 2, longest)


@dataclass(slots=True)
class Trouble:
    """`successes` is how many there had been, of others, when it failed first."""

    failures: int
    not_before: float
    successes: int


class Troubles:
    """What has failed, by the monitor's key."""

    def __init__(self, size: int, clock: Callable[[], float], jitter: Jitter) -> None:
        self._size, self._clock, self._jitter = size, clock, jitter
        self._known: dict[str, Trouble] = {}
        self._successes, self._failed_in_a_row = 0, 0
        self.are_over = False
        """Whether batches would be others now: what failed did so while Cronitor was away."""

    def begin(self, keys: Iterable[str]) -> None:
        """Begin a round with these keys; the others are forgotten."""
        self._failed_in_a_row, self.are_over = 0, False
        if self._known:
            asked = set(keys)
            self._known = {key: trouble for key, trouble in self._known.items() if key in asked}

    def batches(self, puts: Sequence[Put]) -> list[Sequence[Put]]:
        """Those that are due: first what is not put aside, then what is, in batches that are halved by each failure."""
        by_failures: dict[int, list[Put]] = {}
        for put in puts:
            if self._is_due(put.key):
                failures = self._failures(put.key)
                by_failures.setdefault(0 if failures < ASIDE_FROM else failures, []).append(put)
        return [
            batch
            for failures, ones in sorted(by_failures.items())
            for batch in batches(ones, max(1, self._size >> max(0, failures - 1)))
        ]

    def due(self, keys: Iterable[str]) -> list[str]:
        return sorted(filter(self._is_due, keys), key=self._failures)

    def failed(self, keys: Iterable[str]) -> bool:
        """Whether they are put aside, and it goes on with others: not when two have failed in a row."""
        self._failed_in_a_row += 1
        aside = True
        for key in keys:
            trouble = self._known.setdefault(key, Trouble(0, float("-inf"), self._successes))
            trouble.failures += 1
            if trouble.failures >= ASIDE_FROM:
                trouble.not_before = self._clock() + back_off(trouble.failures, self._jitter)
            else:
                aside = False
        return aside and self._failed_in_a_row == 1

    def worked(self, keys: Iterable[str]) -> None:
        """These have been answered. What failed while nothing was has failed for that alone, as far as we know."""
        for key in keys:
            self._known.pop(key, None)
        for trouble in self._known.values():
            if trouble.successes == self._successes:
                self.are_over = self.are_over or trouble.failures >= ASIDE_FROM
                trouble.failures, trouble.not_before = 1, float("-inf")
        self._successes, self._failed_in_a_row = self._successes + 1, 0

    def look_again(self) -> float | None:
        """Seconds after which something that has failed is due."""
        waits = [one.not_before - self._clock() for one in self._known.values()]
        return max(0.0, min(waits)) if waits else None

    def _failures(self, key: str) -> int:
        return trouble.failures if (trouble := self._known.get(key)) else 0

    def _is_due(self, key: str) -> bool:
        trouble = self._known.get(key)
        return trouble is None or trouble.not_before <= self._clock()
