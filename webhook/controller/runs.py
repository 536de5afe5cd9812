"""Opens runs: writes the mark on the Jobs of included CronJobs, and keeps it up to date while they run."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from webhook import annotations, metrics, run_mark, workloads
from webhook.annotations import Problem
from webhook.clients.informer import Informer
from webhook.clients.kube import KubeClient
from webhook.controller import marks
from webhook.controller.marks import Defaults
from webhook.controller.namespaces import NamespaceKeeper
from webhook.controller.queue import Key
from webhook.errors import Conflict, NotFound
from webhook.run_mark import RunMark

log = logging.getLogger(__name__)

Json = Mapping[str, Any]


class RunOpener:
    """Reconciles one Job by namespace and name. Safe for threads as long as one key is worked on by one at a time."""

    def __init__(
        self,
        kube: KubeClient,
        *,
        jobs: Informer,
        cron_jobs: Informer,
        pods: "PodsOfJobs",
        namespaces: NamespaceKeeper,
        defaults: Defaults,
    ) -> None:
        self._kube, self._jobs, self._cron_jobs, self._pods = kube, jobs, cron_jobs, pods
        self._namespaces, self._defaults = namespaces, defaults
        self._told_problems: set[tuple[str, Problem]] = set()

    def reconcile(self, key: Key) -> float | None:
        job = self._jobs.get(key.namespace, key.name)
        if job is None or (owner := workloads.owner(job, "CronJob")) is None:
            return None
        cron_job = self._cron_jobs.get(key.namespace, owner.name)
        options = annotations.read(cron_job["metadata"].get("annotations") if cron_job else None)
        mark = run_mark.of_job(job)
        if mark is not None:
            decision = marks.advanced(mark, job, self._pods.of(job), options, self._defaults.ignored, time.time())
            if decision.mark is not None:
                self._write(job, decision.mark)
            return decision.look_again
        if cron_job is None or cron_job["metadata"]["uid"] != owner.uid:
            return None
        self._tell_problems(cron_job, options)
        labelled = self._namespaces.is_labelled(key.namespace)
        if (new := marks.opened(job, cron_job, options, labelled=labelled, defaults=self._defaults)) is not None:
            metrics.runs_opened.inc(self._write(job, new))
        return None

    def _write(self, job: Json, mark: RunMark) -> bool:
        """Whether the mark is on the Job now."""
        metadata = job["metadata"]
        path = f"/apis/batch/v1/namespaces/{metadata['namespace']}/jobs/{metadata['name']}"
        # With the version it was decided on: whoever is late reads again and decides anew.
        patch = {
            "metadata": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "annotations": {run_mark.ANNOTATION: run_mark.write(mark)},
            }
        }
        try:
            self._kube.patch(path, patch)
        except Conflict:
            # The Job has changed meanwhile: that change comes to us as well, and all is decided anew.
            log.debug("mark_conflict", extra={"namespace": metadata["namespace"], "job": metadata["name"]})
            return False
        except NotFound:
            return False  # ttlSecondsAfterFinished, or deleted
        told = {"namespace": metadata["namespace"], "job": metadata["name"], "series": metadata["uid"]}
        if mark.left:
            log.warning("left_to_controller", extra={**told, "reason": mark.left})
        else:
            log.info("run_marked", extra={**told, "start": mark.start, "verdict": mark.verdict or "open"})
        return True

    def _tell_problems(self, cron_job: Json, options: annotations.Options) -> None:
        metadata = cron_job["metadata"]
        for problem in options.problems:
            if (told := (metadata["uid"], problem)) not in self._told_problems:
                self._told_problems.add(told)
                metrics.bad_annotations.labels(problem.key).inc()
                where = {"namespace": metadata["namespace"], "cronjob": metadata["name"]}
                log.warning("bad_annotation", extra={**where, "problem": str(problem)})


class PodsOfJobs:
    """The pods in an informer's cache by the Job that owns them. Fed by the informer's handler."""

    def __init__(self, pods: Informer) -> None:
        self._by_job: dict[str, dict[str, Json]] = {}
        pods.on_change(self._changed)

    def of(self, job: Json) -> list[Json]:
        """The pods of this Job, oldest first."""
        found = list(self._by_job.get(job["metadata"]["uid"], {}).values())
        return sorted(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))

    def _changed(self, kind: str, pod: Json) -> None:
        if (owner := workloads.owner(pod, "Job")) is None:
            return
        pods = dict(self._by_job.get(owner.uid, {}))
        if kind == "DELETED":
            pods.pop(pod["metadata"]["uid"], None)
        else:
            pods[pod["metadata"]["uid"]] = pod
        # A new mapping each time: others read while this thread writes.
        if pods:
            self._by_job[owner.uid] = pods
        else:
            self._by_job.pop(owner.uid, None)
