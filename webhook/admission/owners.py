"""Finds the Job and the CronJob above a pod: from the caches, and on a miss by one exact read each."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from webhook import metrics, run_mark, workloads
from webhook.admission.decide import Owners, Reason, Skipped
from webhook.clients.informer import Informer
from webhook.clients.kube import KubeClient
from webhook.errors import KubeError, NotFound

LOOKUP_SECONDS = 2.0
"""All reads of one review together; the API server waits 5 s for the answer."""

Json = Mapping[str, Any]
Trim = Callable[[dict[str, Any]], dict[str, Any] | None]


class OwnerLookup:
    """Safe for threads."""

    def __init__(self, kube: KubeClient, jobs: Informer, cron_jobs: Informer) -> None:
        self._kube, self._jobs, self._cron_jobs = kube, jobs, cron_jobs

    def find(self, namespace: str, pod: Json) -> Owners | Skipped:
        """The chain above the pod. An object of the right name with another uid counts as not there."""
        reference = workloads.owner(pod, "Job")
        if reference is None:
            return Skipped(Reason.NO_JOB)
        deadline = time.monotonic() + LOOKUP_SECONDS
        try:
            job = self._read(self._jobs, "jobs", namespace, reference, deadline)
            if job is None:
                return Skipped(Reason.JOB_NOT_FOUND)
            above = workloads.owner(job, "CronJob")
            if above is None:
                return Skipped(Reason.NO_CRON_JOB)
            cron_job = self._read(self._cron_jobs, "cronjobs", namespace, above, deadline)
        except KubeError:
            return Skipped(Reason.OWNERS_LATE)
        if cron_job is None and run_mark.of_job(job) is None:
            return Skipped(Reason.CRON_JOB_NOT_FOUND)
        return Owners(job, cron_job)

    def _read(
        self, cache: Informer, resource: str, namespace: str, wanted: workloads.OwnerReference, deadline: float
    ) -> Json | None:
        cached = cache.get(namespace, wanted.name)
        if cached is not None and cached["metadata"].get("uid") == wanted.uid:
            return cached
        metrics.owner_reads.labels(wanted.kind).inc()
        left = deadline - time.monotonic()
        if left <= 0:
            raise KubeError("no time is left to read the owners")
        try:
            found = self._kube.get(f"/apis/batch/v1/namespaces/{namespace}/{resource}/{wanted.name}", timeout=left)
        except NotFound:
            return None
        return found if found["metadata"].get("uid") == wanted.uid else None
