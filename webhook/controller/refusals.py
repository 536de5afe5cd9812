"""Jobs whose pod the API server refuses: is it because of our container? Found out by leaving it out once.

A refusal (LimitRange, quota, policy engine) shows only as `FailedCreate` Events of the Job. The Job is exempted by an
annotation, which also makes the Job controller try again within a second. If its pod is let in then, it was us.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from webhook import exemption, metrics, run_mark, workloads
from webhook.admission import decide
from webhook.clients.informer import GONE, Informer, Source
from webhook.clients.kube import JsonObject, KubeClient
from webhook.controller import breaker
from webhook.controller.breaker import Act, Harm, Refusal
from webhook.controller.breakers import BreakerKeeper
from webhook.controller.events import JobEvents
from webhook.controller.namespaces import NamespaceKeeper
from webhook.errors import Conflict, NotFound
from webhook.exemption import Cause, Exemption
from webhook.levels import Levels
from webhook.settings import Settings

LOOK_AGAIN_SECONDS = 5.0
TEMPLATE: dict[str, Any] = {"metadata": {}, "spec": {}}
"""Stands in for a pod that nobody has seen: what only the pod can show is not known here."""

MISSING_RIGHT = "cannot create resource"
"""The authorizer's words, in the first seconds of an API server too: the Job controller itself was not let in."""

log = logging.getLogger(__name__)

Json = Mapping[str, Any]


def source() -> Source:
    """The Events that tell of refused pods, chosen by the API server."""
    selector = "reason=FailedCreate,involvedObject.kind=Job"
    return Source("events", "/api/v1/events", field_selector=selector, trim=trim_event)


def trim_event(event: JsonObject) -> JsonObject | None:
    """An Event reduced to whom it is about, when it came last, and what it says; None where no pod was looked at."""
    if MISSING_RIGHT in str(event.get("message", "")):
        return None
    metadata, about = event.get("metadata") or {}, event.get("involvedObject") or {}
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return {
        "metadata": {name: metadata.get(name) for name in ("name", "namespace", "uid", "resourceVersion")},
        "job": {"name": about.get("name", ""), "uid": about.get("uid", "")},
        "at": next((found for found in times if found), metadata.get("creationTimestamp")),
        "message": str(event.get("message", ""))[: breaker.LONGEST_REASON],
    }


class RefusalIndex:
    """The newest refusal of each Job. Fed by the informer's handler, in its thread; read from any."""

    def __init__(self, events: Informer) -> None:
        self._by_job: dict[str, dict[str, Refusal]] = {}
        events.on_change(self._changed)

    def newest(self, uid: str) -> Refusal | None:
        return max(self._by_job.get(uid, {}).values(), key=lambda refusal: refusal.at, default=None)

    def _changed(self, kind: str, event: Json) -> None:
        uid, name = event["job"]["uid"], event["metadata"]["name"]
        refusals = dict(self._by_job.get(uid, {}))
        if kind in GONE:
            refusals.pop(name, None)
        else:
            refusals[name] = Refusal(workloads.epoch(event["at"]) or 0.0, event["message"])
        # A new mapping each time: others read while this thread writes.
        if refusals:
            self._by_job[uid] = refusals
        else:
            self._by_job.pop(uid, None)


class Exempter:
    """Exempts refused Jobs, and concludes from what happens then."""

    def __init__(
        self,
        kube: KubeClient,
        *,
        cron_jobs: Informer,
        refusals: RefusalIndex,
        namespaces: NamespaceKeeper,
        breakers: BreakerKeeper,
        events: JobEvents,
        settings: Settings,
    ) -> None:
        self._kube, self._cron_jobs, self._refusals = kube, cron_jobs, refusals
        self._namespaces, self._breakers, self._events, self._settings = namespaces, breakers, events, settings
        self._levels = Levels(settings.default_options, namespaces.annotations)

    def look_at(self, job: Json, pods: Sequence[Json]) -> tuple[Harm | None, float | None]:
        """The harm that has been concluded on, and seconds after which to look again. `pods` are those of the Job."""
        metadata = job["metadata"]
        refusal, exempted = self._refusals.newest(metadata["uid"]), exemption.of_job(job)
        act = breaker.judge(job, pods, refusal, exempted, self._breakers.get(metadata["namespace"]))
        message = refusal.message if refusal else ""
        match act:
            case Act.EXEMPT if refusal is not None and self._would_be_injected(job):
                self._exempt(job, refusal)
                return None, LOOK_AGAIN_SECONDS
            case Act.BLAME_US if exempted is not None:
                self._conclude(job, exempted, Cause.OURS)
                return Harm("pod refused", message, time.time(), blocks=True), None
            case Act.BLAME_OTHERS if exempted is not None:
                self._conclude(job, exempted, Cause.OTHER)
            case Act.NOTHING if exempted is not None and exempted.cause is Cause.UNKNOWN:
                fresh = time.time() < exempted.since + 2 * breaker.RETRIED_SECONDS
                return None, LOOK_AGAIN_SECONDS if fresh and not workloads.is_finished(job) else None
        return None, None

    def _would_be_injected(self, job: Json) -> bool:
        """As far as that can be known without its pod."""
        namespace, owner = job["metadata"]["namespace"], workloads.owner(job, "CronJob")
        cron_job = self._cron_jobs.get(namespace, owner.name) if owner else None
        mark = run_mark.of_job(job)
        if cron_job is None and mark is None:
            return False
        reason = decide.why_not(
            TEMPLATE,
            decide.Owners(job, cron_job),
            self._levels.of(namespace, cron_job["metadata"].get("annotations") if cron_job else None),
            mark,
            provisioned=self._namespaces.is_labelled(namespace) and self._namespaces.planned(namespace).provisioned,
            enabled=self._settings.injection_enabled,
        )
        return reason is None

    def _exempt(self, job: Json, refusal: Refusal) -> None:
        if not self._write(job, Exemption(time.time(), refusal.at, job["metadata"]["uid"])):
            return
        metrics.jobs_exempted.inc()
        log.warning("job_exempted", extra={**_where(job), "detail": refusal.message})
        self._events.tell(
            job,
            "CronitorJobExempted",
            "Its pod was refused. It is tried again without Cronitor's sidecar, to see whether that is the cause. "
            f"The refusal: {refusal.message}",
        )

    def _conclude(self, job: Json, exempted: Exemption, cause: Cause) -> None:
        if self._write(job, replace(exempted, cause=cause)):
            log.info("refusal_explained", extra={**_where(job), "cause": cause.value})

    def _write(self, job: Json, value: Exemption) -> bool:
        """Whether it stands on the Job now."""
        metadata = job["metadata"]
        path = f"/apis/batch/v1/namespaces/{metadata['namespace']}/jobs/{metadata['name']}"
        text = exemption.write(value)
        patch = {"metadata": {"uid": metadata["uid"], "annotations": {exemption.ANNOTATION: text}}}
        try:
            self._kube.patch(path, patch)
        except (Conflict, NotFound):
            return False  # another Job of the name, or none
        return True


def _where(job: Json) -> dict[str, str]:
    metadata = job["metadata"]
    return {"namespace": metadata["namespace"], "job": metadata["name"], "series": metadata["uid"]}
