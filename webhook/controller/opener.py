"""Decides whether a Job is a run of an included CronJob, and what its mark then says, by what the caches hold."""

from collections.abc import Mapping
from typing import Any

from webhook import workloads
from webhook.annotations import Options
from webhook.clients.informer import Informer
from webhook.controller import marks
from webhook.controller.namespaces import NamespaceKeeper
from webhook.levels import Levels
from webhook.run_mark import RunMark

Json = Mapping[str, Any]


class RunOpener:
    """Reads caches only, so that it may be asked in an informer's thread."""

    def __init__(
        self, cron_jobs: Informer, namespaces: NamespaceKeeper, levels: Levels, *, cluster_name: str = ""
    ) -> None:
        self._cron_jobs, self._namespaces, self._levels = cron_jobs, namespaces, levels
        self._cluster_name = cluster_name

    def cron_job_of(self, job: Json) -> tuple[Json, Options] | None:
        """The CronJob that made this Job, and the options of all levels; None where it is not there (any more)."""
        owner = workloads.owner(job, "CronJob")
        cron_job = self._cron_jobs.get(job["metadata"]["namespace"], owner.name) if owner else None
        if owner is None or cron_job is None or cron_job["metadata"]["uid"] != owner.uid:
            return None
        metadata = cron_job["metadata"]
        return cron_job, self._levels.of(metadata["namespace"], metadata.get("annotations"))

    def open_run(self, job: Json) -> RunMark | None:
        """The mark of a Job that goes on."""
        return None if workloads.is_finished(job) else self.run_of(job)

    def run_of(self, job: Json) -> RunMark | None:
        """The mark of a Job of an included CronJob in a labelled namespace."""
        if (found := self.cron_job_of(job)) is None or not self._namespaces.is_labelled(job["metadata"]["namespace"]):
            return None
        return marks.of_run(job, *found, cluster_name=self._cluster_name)
