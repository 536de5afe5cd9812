"""Tells people what was done, where they look for it: as Kubernetes Events on the object that it concerns.

An Event is a courtesy: one that cannot be written is counted and logged, and nothing else depends on it. Its name is
made from what it says, so that the API server itself keeps a restarted controller or a new leader from repeating it.
"""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from webhook import metrics, workloads
from webhook.clients.informer import Informer
from webhook.clients.kube import KubeClient
from webhook.errors import AlreadyExists, KubeError, NotFound

COMPONENT = "cronitor-k8s"
AGAIN_SECONDS = 300.0
REMEMBERED = 1000
LONGEST_MESSAGE = 1024
LONGEST_NAME = 253
_API_VERSIONS = {"Job": "batch/v1", "CronJob": "batch/v1"}

log = logging.getLogger(__name__)

Json = Mapping[str, Any]


class EventRecorder:
    """Safe for threads. `instance` is the name of our pod."""

    def __init__(self, kube: KubeClient, instance: str) -> None:
        self._kube, self._instance = kube, instance
        self._lock = threading.Lock()
        self._told: OrderedDict[str, float] = OrderedDict()

    def tell(self, kind: str, found: Json, reason: str, message: str, *, warning: bool = False) -> None:
        """One Event on the object `found`, a namespaced one of this kind. The same one is told once in a while only.

        `reason` is a word in CamelCase; `message` is for people and holds no key.
        """
        metadata = found["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        message = message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"
        said = "\n".join((kind, str(metadata.get("uid")), reason, message))
        digest = hashlib.sha256(said.encode()).hexdigest()[:16]
        if not self._is_new(digest):
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[: LONGEST_NAME - 17].rstrip('.-')}.{digest}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": _API_VERSIONS.get(kind, "v1"),
                "kind": kind,
                "name": name,
                "namespace": namespace,
                "uid": metadata.get("uid", ""),
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._instance,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._write(f"/api/v1/namespaces/{namespace}/events", body)

    def _write(self, path: str, body: dict[str, Any]) -> None:
        try:
            self._kube.create(path, body)
        except AlreadyExists:
            return  # told before, by an earlier leader
        except NotFound:
            return  # the namespace has gone
        except KubeError as error:
            metrics.events_failed.inc()
            log.warning("event_not_written", extra={"path": path, "reason": body["reason"], "error": str(error)})

    def _is_new(self, digest: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._told.get(digest, float("-inf")) < AGAIN_SECONDS:
                return False
            self._told[digest] = now
            self._told.move_to_end(digest)
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
            return True


class JobEvents:
    """Events on a Job, and on the CronJob above it, where people look first."""

    def __init__(self, recorder: EventRecorder, cron_jobs: Informer) -> None:
        self._recorder, self._cron_jobs = recorder, cron_jobs

    def tell(self, job: Json, reason: str, message: str, *, warning: bool = False) -> None:
        self._recorder.tell("Job", job, reason, message, warning=warning)
        owner = workloads.owner(job, "CronJob")
        above = self._cron_jobs.get(job["metadata"]["namespace"], owner.name) if owner else None
        if above is not None:
            self._recorder.tell("CronJob", above, reason, f"Job {job['metadata']['name']}: {message}", warning=warning)
