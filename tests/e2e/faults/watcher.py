"""Every Job and pod of a Job as it was seen, also once it is gone: one watch for all that ask."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.e2e.world import PATIENCE_SECONDS, Json, outcome
from webhook.clients.informer import GONE, Informer, Source
from webhook.clients.kube import KubeClient, configuration

T = TypeVar("T")
OWN = "cronitor"


class Watcher:
    """Follows from `start` to `stop`. A restart of the API server is a gap like any other."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pods: dict[str, Json] = {}
        self._jobs: dict[str, Json] = {}
        self._views: dict[str, list[Json]] = {}
        self._gone: dict[str, float] = {}
        self._informers = [
            self._informer("Pod", "/api/v1/pods", self._pods, "batch.kubernetes.io/job-name"),
            self._informer("Job", "/apis/batch/v1/jobs", self._jobs, ""),
        ]

    def start(self) -> None:
        for informer in self._informers:
            informer.start()
            assert informer.wait_synced(PATIENCE_SECONDS), f"no list of {informer.source.kind}"

    def stop(self) -> None:
        for informer in self._informers:
            informer.stop()

    def wait_for(self, look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
        """The first thing that `look` gives which is true, asked again at each change."""
        with self._changed:
            found = self._changed.wait_for(look, seconds)
        assert found, f"did not come within {seconds:g} s: {what}"
        return found

    def pods_of(self, job: Json) -> list[Json]:
        """All pods that this Job ever had, oldest first."""
        with self._changed:
            mine = [pod for pod in self._pods.values() if _owned_by(pod, job["metadata"]["uid"])]
        return sorted(mine, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def views_of(self, pod: Json) -> list[Json]:
        """Every view of this pod, oldest first: what the kubelet tells in one it may not tell in the next."""
        with self._changed:
            return list(self._views[pod["metadata"]["uid"]])

    def jobs_of(self, cron_job: Json) -> list[Json]:
        """All Jobs that this CronJob ever had, oldest first."""
        with self._changed:
            mine = [job for job in self._jobs.values() if _owned_by(job, cron_job["metadata"]["uid"])]
        return sorted(mine, key=lambda job: (job["metadata"]["creationTimestamp"], job["metadata"]["name"]))

    def is_gone(self, found: Json) -> bool:
        return found["metadata"]["uid"] in self._gone

    def gone_at(self, found: Json) -> float | None:
        """When a Job or pod was seen to be no longer there, in Unix seconds."""
        return self._gone.get(found["metadata"]["uid"])

    def job(self, job: Json) -> Json:
        return self._jobs.get(job["metadata"]["uid"], job)

    def finished(self, job: Json) -> Json:
        """The Job when it has its terminal condition."""
        name = job["metadata"]["name"]
        return self.wait_for(lambda: self.job(job) if outcome(self.job(job)) else None, f"the end of Job {name}")

    def _informer(self, kind: str, path: str, seen: dict[str, Json], labels: str) -> Informer:
        informer = Informer(KubeClient(configuration()), Source(f"{kind} of the tests", path, label_selector=labels))

        def changed(event: str, found: Any) -> None:
            uid = found["metadata"]["uid"]
            with self._changed:
                seen[uid] = found
                if seen is self._pods:
                    self._views.setdefault(uid, []).append(found)
                if event in GONE:
                    self._gone[uid] = time.time()
                self._changed.notify_all()

        informer.on_change(changed)
        return informer


def status_of(pod: Json, container: str) -> Json:
    """A container's status, wherever it stands; empty where there is none yet."""
    status = pod.get("status") or {}
    listed = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return next((one for one in listed if one["name"] == container), {})


def state_of(pod: Json, container: str, state: str) -> Json | None:
    """`running`, `terminated` or `waiting` of a container, where it is in that state."""
    found: Json | None = (status_of(pod, container).get("state") or {}).get(state)
    return found


def _owned_by(pod: Json, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences") or ())
