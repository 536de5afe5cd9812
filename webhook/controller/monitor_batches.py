"""Sends monitors so that a bad one never holds up the others: what is rejected is split until it is alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from webhook.controller.monitor_steps import Put
from webhook.errors import MonitorsRejected

TOO_LARGE = 413

Send = Callable[[Sequence[Put]], object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Monitors that Cronitor has taken, or the one that it has rejected."""

    puts: Sequence[Put]
    rejected: MonitorsRejected | None = None


def batches(puts: Sequence[Put], size: int) -> Iterator[Sequence[Put]]:
    for start in range(0, len(puts), size):
        yield puts[start : start + size]


def deliver(batch: Sequence[Put], send: Send, *, known_bad: bool = False) -> Iterator[Outcome]:
    """Send a batch, and what of it is rejected by halves; outcomes come as they are known. Other errors are raised.

    A half is not asked about as a whole (`known_bad`) where the other one was taken: then the bad one is in it. For
    `b` bad ones among `n` that is at most 2·b·log2(n) + 1 requests.
    """
    too_large = False
    if len(batch) == 1 or not known_bad:
        try:
            send(batch)
        except MonitorsRejected as rejected:
            if len(batch) == 1:
                yield Outcome(batch, rejected)
                return
            too_large = rejected.status == TOO_LARGE
        else:
            yield Outcome(batch)
            return
    middle, left_is_bad = len(batch) // 2, False
    for outcome in deliver(batch[:middle], send):
        left_is_bad = left_is_bad or outcome.rejected is not None
        yield outcome
    yield from deliver(batch[middle:], send, known_bad=not (left_is_bad or too_large))
