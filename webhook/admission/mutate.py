"""One admission review from its bytes to its answer. Never refuses a pod, and never raises."""

import logging
import time
from collections.abc import Callable
from typing import Any

from webhook import annotations, metrics, run_mark
from webhook.admission import decide, inject, resources, review
from webhook.admission.decide import Owners, Reason, Skipped
from webhook.admission.gate import Gate
from webhook.admission.owners import OwnerLookup
from webhook.admission.template import Template
from webhook.levels import Levels
from webhook.monitor_identity import identify
from webhook.settings import Settings
from webhook.state import SharedState

log = logging.getLogger(__name__)


class Mutation:
    """Answers reviews. `state` gives the controller's newest word on namespaces, `limit_ranges` those of one.

    Safe for threads.
    """

    def __init__(
        self,
        settings: Settings,
        owners: OwnerLookup,
        state: Callable[[], SharedState],
        limit_ranges: Callable[[str], list[dict[str, Any]]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._settings, self._owners, self._state, self._limit_ranges = settings, owners, state, limit_ranges
        self._template = Template(
            sidecar=settings.sidecar,
            telemetry_url=settings.telemetry_url,
            proxy=settings.proxy,
            secret=settings.names.namespace_objects,
            dry_run=settings.dry_run,
        )
        self._chart = settings.default_options
        self._gate = Gate()

    def answer(self, body: bytes) -> bytes:
        """The AdmissionReview that answers `body`; `allowed: true` whatever comes."""
        started = time.perf_counter()
        try:
            request = review.read(body)
            patch, told = self._patch(request)
            answer = review.answer(request.uid, patch)
        except review.UnreadableReviewError as error:
            log.warning("review_unreadable", extra={"error": str(error), "bytes": len(body)})
            answer, told = review.answer(review.uid_of(body)), Reason.UNREADABLE_REVIEW.value
        except Exception:
            log.exception("review_failed")
            answer, told = review.answer(review.uid_of(body)), Reason.FAILED.value
        metrics.admissions.labels(told).inc()
        metrics.admission_seconds.observe(time.perf_counter() - started)
        return answer

    def _patch(self, request: review.Request) -> tuple[list[dict[str, Any]] | None, str]:
        if not request.is_new_pod:
            return None, Reason.NOT_A_NEW_POD.value
        if decide.is_injected(request.pod):
            return None, Reason.ALREADY_INJECTED.value
        found = self._owners.find(request.namespace, request.pod)
        if isinstance(found, Skipped):
            return None, self._skipped(request, found.reason)
        mark, state = run_mark.of_job(found.job), self._state()
        own = found.cron_job["metadata"].get("annotations") if found.cron_job else None
        options = Levels(self._chart, state.annotations.get).of(request.namespace, own)
        reason = decide.why_not(
            request.pod,
            found,
            options,
            mark,
            provisioned=request.namespace in state.provisioned,
            enabled=self._settings.injection_enabled,
        )
        if reason is not None:
            return None, self._skipped(request, reason, found)
        sidecar = self._settings.sidecar
        room = resources.resources(
            request.pod, sidecar.resources, sidecar.guaranteed_resources, self._limit_ranges(request.namespace)
        )
        if room is None:
            return None, self._skipped(request, Reason.LIMIT_RANGE, found)
        # Last, since a pod let through while the breaker is tried uses up what a pod may.
        if not self._gate.lets_through(request.namespace, state.breakers):
            return None, self._skipped(request, Reason.BREAKER_OPEN, found)
        return self._injected(request, found, options, mark, room), "injected"

    def _injected(
        self,
        request: review.Request,
        found: Owners,
        options: annotations.Options,
        mark: run_mark.RunMark | None,
        room: dict[str, Any],
    ) -> list[dict[str, Any]]:
        if mark is not None:
            identity = mark.identity
        else:
            assert found.cron_job is not None, "without a mark the lookup gives no owners without a CronJob"
            metadata = found.cron_job["metadata"]
            identity = identify(
                request.namespace, metadata["name"], metadata["uid"], options, cluster_name=self._settings.cluster_name
            )
        told = decide.tells(found.job, mark, self._clock())
        if log.isEnabledFor(logging.DEBUG):  # the pod itself shows as much, and each line is copied by the runtime
            log.debug("injected", extra={**_where(request, found), "tells": ",".join(sorted(told)) or "nothing"})
        return inject.patch(request.pod, found, options, mark, identity, told, room, self._template)

    def _skipped(self, request: review.Request, reason: Reason, found: Owners | None = None) -> str:
        log.info("not_injected", extra={**_where(request, found), "reason": reason.value})
        return reason.value


def _where(request: review.Request, found: Owners | None) -> dict[str, str]:
    pod = request.pod["metadata"]
    where = {"namespace": request.namespace, "pod": pod.get("name") or pod.get("generateName") or ""}
    if found:
        where["job"] = found.job["metadata"]["name"]
        where["series"] = found.job["metadata"]["uid"]
        if found.cron_job:
            where["cronjob"] = found.cron_job["metadata"]["name"]
    return where
