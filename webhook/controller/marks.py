"""When a run is opened, and what its mark then says. Pure.

A run is one Job of an included CronJob. The mark is written when the Job is first seen unfinished, gets the first
container start as soon as that is known, and at the end what the sidecar told, or why it left that to the controller.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webhook import journal, workloads
from webhook.admission.decide import CONTAINER
from webhook.annotations import Options, included
from webhook.monitor_identity import identify
from webhook.run_mark import RunMark

JOURNAL_SECONDS = 5.0
"""How long after a Job's end its pods' last states may still be under way to the caches."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Defaults:
    """The chart's `config`, and as `ignored` its `sidecar.ignoreContainers`."""

    include: bool
    environment: str
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """The mark to write (None: leave the Job as it is), and seconds after which to look again."""

    mark: RunMark | None = None
    look_again: float | None = None


def opened(job: Json, cron_job: Json, options: Options, *, labelled: bool, defaults: Defaults) -> RunMark | None:
    """The mark of a new run; None for a Job that is not ours to tell, has ended, or has not begun.

    Not before the Job controller's first word on the Job: a write of ours just then would make that write fail, and
    it tries again a second later.
    """
    if not labelled or workloads.is_finished(job) or not included(options, by_default=defaults.include):
        return None
    if not (job.get("status") or {}).get("startTime") and workloads.condition(job, "Suspended") is None:
        return None
    metadata = cron_job["metadata"]
    identity = identify(
        metadata["namespace"], metadata["name"], metadata["uid"], options, default_env=defaults.environment
    )
    return RunMark(identity.key, identity.name, identity.env, options.alert_on, job=job["metadata"]["uid"])


def advanced(
    mark: RunMark, job: Json, pods: Sequence[Json], options: Options, ignored: frozenset[str], now: float
) -> Decision:
    """What is new on an open run. `pods` are those of the Job, as last seen; `now` is Unix seconds."""
    if mark.verdict or mark.left:
        return Decision()
    starts = [start for pod in pods for start in container_starts(pod, options, ignored)]
    news = mark if mark.start is not None or not starts else replace(mark, start=min(starts))
    reports = [report for pod in pods if (report := journal.of_pod(pod)) is not None]
    verdict = next((report.verdict for report in reports if report.verdict), "")
    if verdict:
        news = replace(news, verdict=verdict)
    elif workloads.is_finished(job):
        ended_at = _ended_at(job) or now
        if now < ended_at + JOURNAL_SECONDS:
            return Decision(_if_new(news, mark), ended_at + JOURNAL_SECONDS - now)
        news = replace(news, left=_why_left(reports))
    return Decision(_if_new(news, mark))


def container_starts(pod: Json, options: Options, ignored: frozenset[str] = frozenset()) -> Iterator[float]:
    """The starts of the containers that make a run, chosen as the sidecar chooses them (`sidecar/machine.py`)."""
    for container in _watched(pod, options, ignored):
        for state in (container.get("lastState") or {}, container.get("state") or {}):
            ran = state.get("running") or state.get("terminated") or {}
            start = workloads.epoch(ran.get("startedAt"))
            if start is not None and start > 0:
                yield start


def _watched(pod: Json, options: Options, ignored: frozenset[str]) -> list[Json]:
    """Statuses of containers that are not ours, no native sidecar, not ignored; of these the chosen ones, if any is."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    sidecars = {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    regular = {c.get("name") for c in status.get("containerStatuses") or ()}  # the kubelet gives all of them at once
    if regular and regular <= ignored:  # something must make the run
        ignored = frozenset()
    statuses = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    passed_over = {CONTAINER} | sidecars | ignored
    candidates = [container for container in statuses if container.get("name") not in passed_over]
    return [container for container in candidates if container.get("name") in options.containers] or candidates


def _if_new(news: RunMark, mark: RunMark) -> RunMark | None:
    return news if news != mark else None


def _why_left(reports: list[journal.SidecarReport]) -> str:
    undelivered = [state for report in reports for state in report.undelivered]
    if undelivered:
        return f"not delivered: {', '.join(undelivered)}"
    return next((report.left for report in reversed(reports) if report.left), "no sidecar told it")


def _ended_at(job: Json) -> float | None:
    for kind in ("Complete", "Failed"):
        if (found := workloads.condition(job, kind)) and found.get("status") == "True":
            return workloads.epoch(found.get("lastTransitionTime"))
    return None
