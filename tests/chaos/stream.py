"""Makes the Jobs of the stream, looks at them and their pods about once a second, and clears away what is done with.

A Job is deleted only when it has ended, its verdict was heard and its mark is closed: not before the controller has
done with it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from tests.chaos.judge import is_done
from tests.chaos.plan import NAMESPACES, PlannedJob
from tests.chaos.seen import Event, JobSeen, job_seen, pod_seen
from tests.chaos.shapes import SHAPES
from tests.e2e.world import INJECTION, Json, World, eventually
from tests.installation import TEST_LABEL
from webhook import workloads
from webhook.errors import AlreadyExists, KubeError

AT_ONCE = 32
"""Jobs that run side by side: what two cores bear."""
POLL_SECONDS = 1.0
KEPT_SECONDS = 20.0
"""A Job stays so long after its end at the least, so that what is told late still finds it."""
OF_JOBS = "batch.kubernetes.io/job-name"


class Stream:
    """The Jobs and what has been seen of them. `heard` gives the events of a series so far."""

    def __init__(self, world: World, heard: Callable[[str], list[Event]]) -> None:
        self._world, self._heard = world, heard
        self._cron_jobs: dict[tuple[str, int], Json] = {}
        self._jobs: dict[str, JobSeen] = {}
        self._pods: list[Json] = []
        self._changed_at = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="observer", daemon=True)

    def prepare(self) -> None:
        """Namespaces, provisioned, with a CronJob of each shape."""
        for number in range(NAMESPACES):
            name = _namespace(number)
            labels = {TEST_LABEL: "chaos", **INJECTION}
            self._world.create({"kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        for number in range(NAMESPACES):
            name = _namespace(number)
            eventually(lambda name=name: self._world.get("ServiceAccount", name, "default"), f"the account of {name}")  # type: ignore[misc]
            eventually(lambda name=name: self._world.provisioned(name), f"namespace {name} provisioned")  # type: ignore[misc]
            for shape in SHAPES:
                self._cron_jobs[shape.name, number] = self._world.create(shape.cron_job(), name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def make(self, planned: PlannedJob) -> bool:
        """Make this Job as its CronJob would; False if that must wait: too many run, or the API server is away."""
        if len(self.running) >= AT_ONCE:
            return False
        name = f"{planned.shape}-{planned.number}"
        try:
            job = self._world.run_now(self._cron_jobs[planned.shape, planned.namespace], name)
        except AlreadyExists:  # made by a try whose answer was lost
            job = self._world.kube.get(f"/apis/batch/v1/namespaces/{_namespace(planned.namespace)}/jobs/{name}")
        except KubeError:
            return False
        metadata = job["metadata"]
        self._jobs[metadata["uid"]] = JobSeen(name, metadata["namespace"], metadata["uid"], planned.shape, time.time())
        return True

    @property
    def jobs(self) -> list[JobSeen]:
        return list(self._jobs.values())

    @property
    def running(self) -> list[JobSeen]:
        return [job for job in self.jobs if not job.outcome]

    @property
    def pods(self) -> list[Json]:
        """The stream's pods as last seen."""
        return self._pods

    @property
    def unchanged_seconds(self) -> float:
        """For how long no Job or pod has shown anything new."""
        return time.monotonic() - self._changed_at

    def _look_on(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            try:
                self._look()
                self._clear_away()
            except KubeError:
                continue  # the API server is away

    def _look(self) -> None:
        # From the API server's cache: it may be a moment old.
        jobs = self._world.kube.get("/apis/batch/v1/jobs", {"resourceVersion": "0"})["items"]
        self._pods = self._world.kube.get("/api/v1/pods", {"resourceVersion": "0", "labelSelector": OF_JOBS})["items"]
        for job in jobs:
            if known := self._jobs.get(job["metadata"]["uid"]):
                self._note(job_seen(known, job))
        for pod in self._pods:
            owner = workloads.owner(pod, "Job")
            if owner and (known := self._jobs.get(owner.uid)):
                self._note(known.with_pod(pod_seen(pod)))

    def _note(self, seen: JobSeen) -> None:
        if seen != self._jobs[seen.series]:
            self._jobs[seen.series] = seen
            self._changed_at = time.monotonic()

    def _clear_away(self) -> None:
        for job in self.jobs:
            over = job.ended is not None and job.ended + KEPT_SECONDS < time.time()
            if over and not job.deleted and is_done(job, self._heard(job.series)):
                self._world.delete("Job", job.namespace, job.name, propagationPolicy="Background")
                self._jobs[job.series] = replace(job, deleted=True)


def _namespace(number: int) -> str:
    return f"chaos-{number + 1}"
