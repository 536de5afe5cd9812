"""Watches for harm that our container does to somebody's Job, and undoes it: opens the breaker, frees the pod.

A pod stuck on our image is freed by giving that container another one, which does nothing and stays until it is told
to end. It is never an image of the person's: that would run their job a second time.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from webhook import exemption, metrics, workloads
from webhook.admission.decide import CONTAINER
from webhook.admission.inject import TELLS_ANNOTATION, TELLS_NOTHING, pointer_token
from webhook.clients.informer import GONE, Informer
from webhook.clients.kube import JSON_PATCH, KubeClient
from webhook.controller import breaker, breakers
from webhook.controller.breaker import Harm
from webhook.controller.breakers import BreakerKeeper
from webhook.controller.events import JobEvents
from webhook.controller.pod_index import PodIndex
from webhook.controller.queue import Key, earliest
from webhook.controller.refusals import Exempter
from webhook.errors import KubeError, NotFound
from webhook.exemption import Cause
from webhook.settings import BreakerSettings
from webhook.state import Breaker, Standing

KIND = "harm"
"""Of keys to reconcile, with a Job's namespace and name."""
FREED_ANNOTATION = "k8s.cronitor.io/freed"
SETTLE_SECONDS = 1.0
REFUSED = frozenset({403, 422})
"""A right is missing, or a policy says no; 422 is also the answer where the pod is not as we saw it."""

log = logging.getLogger(__name__)

Json = Mapping[str, Any]
Add = Callable[[Key, float], None]


class HarmWatch:
    """Reconciles one Job. Safe for threads as long as one key is worked on by one at a time."""

    def __init__(
        self,
        kube: KubeClient,
        *,
        jobs: Informer,
        pods: PodIndex,
        exempter: Exempter,
        keeper: BreakerKeeper,
        events: JobEvents,
        settings: BreakerSettings,
    ) -> None:
        self._kube, self._jobs, self._pods, self._exempter = kube, jobs, pods, exempter
        self._keeper, self._events, self._settings = keeper, events, settings
        self._seen: dict[tuple[str, str], float] = {}
        keeper.resumed = self._resumed

    def feed(self, add: Add, *, pods: Informer, refused: Informer, namespaces: Informer) -> None:
        """Queue what changes concern; before these informers are started."""

        def pod_changed(kind: str, pod: Json) -> None:
            for key, delay in self._concerned(kind, pod):
                add(key, delay)

        def job_changed(kind: str, job: Json) -> None:
            if kind not in GONE and _is_undecided(job):
                add(_key(job), 0.0)

        def namespace_changed(_kind: str, namespace: Json) -> None:
            if self._keeper.get(namespace["metadata"]["name"]) is not None:
                add(Key(breakers.KIND, namespace["metadata"]["name"]), SETTLE_SECONDS)

        pods.on_change(pod_changed)
        self._jobs.on_change(job_changed)
        refused.on_change(lambda _kind, event: add(_key_of_event(event), 0.0))
        namespaces.on_change(namespace_changed)

    def keys(self, *, pods: Informer, refused: Informer) -> set[Key]:
        """All that may be concerned: for a replica that begins to lead."""
        found = {key for pod in pods.all() for key, _ in self._concerned("ADDED", pod)}
        found |= {_key_of_event(event) for event in refused.all()}
        found |= {_key(job) for job in self._jobs.all() if _is_undecided(job)}
        return found | {Key(breakers.KIND, namespace) for namespace in self._keeper.all()}

    def reconcile(self, key: Key) -> float | None:
        job = self._jobs.get(key.namespace, key.name)
        if job is None:
            return None
        pods = self._pods.of(job)
        waits = [self._look_at(job, pod) for pod in pods]
        refused, wait = self._exempter.look_at(job, pods)
        if refused is not None:
            self._open(job, refused)
        return earliest(*waits, wait)

    def _concerned(self, kind: str, pod: Json) -> list[tuple[Key, float]]:
        namespace, owner = pod["metadata"]["namespace"], workloads.owner(pod, "Job")
        if kind in GONE:
            self._forget(pod)
        if owner is None or (job := self._jobs.get(namespace, owner.name)) is None:
            return []
        keys = []
        if breaker.harm(pod) is not None or _is_undecided(job):
            keys.append((Key(KIND, namespace, owner.name), 0.0))
        known = self._keeper.get(namespace)
        if known is not None and known.standing is Standing.TRYING and breaker.is_injected(pod):
            keys.append((Key(breakers.KIND, namespace), SETTLE_SECONDS))
        return keys

    def _look_at(self, job: Json, pod: Json) -> float | None:
        """Deal with the harm in one pod; seconds after which to look again."""
        if (found := breaker.harm(pod)) is None:
            self._forget(pod)
            return None
        image = breaker.image_of(pod)
        was_freed = image in self._settings.free_images
        patience = breaker.NEXT_IMAGE_SECONDS if was_freed else found.patience
        first = self._seen.setdefault((pod["metadata"]["uid"], image), time.monotonic())
        if (left := first + patience - time.monotonic()) > 0:
            return left
        if not was_freed:
            self._open(job, found)
        return self._free(job, pod, found) if found.blocks else None

    def _open(self, job: Json, found: Harm) -> None:
        namespace = job["metadata"]["namespace"]
        if (opened := self._keeper.hurt(namespace, found)) is None:
            return
        self._events.tell(
            job,
            "CronitorInjectionStopped",
            f"New pods in namespace {namespace} go without Cronitor's sidecar until {_clock(opened)}: {opened.reason}",
            warning=True,
        )

    def _free(self, job: Json, pod: Json, found: Harm) -> float | None:
        name = pod["metadata"]["name"]
        if not self._settings.free_stuck_pods:
            left = "breaker.freeStuckPods is off: delete the pod, or let its image be pulled"
            self._tell_stuck(job, name, found, left)
            return None
        image = breaker.next_image(pod, self._settings.free_images)
        if image is None:
            left = "none of breaker.freeImages could be run either: delete the pod"
            self._tell_stuck(job, name, found, left)
            return None
        try:
            self._kube.patch(
                f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{name}", _patch(pod, image), JSON_PATCH
            )
        except NotFound:
            return None
        except KubeError as error:
            if error.status in REFUSED:
                self._not_let(job, pod, found)
            raise
        metrics.pods_freed.inc()
        where = {"namespace": pod["metadata"]["namespace"], "job": job["metadata"]["name"], "pod": name}
        log.warning(
            "pod_freed", extra={**where, "series": job["metadata"]["uid"], "reason": found.told, "image": image}
        )
        message = f"Pod {name} was stuck on Cronitor's sidecar, which now runs {image} and does nothing: {found.told}"
        self._events.tell(job, "CronitorPodFreed", message, warning=True)
        return breaker.NEXT_IMAGE_SECONDS

    def _not_let(self, job: Json, pod: Json, found: Harm) -> None:
        """Tell that the pod may not be patched, unless it only is not as we saw it any more."""
        metadata = pod["metadata"]
        present = self._kube.get(f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}")
        if breaker.image_of(present) == breaker.image_of(pod):
            self._tell_stuck(job, metadata["name"], found, "the API server does not let it be patched: delete the pod")

    def _tell_stuck(self, job: Json, pod: str, found: Harm, what: str) -> None:
        message = f"Pod {pod} is stuck on Cronitor's sidecar and is not freed, since {what}. {found.told}"
        self._events.tell(job, "CronitorPodStuck", message, warning=True)

    def _resumed(self, pod: Json) -> None:
        namespace, owner = pod["metadata"]["namespace"], workloads.owner(pod, "Job")
        job = self._jobs.get(namespace, owner.name) if owner else None
        if job is not None:
            message = (
                f"Pods in namespace {namespace} get Cronitor's sidecar again: it runs in {pod['metadata']['name']}"
            )
            self._events.tell(job, "CronitorInjectionResumed", message)

    def _forget(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        for key in [key for key in list(self._seen) if key[0] == uid]:
            self._seen.pop(key, None)


def _patch(pod: Json, image: str) -> list[dict[str, Any]]:
    """Operations that give our container that image, unless the pod is not as we saw it."""
    containers: Sequence[Json] = pod["spec"]["initContainers"]
    place = next(number for number, container in enumerate(containers) if container.get("name") == CONTAINER)
    ours = f"/spec/initContainers/{place}"
    operations = [
        {"op": "test", "path": f"{ours}/name", "value": CONTAINER},
        {"op": "test", "path": f"{ours}/image", "value": containers[place]["image"]},
        {"op": "replace", "path": f"{ours}/image", "value": image},
    ]
    if TELLS_ANNOTATION in (pod["metadata"].get("annotations") or {}):
        # Whoever reads who tells this pod's run must not wait for a sidecar that is none.
        for name, value in ((TELLS_ANNOTATION, TELLS_NOTHING), (FREED_ANNOTATION, "true")):
            path = f"/metadata/annotations/{pointer_token(name)}"
            operations.append({"op": "add", "path": path, "value": value})
    return operations


def _is_undecided(job: Json) -> bool:
    exempted = exemption.of_job(job)
    return exempted is not None and exempted.cause is Cause.UNKNOWN


def _key(job: Json) -> Key:
    return Key(KIND, job["metadata"]["namespace"], job["metadata"]["name"])


def _key_of_event(event: Json) -> Key:
    return Key(KIND, event["metadata"]["namespace"], event["job"]["name"])


def _clock(opened: Breaker) -> str:
    return datetime.fromtimestamp(opened.until, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
