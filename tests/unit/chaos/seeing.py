"""What a run of chaos may have seen and heard, in few words."""

from typing import Any

from tests.chaos.plan import Kind
from tests.chaos.seen import Event, Fell, JobSeen, PodSeen

MADE = 1000.0


def pod(name: str = "succeeds-1-abcde", **more: Any) -> PodSeen:
    return PodSeen(**{"name": name, "uid": name, "created": MADE, "injected": True, "started": MADE + 1, **more})


def job(shape: str = "succeeds", *pods: PodSeen, **more: Any) -> JobSeen:
    """One that ended as it should, its pod injected and its mark closed."""
    seen = JobSeen(f"{shape}-1", "chaos-1", "series-1", shape, MADE)
    known = {"outcome": seen.expected.outcome, "ended": MADE + 10, "closed": True, **more}
    kept = {one.uid: one for one in pods or (pod(),)}
    return JobSeen(seen.name, seen.namespace, seen.series, shape, MADE, pods=kept, **known)


def event(state: str, number: float, code: int | None = None, **more: Any) -> Event:
    """`number` is also the seconds after the Job was made."""
    known = {"arrived": MADE + number, "series": "series-1", "sender": "sidecar", **more}
    return Event(number=int(number), state=state, code=code, **known)


def fell(kind: Kind, began: float, ended: float | None = None, uid: str = "") -> Fell:
    """Seconds are those after the Job was made."""
    return Fell(kind, "somewhere", MADE + began, MADE + (began if ended is None else ended), uid)


HEARD = (event("run", 1), event("complete", 5, 0))
