"""What admission decided for this pod, and which of its containers make the run. Pure."""

from dataclasses import dataclass

from sidecar.events import State
from sidecar.pod import Container, Kind, Pod


@dataclass(frozen=True, slots=True)
class Rules:
    """What admission decided for this pod. `tells` holds the states that are the sidecar's to tell.

    `passes_run_on`: it is not the run's first pod, and tells how the run began where an earlier sidecar could not; with
    `run` in `tells` it may be the first.
    `run_started_at` is the first start of an earlier pod, where one is known. `stuck_told`: that a start of this run
    is stuck has been told. `unscheduled_seconds`: after so long the controller tells that a pod does not start.
    """

    tells: frozenset[State]
    backoff_limit: int = 6
    failed_before: int = 0
    job_deadline_seconds: int | None = None
    job_started_at: float | None = None
    run_started_at: float | None = None
    containers: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    stuck_seconds: float = 120.0
    stuck_told: bool = False
    unscheduled_seconds: float = 600.0
    manual: bool = False
    passes_run_on: bool = False


def watched_containers(pod: Pod, rules: Rules) -> tuple[Container, ...]:
    """Those whose starts and exits make the run: not ours, no native sidecar, chosen, not ignored.

    Names to ignore that leave no regular container are themselves ignored: something must make the run.
    """
    theirs = [c for c in pod.containers if c.kind in (Kind.INIT, Kind.REGULAR)]
    kept = [c for c in theirs if c.name not in rules.ignored]
    candidates = kept if any(c.kind is Kind.REGULAR for c in kept) else theirs
    chosen = tuple(c for c in candidates if c.name in rules.containers)
    return chosen or tuple(candidates)


def is_selective(pod: Pod, watched: tuple[Container, ...]) -> bool:
    """Whether some regular container does not count, so that the watched set alone decides."""
    return any(c not in watched for c in pod.regular)
