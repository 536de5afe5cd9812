"""A row of the bench, the table of all rows, and `build/bench.json`. Pure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.figures import short

COLUMNS = ("name", "value", "goal", "met", "samples", "spread")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a value has to be: at most, or at least, so much."""

    limit: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `goal` is '' and `met` None where nothing is promised. `spread` is `p10–p90`, in the same unit."""

    name: str
    value: float
    unit: str
    goal: str
    met: bool | None
    samples: int
    spread: str


def row(name: str, value: float, unit: str, goal: Goal | None, samples: int, spread: str = "") -> Row:
    """A row, judged by its goal."""
    value = round(value, 4)
    return Row(name, value, unit, str(goal) if goal else "", goal.met(value) if goal else None, samples, spread)


def table(rows: Iterable[Row]) -> str:
    """The rows as people read them."""
    lines = [COLUMNS, *(_cells(one) for one in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def merged(known: Sequence[Row], fresh: Sequence[Row]) -> list[Row]:
    """`known` with what was measured anew in its place, and what it did not hold at the end."""
    new = {one.name: one for one in fresh}
    kept = [new.pop(one.name, one) for one in known]
    return kept + list(new.values())


def written(rows: Iterable[Row]) -> str:
    return json.dumps([asdict(one) for one in rows], indent=1, ensure_ascii=False) + "\n"


def read(text: str) -> list[Row]:
    """Raises ValueError or TypeError for what `written` has not written."""
    found: list[dict[str, Any]] = json.loads(text)
    return [Row(**one) for one in found]


def _cells(one: Row) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: ""}[one.met]
    return (one.name, f"{short(one.value)} {one.unit}".strip(), one.goal, met, str(one.samples), one.spread)
