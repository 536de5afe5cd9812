"""Which Jobs there are of a CronJob and in a namespace, so that nobody has to look at all of them."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from webhook import workloads
from webhook.clients.informer import GONE, Informer

Name = tuple[str, str]


class JobIndex:
    """Fed by the informer's handler, in its thread; read from any. A (namespace, name) is a Job's."""

    def __init__(self, jobs: Informer) -> None:
        self._by_cron_job: defaultdict[str, frozenset[Name]] = defaultdict(frozenset)
        self._by_namespace: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        jobs.on_change(self._changed)

    def of_cron_job(self, uid: str) -> frozenset[Name]:
        return self._by_cron_job.get(uid, frozenset())

    def in_namespace(self, namespace: str) -> frozenset[str]:
        return self._by_namespace.get(namespace, frozenset())

    def _changed(self, kind: str, job: Mapping[str, Any]) -> None:
        namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
        owner = workloads.owner(job, "CronJob")
        uid = owner.uid if owner else ""
        # New sets rather than changed ones: others read while this thread writes.
        if kind in GONE:
            _drop(self._by_cron_job, uid, (namespace, name))
            _drop(self._by_namespace, namespace, name)
        elif name not in self._by_namespace[namespace] or (namespace, name) not in self._by_cron_job[uid]:
            self._by_cron_job[uid] |= {(namespace, name)}
            self._by_namespace[namespace] |= {name}


def _drop(index: defaultdict[str, frozenset[Any]], key: str, gone: Any) -> None:
    left = index[key] - {gone}
    if left:
        index[key] = left
    else:
        index.pop(key, None)
