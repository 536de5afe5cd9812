"""The pods of each Job, so that nobody has to look at all of them."""

from collections.abc import Mapping
from typing import Any

from webhook import workloads
from webhook.clients.informer import GONE, Informer

Json = Mapping[str, Any]


class PodIndex:
    """Fed by the informer's handler, in its thread; read from any."""

    def __init__(self, pods: Informer) -> None:
        self._by_job: dict[str, dict[str, Json]] = {}
        pods.on_change(self._changed)

    def of(self, job: Json) -> list[Json]:
        """The pods that are there of this Job."""
        return list(self._by_job.get(job["metadata"]["uid"], {}).values())

    def _changed(self, kind: str, pod: Json) -> None:
        if (owner := workloads.owner(pod, "Job")) is None:
            return
        pods = dict(self._by_job.get(owner.uid, {}))
        if kind in GONE:
            pods.pop(pod["metadata"]["uid"], None)
        else:
            pods[pod["metadata"]["uid"]] = pod
        # A new mapping each time: others read while this thread writes.
        if pods:
            self._by_job[owner.uid] = pods
        else:
            self._by_job.pop(owner.uid, None)
