"""Pure: what was seen, as values: Jobs and pods from the API, events from the stand-in, faults as they fell."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tests.chaos.plan import Kind
from tests.chaos.shapes import BY_NAME, Shape
from tests.cronitor.recording import Recorded
from tests.e2e.world import Json, is_injected, outcome
from webhook import run_mark
from webhook.admission.decide import CONTAINER
from webhook.workloads import epoch

UNEXPLAINED = ""
START_ERROR = "StartError"
END_OF_POD_SECONDS = 5.0
"""Between the end of a Job's work and its own, where nothing disturbs."""

Span = tuple[float, float]
"""Two moments in Unix seconds."""


@dataclass(frozen=True, slots=True)
class PodSeen:
    """One pod. `sidecar_ends` has each end of our container, such as `137 Error`, by the restarts before it.

    `sidecar_ended`: when its last incarnation did, in Unix seconds. `not_started`: a container of the Job's own that
    the runtime could not start, and that never ran.
    """

    name: str
    uid: str
    created: float
    injected: bool
    started: float | None = None
    sidecar_ends: dict[int, str] = field(default_factory=dict)
    sidecar_ended: float | None = None
    not_started: bool = False

    def merged(self, later: "PodSeen") -> "PodSeen":
        """The newer view, with what only the older one showed."""
        ends = {**self.sidecar_ends, **later.sidecar_ends}
        ended = later.sidecar_ended or self.sidecar_ended
        return replace(
            later,
            started=later.started or self.started,
            sidecar_ends=ends,
            sidecar_ended=ended,
            not_started=later.not_started or self.not_started,
        )


@dataclass(frozen=True, slots=True)
class JobSeen:
    """One Job of the stream. Times are Unix seconds; `outcome` is empty for as long as it goes on."""

    name: str
    namespace: str
    series: str
    shape: str
    made: float
    outcome: str = ""
    reason: str = ""
    ended: float | None = None
    closed: bool = False
    deleted: bool = False
    pods: dict[str, PodSeen] = field(default_factory=dict)

    @property
    def expected(self) -> Shape:
        return BY_NAME[self.shape]

    @property
    def started(self) -> float | None:
        """When the first container of the first pod did."""
        return min((pod.started for pod in self.pods.values() if pod.started is not None), default=None)

    def delay(self, now: float) -> float:
        """Seconds until its end, or until now, beyond the time that its work takes."""
        return (self.ended or now) - self.made - self.expected.seconds

    def lateness(self, now: float) -> Span:
        """From when it should have been done, had all gone well, until it was, or until now."""
        done = self.made + min(self.expected.seconds + END_OF_POD_SECONDS, max((self.ended or now) - self.made, 0.0))
        return done, self.ended or now

    def with_pod(self, new: PodSeen) -> "JobSeen":
        """With this view of one of its pods."""
        earlier = self.pods.get(new.uid)
        return replace(self, pods={**self.pods, new.uid: earlier.merged(new) if earlier else new})


@dataclass(frozen=True, slots=True)
class Event:
    """One event that Cronitor took.

    `repeat_of` is the number of the one that it repeats word for word; without a violation that one's answer was lost.
    """

    number: int
    arrived: float
    series: str
    state: str
    code: int | None
    sender: str
    fault: str = ""
    repeat_of: int | None = None
    violations: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.state} by the {self.sender} (request {self.number})"


@dataclass(frozen=True, slots=True)
class Fell:
    """A fault as it fell: when, on what, and for how long its hand was on it."""

    kind: Kind
    target: str
    began: float
    ended: float
    uid: str = ""

    def near(self, first: float, last: float) -> bool:
        """Whether any of it lies between these moments."""
        return self.began <= last and self.ended >= first


def job_seen(known: JobSeen, job: Json) -> JobSeen:
    """What this view of the Job adds."""
    ends = [c for c in (job.get("status") or {}).get("conditions") or () if c["type"] in ("Complete", "Failed")]
    mark = run_mark.of_job(job)
    closed = mark is not None and bool(mark.verdict) and not mark.owed
    end = ends[0] if ends else {}
    moment = epoch(end.get("lastTransitionTime"))
    return replace(known, outcome=outcome(job), reason=str(end.get("reason", "")), ended=moment, closed=closed)


def pod_seen(pod: Json) -> PodSeen:
    metadata, status = pod["metadata"], pod.get("status") or {}
    starts = [epoch(moment) for moment in _starts(status)]
    return PodSeen(
        metadata["name"],
        metadata["uid"],
        epoch(metadata["creationTimestamp"]) or 0.0,
        is_injected(pod),
        min((start for start in starts if start), default=None),
        dict(_sidecar_ends(status)),
        _sidecar_ended(status),
        any(_could_not_start(one) for one in status.get("containerStatuses") or ()),
    )


def events(records: Iterable[Recorded]) -> list[Event]:
    """What Cronitor took, in the order in which it came."""
    return [
        Event(
            record.number,
            record.arrived,
            record.series,
            record.event.state,
            record.event.status_code,
            "sidecar" if "sidecar" in record.headers.get("User-Agent", "") else "controller",
            record.fault,
            record.repeat_of,
            tuple(f"{one.kind}: {one.detail}" for one in record.violations),
        )
        for record in records
        if record.event is not None and record.delivered
    ]


def _starts(status: Json) -> Iterator[str]:
    """Of everything but our own container, and of init containers as little as they count for a run: they do."""
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if container["name"] != CONTAINER:
            for state in (container.get("state") or {}, container.get("lastState") or {}):
                ran = state.get("running") or state.get("terminated") or {}
                if ran.get("startedAt"):
                    yield ran["startedAt"]


def _could_not_start(container: Json) -> bool:
    return ((container.get("state") or {}).get("terminated") or {}).get("reason") == START_ERROR


def _sidecar_ended(status: Json) -> float | None:
    for container in status.get("initContainerStatuses") or ():
        if container["name"] == CONTAINER:
            return epoch(((container.get("state") or {}).get("terminated") or {}).get("finishedAt"))
    return None


def _sidecar_ends(status: Json) -> Iterator[tuple[int, str]]:
    for container in status.get("initContainerStatuses") or ():
        if container["name"] != CONTAINER:
            continue
        restarts = container.get("restartCount", 0)
        for number, state in ((restarts, "state"), (restarts - 1, "lastState")):
            ended = (container.get(state) or {}).get("terminated")
            if ended:
                yield number, f"{ended['exitCode']} {ended.get('reason', '')}".strip()
