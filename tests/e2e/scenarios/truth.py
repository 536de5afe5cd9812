"""Pure: what really happened to a Job, from every view of it and its pods that the API server has shown."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.e2e.world import Json, is_injected, outcome
from webhook import run_mark
from webhook.run_mark import RunMark
from webhook.workloads import epoch

CONDITIONS = ("Complete", "Failed", "SuccessCriteriaMet", "FailureTarget")
GONE, OPEN = "gone", "open"


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of one container; times are Unix seconds, to the second, None where nothing tells them."""

    container: str
    started: float | None
    ended: float | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod. `ran`: each run of each of its containers, in their order; `deleted`: when that was asked for."""

    name: str
    created: float
    injected: bool
    deleted: float | None = None
    ran: tuple[Ran, ...] = ()

    def last(self, containers: frozenset[str]) -> list[Ran]:
        """The last run of each of these containers."""
        return list({one.container: one for one in self.ran if one.container in containers}.values())


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A Job with its pods, oldest first. `decided`: the times of the conditions that say how it ended.

    `outcome` is GONE once it is, `came_to` what its last view said.
    """

    series: str
    created: float
    outcome: str
    decided: tuple[float, ...] = ()
    gone: tuple[float, ...] = ()
    mark: RunMark | None = None
    pods: tuple[PodSeen, ...] = ()
    came_to: str = ""


def job_seen(job: Json, gone_at: float | None, pods: Iterable[Sequence[Json]]) -> JobSeen:
    """`pods` has all views of each pod, oldest first."""
    metadata = job["metadata"]
    conditions = (job.get("status") or {}).get("conditions") or ()
    decided = [one["lastTransitionTime"] for one in conditions if one["type"] in CONDITIONS and one["status"] == "True"]
    gone = [gone_at, epoch(metadata.get("deletionTimestamp"))]
    return JobSeen(
        metadata["uid"],
        epoch(metadata["creationTimestamp"]) or 0.0,
        GONE if gone_at is not None else outcome(job) or OPEN,
        tuple(moment for moment in map(epoch, decided) if moment is not None),
        tuple(moment for moment in gone if moment is not None),
        run_mark.of_job(job),
        tuple(pod_seen(views) for views in pods),
        outcome(job),
    )


def pod_seen(views: Sequence[Json]) -> PodSeen:
    newest = views[-1]
    metadata = newest["metadata"]
    deleted = min((asked for view in views if (asked := _deletion_asked(view)) is not None), default=None)
    runs: dict[tuple[str, int], Ran] = {}
    for view in views:
        for place, ran in _runs(view):
            known = runs.get(place)
            # A view that no longer tells the start of a run, or its end, takes nothing back.
            runs[place] = ran if known is None else _merged(known, ran)
    order = {name: number for number, name in enumerate(_names(newest))}
    return PodSeen(
        metadata["name"],
        epoch(metadata["creationTimestamp"]) or 0.0,
        is_injected(newest),
        deleted,
        tuple(runs[place] for place in sorted(runs, key=lambda place: (order.get(place[0], 0), place[1]))),
    )


def _deletion_asked(pod: Json) -> float | None:
    """The first view tells it: later ones may have another time, once the pod is only held by a finalizer."""
    passes = epoch(pod["metadata"].get("deletionTimestamp"))
    return None if passes is None else passes - (pod["metadata"].get("deletionGracePeriodSeconds") or 0)


def _runs(pod: Json) -> Iterator[tuple[tuple[str, int], Ran]]:
    """The present run of each container and the one before, by the container's name and the run's number."""
    status = pod.get("status") or {}
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        name, number = one["name"], one.get("restartCount", 0)
        # While it waits for its next start, what it shows as its last state is its newest run.
        before = number if (one.get("state") or {}).get("waiting") else number - 1
        for count, state in ((before, one.get("lastState") or {}), (number, one.get("state") or {})):
            if ended := state.get("terminated"):
                yield (name, count), Ran(name, _real(ended, "startedAt"), _real(ended, "finishedAt"), ended["exitCode"])
            elif running := state.get("running"):
                yield (name, count), Ran(name, _real(running, "startedAt"))


def _merged(known: Ran, ran: Ran) -> Ran:
    if ran.ended is None and known.ended is not None:
        return known
    return Ran(ran.container, ran.started if ran.started is not None else known.started, ran.ended, ran.code)


def _names(pod: Json) -> list[str]:
    return [one["name"] for key in ("initContainers", "containers") for one in pod["spec"].get(key) or ()]


def _real(state: Json, key: str) -> float | None:
    """A container that never started carries the zero time in its status."""
    moment = epoch(state.get(key))
    return moment if moment is not None and moment > 0 else None
