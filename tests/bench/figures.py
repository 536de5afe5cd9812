"""Statistics of the bench. Pure."""

import itertools
from collections.abc import Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """Between the two nearest ranks by their distance; raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    rank = (len(ordered) - 1) * percent / 100
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def median(samples: Sequence[float]) -> float:
    return percentile(samples, 50)


def added(with_it: Sequence[float], without: Sequence[float], percent: float = 50) -> float:
    """How much higher a percentile is with something than without."""
    return percentile(with_it, percent) - percentile(without, percent)


def ratio_added(ours: Sequence[float], theirs: Sequence[float], neither: Sequence[float]) -> float:
    """What ours adds at the median, as a multiple of what theirs adds. Raises ValueError if theirs adds nothing."""
    base = added(theirs, neither)
    if base <= 0:
        raise ValueError("what is to be compared with adds nothing measurable")
    return added(ours, neither) / base


def slices(samples: Sequence[float], number: int) -> list[list[float]]:
    """Consecutive parts of about equal size, none empty: how a figure moved in the course of a run."""
    number = max(1, min(number, len(samples)))
    edges = [len(samples) * part // number for part in range(number + 1)]
    return [list(samples[start:end]) for start, end in itertools.pairwise(edges)]


def spread(samples: Sequence[float]) -> str:
    """`p10–p90` of the samples; '' for none."""
    if not samples:
        return ""
    return f"{short(percentile(samples, 10))}–{short(percentile(samples, 90))}"


def short(number: float) -> str:
    """Three significant digits, and no more decimals than that needs."""
    if number and abs(number) < 1000:
        return f"{number:.3g}"
    return f"{number:.0f}"
