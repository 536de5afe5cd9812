"""Makes the Jobs of the stream, looks at them and their pods about once a second, and clears away what is done with.

A Job is deleted only when it has ended, its verdict was heard and its mark is closed: not before the controller has
done with it. Every so often a Job has a twin in a namespace that we have no part in: what the same faults do to that
one is the cluster's own doing.
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
TWIN_EVERY = 6
"""Of so many Jobs one has a twin without us."""
TWINS = "chaos-without-us"
KEPT_SECONDS = 20.0
"""A Job stays so long after its end at the least, so that what is told late still finds it."""
OF_JOBS = "batch.kubernetes.io/job-name"


class Stream:
    """The Jobs and what has been seen of them. `heard` gives the events of a series so far."""

    def __init__(self, world: World, heard: Callable[[str], list[Event]]) -> None:
        self._world, self._heard = world, heard
        self._cron_jobs: dict[tuple[str, int], Json] = {}
        self._twin_cron_jobs: dict[str, Json] = {}
        self._jobs: dict[str, JobSeen] = {}
        self._twins: dict[str, JobSeen] = {}
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
        self._world.create({"kind": "Namespace", "metadata": {"name": TWINS, "labels": {TEST_LABEL: "chaos"}}})
        eventually(lambda: self._world.get("ServiceAccount", TWINS, "default"), f"the account of {TWINS}")
        for shape in SHAPES:
            self._twin_cron_jobs[shape.name] = self._world.create(shape.cron_job(), TWINS)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def make(self, planned: PlannedJob) -> bool:
        """Make this Job as its CronJob would; False if that must wait: too many run, or the API server is away."""
        if len(self.running) >= AT_ONCE:
            return False
        cron_job = self._cron_jobs[planned.shape, planned.namespace]
        if not self._made(planned, cron_job, self._jobs):
            return False
        if planned.number % TWIN_EVERY == 0:
            self._made(planned, self._twin_cron_jobs[planned.shape], self._twins)
        return True

    def _made(self, planned: PlannedJob, cron_job: Json, among: dict[str, JobSeen]) -> bool:
        name, namespace = f"{planned.shape}-{planned.number}", cron_job["metadata"]["namespace"]
        try:
            job = self._world.run_now(cron_job, name)
        except AlreadyExists:  # made by a try whose answer was lost
            job = self._world.kube.get(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}")
        except KubeError:
            return False
        uid = job["metadata"]["uid"]
        among[uid] = JobSeen(name, namespace, uid, planned.shape, time.time())
        return True

    @property
    def jobs(self) -> list[JobSeen]:
        return list(self._jobs.values())

    @property
    def twins(self) -> list[JobSeen]:
        """Those that run without us."""
        return list(self._twins.values())

    @property
    def running(self) -> list[JobSeen]:
        return [job for job in (*self.jobs, *self.twins) if not job.outcome]

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
            if known := self._known(job["metadata"]["uid"]):
                self._note(job_seen(known, job))
        for pod in self._pods:
            owner = workloads.owner(pod, "Job")
            if owner and (known := self._known(owner.uid)):
                self._note(known.with_pod(pod_seen(pod)))

    def _known(self, uid: str) -> JobSeen | None:
        return self._jobs.get(uid) or self._twins.get(uid)

    def _note(self, seen: JobSeen) -> None:
        among = self._jobs if seen.series in self._jobs else self._twins
        if seen != among[seen.series]:
            among[seen.series] = seen
            self._changed_at = time.monotonic()

    def _clear_away(self) -> None:
        for job in (*self.jobs, *self.twins):
            over = job.ended is not None and job.ended + KEPT_SECONDS < time.time()
            done = job.series in self._twins or is_done(job, self._heard(job.series))
            if over and done and not job.deleted:
                self._world.delete("Job", job.namespace, job.name, propagationPolicy="Background")
                self._note(replace(job, deleted=True))


def _namespace(number: int) -> str:
    return f"chaos-{number + 1}"
