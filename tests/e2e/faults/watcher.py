"""Every Job and pod of a Job as it was last seen, also once it is gone: one watch for all that ask."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from tests.e2e.world import PATIENCE_SECONDS, Json, outcome
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient, configuration

T = TypeVar("T")
OWN = "cronitor"


class Watcher:
    """Follows from `start` to `stop`. A restart of the API server is a gap like any other."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pods: dict[str, Json] = {}
        self._jobs: dict[str, Json] = {}
        self._gone: set[str] = set()
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

    def is_gone(self, pod: Json) -> bool:
        return pod["metadata"]["uid"] in self._gone

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
                if event == "DELETED":
                    self._gone.add(uid)
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
