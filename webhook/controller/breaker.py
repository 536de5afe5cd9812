"""When our container harms somebody's Job, and what is done about it. Pure.

Harm is either a pod in which our container cannot be run, or a pod that the API server refuses because of it. Each
opens the breaker of its namespace:

    (none) ── harm ──► OPEN ── its time is over ──► TRYING ── a pod of ours runs well ──► CLOSED ── hours ──► (none)
                        ▲                             │                                     │
                        └────────── harm ─────────────┴───────────── harm ──────────────────┘

Each opening that follows one not forgotten lasts twice as long, up to a limit. While it is open new pods go without
us; while it is tried, admission lets a few of them have the sidecar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from webhook import workloads
from webhook.admission.decide import CONTAINER, INJECTED_LABEL
from webhook.controller import pod_history
from webhook.exemption import Cause, Exemption
from webhook.state import Breaker, Standing

LONGEST_OPEN_SECONDS = 6 * 3600.0
FORGOTTEN_AFTER_SECONDS = 6 * 3600.0
RUNS_WELL_SECONDS = 10.0
"""A container of ours that has run for so long has its image, its start and its first memory behind it."""
STUCK_SECONDS = 4.0
"""How long what the kubelet tries again by itself is watched: the person's containers wait all that time."""
NEXT_IMAGE_SECONDS = 20.0
"""How long one image to free a pod with may take to be pulled before the next one is tried."""
FRESH_SECONDS = 900.0
"""An end of our container that was longer ago opens nothing: a pod's status tells it for as long as the pod lives."""
KILLS_BORNE = 3
"""Restarts after a SIGKILL from outside until the loop counts as ours."""
IN_FLIGHT_SECONDS = 3.0
"""A refusal within so long after the exemption may be of a pod that was on its way before it."""
RETRIED_SECONDS = 30.0
"""The Job controller tries again within a second of the exemption; a pod that comes much later proves nothing."""

LONGEST_REASON = 300

NOT_HEALING = frozenset({"InvalidImageName", "ErrImageNeverPull"})
WAITING = NOT_HEALING | {
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "CreateContainerError",
    "CreateContainerConfigError",
    "RunContainerError",
}
NOT_RUN = frozenset({"StartError", "ContainerCannotRun"})
SIGKILL = 137

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Harm:
    """What our container does to a pod.

    `at`, Unix seconds: when the container ended, or, for one that waits, when its pod was made. `blocks`: an image that
    runs would help the pod. `patience`: seconds for which it must be seen before it counts.
    """

    reason: str
    message: str
    at: float
    blocks: bool
    patience: float = 0.0

    @property
    def told(self) -> str:
        """In words, and not too many: it stands in the state ConfigMap and in Events."""
        words = f"{self.reason}: {' '.join(self.message.split())}" if self.message else self.reason
        return words if len(words) <= LONGEST_REASON else words[: LONGEST_REASON - 1] + "…"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The newest `FailedCreate` Event of a Job: its time in Unix seconds, and what the API server said."""

    at: float
    message: str


class Act(Enum):
    """What to do about a Job whose pod is refused."""

    NOTHING = "nothing"
    EXEMPT = "exempt"
    BLAME_US = "blame us"
    BLAME_OTHERS = "blame others"


# --- pods ------------------------------------------------------------------------------------------------------------


def is_injected(pod: Json) -> bool:
    return (pod["metadata"].get("labels") or {}).get(INJECTED_LABEL) == "true"


def image_of(pod: Json) -> str:
    """The image that our container of this pod is to run."""
    for container in (pod.get("spec") or {}).get("initContainers") or ():
        if container.get("name") == CONTAINER:
            return str(container.get("image", ""))
    return ""


def harm(pod: Json) -> Harm | None:
    """What our container does to this pod, if anything. One SIGKILL from outside is none: it goes on by itself."""
    if not is_injected(pod) or (found := _our_status(pod)) is None:
        return None
    state, last = found.get("state") or {}, found.get("lastState") or {}
    ends = [end for end in (state.get("terminated"), last.get("terminated")) if end]
    ended = next((end for end in ends if end.get("reason") == "OOMKilled" or end.get("reason") in NOT_RUN), None)
    waiting: Json = {} if _is_over(pod) else state.get("waiting") or {}
    if waiting.get("reason") in WAITING:
        reason = str(waiting["reason"])
        patience = 0.0 if reason in NOT_HEALING else STUCK_SECONDS
        return Harm(reason, str(waiting.get("message", "")), _created(pod), blocks=True, patience=patience)
    looping = waiting.get("reason") == "CrashLoopBackOff"
    if ended is not None:
        reason = str(ended["reason"])
        blocks = looping or (reason in NOT_RUN and not _is_over(pod))
        return Harm(reason, str(ended.get("message", "")), _finished(ended), blocks=blocks)
    if looping and (not _was_killed(ends) or pod_history.restarts(found) >= KILLS_BORNE):
        code = ends[0].get("exitCode") if ends else None
        return Harm("CrashLoopBackOff", f"exit code {code}", _finished(ends[0]) if ends else _created(pod), blocks=True)
    return None


def next_image(pod: Json, images: Sequence[str]) -> str | None:
    """The image to free this pod with; None when all have been tried."""
    present = image_of(pod)
    following = images.index(present) + 1 if present in images else 0
    return images[following] if following < len(images) else None


def runs_well(pod: Json, free_images: Sequence[str], since: float, now: float) -> float | None:
    """Seconds until our container of this pod has shown that it runs well (0: it has); None if it does not show that.

    Only a pod made after `since` tells something, and only one that has not been freed. Which image it has says no
    more: others may rewrite it, to a mirror's.
    """
    if not is_injected(pod) or image_of(pod) in free_images or _created(pod) < int(since) or harm(pod) is not None:
        return None
    state = (_our_status(pod) or {}).get("state") or {}
    if (end := state.get("terminated")) is not None:
        return 0.0 if end.get("exitCode") == 0 else None
    started = workloads.epoch((state.get("running") or {}).get("startedAt"))
    return None if started is None else max(0.0, started + RUNS_WELL_SECONDS - now)


# --- the breaker of a namespace --------------------------------------------------------------------------------------


def is_news(known: Breaker | None, found: Harm, now: float) -> bool:
    """Whether this harm opens the breaker: not while it is open, and not what happened before it was tried again."""
    if not found.blocks and found.at < now - FRESH_SECONDS:
        return False
    if known is None:
        return True
    return known.standing is not Standing.OPEN and found.at >= int(known.until)


def opened(known: Breaker | None, reason: str, now: float, open_seconds: float) -> Breaker:
    """The breaker, opened now: for `open_seconds` the first time, then for twice as long each time."""
    times = known.times + 1 if known else 1
    longest = max(LONGEST_OPEN_SECONDS, open_seconds)
    seconds = min(open_seconds * 2 ** min(times - 1, 20), longest)
    return Breaker(reason, since=now, until=now + seconds, changed=now, times=times)


def advanced(known: Breaker, now: float, *, ran_well: bool) -> Breaker | None:
    """The breaker as it stands now; None when it is forgotten."""
    match known.standing:
        case Standing.OPEN if now >= known.until:
            return replace(known, standing=Standing.TRYING, until=now, changed=now)
        case Standing.TRYING if ran_well:
            return replace(known, standing=Standing.CLOSED, changed=now)
        case Standing.CLOSED if now >= known.changed + FORGOTTEN_AFTER_SECONDS:
            return None
    return known


def next_change(known: Breaker, now: float) -> float | None:
    """Seconds until its standing changes by itself; None while that is up to the pods."""
    match known.standing:
        case Standing.OPEN:
            return max(0.0, known.until - now)
        case Standing.CLOSED:
            return max(0.0, known.changed + FORGOTTEN_AFTER_SECONDS - now)
    return None


# --- refused pods ----------------------------------------------------------------------------------------------------


def judge(
    job: Json, pods: Sequence[Json], refusal: Refusal | None, exemption: Exemption | None, breaker: Breaker | None
) -> Act:
    """What a Job's refusals mean. `pods` are those of the Job that are known; `breaker` is its namespace's."""
    if exemption is not None:
        return _conclusion(pods, refusal, exemption)
    if refusal is None or workloads.is_finished(job) or job["metadata"].get("deletionTimestamp"):
        return Act.NOTHING
    if workloads.is_crowd(job) or workloads.true_condition(job, "Suspended"):
        return Act.NOTHING
    if (job.get("status") or {}).get("active") or any(not _is_over(pod) for pod in pods):
        return Act.NOTHING
    if any(_created(pod) > refusal.at for pod in pods):
        return Act.NOTHING  # a later pod was let in
    is_open = breaker is not None and breaker.standing is Standing.OPEN
    if breaker is not None and is_open and refusal.at > breaker.since + IN_FLIGHT_SECONDS:
        return Act.NOTHING  # refused although it went without us
    return Act.EXEMPT


def _conclusion(pods: Sequence[Json], refusal: Refusal | None, exemption: Exemption) -> Act:
    since = exemption.since
    if exemption.cause is not Cause.UNKNOWN:
        return Act.NOTHING
    made = sorted((pod for pod in pods if _created(pod) >= int(exemption.refused)), key=_created)
    again = refusal is not None and refusal.at >= since + IN_FLIGHT_SECONDS
    if made and not (again and refusal is not None and refusal.at < _created(made[0])):
        # One that got in with our container in it, or long after, was not kept out by us.
        ours = not is_injected(made[0]) and _created(made[0]) <= since + RETRIED_SECONDS
        return Act.BLAME_US if ours else Act.BLAME_OTHERS
    return Act.BLAME_OTHERS if again else Act.NOTHING


# --- questions to a pod ----------------------------------------------------------------------------------------------


def _our_status(pod: Json) -> Json | None:
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or ()
    return next((found for found in statuses if found.get("name") == CONTAINER), None)


def _is_over(pod: Json) -> bool:
    over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return over or bool(pod["metadata"].get("deletionTimestamp"))


def _was_killed(ends: Sequence[Json]) -> bool:
    return bool(ends) and ends[0].get("exitCode") == SIGKILL and ends[0].get("reason") == "Error"


def _created(pod: Json) -> float:
    return workloads.epoch(pod["metadata"].get("creationTimestamp")) or 0.0


def _finished(end: Json) -> float:
    return workloads.epoch(end.get("finishedAt")) or 0.0
