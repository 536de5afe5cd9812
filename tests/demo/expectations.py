"""What the demo must hear, and what is wrong with what it heard. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.cronitor.runs import Run


@dataclass(frozen=True, slots=True)
class Expected:
    """One CronJob of the demo: the states of a run of it, the code and message of its verdict."""

    states: tuple[str, ...]
    status_code: int
    message: str


EXPECTED = {
    "backup": Expected(("run", "complete"), 0, "manual · attempt 1/7 · app 0"),
    "invoices": Expected(("run", "fail"), 3, "manual · attempt 1/1 · app 3"),
    "report": Expected(("run", "complete"), 0, "manual · attempt 1/7 · render 0 · upload 0"),
    "heartbeat": Expected(("run", "complete"), 0, "attempt 1/7 · app 0"),
}


def complaints(cron_job: str, runs: Sequence[Run]) -> list[str]:
    """Everything that differs, as sentences; empty where all that was heard of the CronJob's runs is right."""
    expected = EXPECTED[cron_job]
    if not runs:
        return [f"{cron_job}: nothing was heard"]
    found = []
    for run in runs:
        heard = (tuple(run.states), run.status_code, run.message)
        wanted = (expected.states, expected.status_code, expected.message)
        if heard != wanted:
            found.append(f"{cron_job}: heard {heard}, expected {wanted}")
        if run.env != "demo" or not run.host:
            found.append(f"{cron_job}: env {run.env!r} and host {run.host!r}, expected 'demo' and the node's name")
        if run.duration is None or not 0 <= run.duration < 60:
            found.append(f"{cron_job}: a duration of {run.duration} s")
    return found
