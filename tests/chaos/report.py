"""Pure: the closing table, and the document that is kept of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from statistics import quantiles
from typing import Any

from tests.chaos.judge import Finding, Verdict, counts_by_shape
from tests.chaos.plan import Plan
from tests.chaos.seen import Event, Fell, JobSeen

COLUMNS = ("jobs", "harmed", "lost", "wrong", "duplicates", "missed")
SHOWN = 40
"""Findings of one sort that are printed; the document has all."""


def fault_line(fell: Fell, started: float) -> str:
    return f"{fell.began - started:7.1f} s  {fell.kind:<24} {fell.ended - fell.began:5.1f} s  {fell.target}"


def table(jobs: Sequence[JobSeen], verdict: Verdict) -> str:
    """One line for each shape and one for all."""
    counts = counts_by_shape(jobs, verdict)
    total = {column: sum(row[column] for row in counts.values()) for column in COLUMNS}
    total["wrong"] = len(verdict.wrong)  # those of no Job of ours, too
    lines = ["".join([f"{'shape':<18}", *(f"{column:>11}" for column in COLUMNS)])]
    for name, row in [*sorted(counts.items()), ("all", total)]:
        lines.append("".join([f"{name:<18}", *(f"{row[column]:>11}" for column in COLUMNS)]))
    return "\n".join(lines)


def findings(verdict: Verdict) -> str:
    """What was found, one line each; what is unexplained first."""
    sorts = {
        "harmed": verdict.harmed,
        "lost": verdict.lost,
        "wrong": verdict.wrong,
        "duplicate": verdict.duplicates,
        "missed": verdict.missed,
    }
    lines = []
    for name, found in sorts.items():
        ordered = _once_a_run(sorted(found, key=lambda one: bool(one.explanation)))
        lines += [f"{_label(name, one)}: {one}" for one in ordered[:SHOWN]]
        if len(ordered) > SHOWN:
            lines.append(f"{name}: and {len(ordered) - SHOWN} more")
    return "\n".join(lines)


def beside_twins(jobs: Sequence[JobSeen], twins: Sequence[JobSeen], now: float) -> dict[str, Any]:
    """How many seconds longer Jobs took than their twins without us, made at the same moment: p10, median, p90."""
    without = {twin.name: twin for twin in twins}
    longer = sorted(job.delay(now) - without[job.name].delay(now) for job in jobs if job.name in without)
    if not longer:
        return {"pairs": 0}
    figures = quantiles(longer, n=10) if len(longer) > 1 else longer * 9
    names = ("p10", "median", "p90")
    return {"pairs": len(longer), **dict(zip(names, (round(figures[at], 1) for at in (0, 4, 8)), strict=True))}


def twins_line(found: Mapping[str, Any]) -> str:
    """Such as `longer than the same Job without us: median 2.1 s, p10 -1.0 s, p90 40.0 s (54 pairs)`."""
    figures = f"median {found['median']} s, p10 {found['p10']} s, p90 {found['p90']} s"
    return f"longer than the same Job without us: {figures} ({found['pairs']} pairs)"


def document(
    plan: Plan,
    started: float,
    seconds: float,
    jobs: Sequence[JobSeen],
    heard: Sequence[Event],
    faults: Sequence[Fell],
    verdict: Verdict,
) -> dict[str, Any]:
    """All of it as JSON, times as seconds since the start. `seconds` is how long it took with its quiet end."""
    return {
        "seed": plan.seed,
        "minutes": plan.seconds / 60,
        "took_seconds": round(seconds, 1),
        "good": verdict.good,
        "jobs": len(jobs),
        "pods": sum(len(job.pods) for job in jobs),
        "slowest_start_seconds": max((job.started - job.made for job in jobs if job.started), default=None),
        "harmed": len(verdict.harmed),
        "lost": len(verdict.lost),
        "wrong": len(verdict.wrong),
        "duplicates": len(verdict.duplicates),
        "duplicates_unexplained": len(verdict.unexplained),
        "missed": len(verdict.missed),
        "missed_unexplained": sum(not one.explanation for one in verdict.missed),
        "marks_open": len(verdict.unclosed),
        "shapes": counts_by_shape(jobs, verdict),
        "faults": [
            {"at": round(one.began - started, 1), "kind": one.kind, "target": one.target,
             "seconds": round(one.ended - one.began, 1)} for one in faults
        ],
        "runs": [run(job, heard, started) for job in jobs],
        "findings": {name: [asdict(one) for one in found] for name, found in _sorts(verdict).items()},
    }  # fmt: skip


def _once_a_run(found: Sequence[Finding]) -> list[Finding]:
    """The first for each run and explanation, with how many more there are: a lost answer may be lost again."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for one in found:
        alike.setdefault((one.series, one.explanation), []).append(one)
    return [
        replace(first, what=f"{first.what} (and {len(more)} more like this)") if more else first
        for first, *more in alike.values()
    ]


def run(job: JobSeen, heard: Sequence[Event], started: float) -> dict[str, Any]:
    """One Job with its times, its pods and what was heard of it."""

    def at(moment: float | None) -> float | None:
        return None if moment is None else round(moment - started, 1)

    return {
        "job": f"{job.namespace}/{job.name}",
        "series": job.series,
        "outcome": job.outcome,
        "made": at(job.made),
        "started": at(job.started),
        "ended": at(job.ended),
        "pods": [
            {"name": pod.name, "created": at(pod.created), "injected": pod.injected, "sidecar": pod.sidecar_ends}
            for pod in job.pods.values()
        ],
        "heard": [f"{at(event.arrived)} {event}" for event in heard if event.series == job.series],
    }


def _label(name: str, finding: Finding) -> str:
    explainable = name in ("duplicate", "missed")
    return f"{name}, unexplained" if explainable and not finding.explanation else name


def _sorts(verdict: Verdict) -> dict[str, tuple[Finding, ...]]:
    return {
        "harmed": verdict.harmed, "lost": verdict.lost, "wrong": verdict.wrong, "duplicates": verdict.duplicates,
        "missed": verdict.missed, "marks_open": verdict.unclosed,
    }  # fmt: skip
