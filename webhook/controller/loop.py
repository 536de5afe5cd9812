"""The controller's loop: caches tell what has changed, a queue remembers it, reconcilers make it what it should be.

Nothing here looks at more than what a change concerns: clusters have thousands of Jobs.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from webhook import metrics, state, workloads
from webhook.clients.informer import Informer, Source, named
from webhook.clients.kube import KubeClient
from webhook.clients.lease import Earlier
from webhook.controller import outbox, plan
from webhook.controller.events import EventRecorder
from webhook.controller.job_index import JobIndex
from webhook.controller.marks import Absence
from webhook.controller.monitor_requests import AccountMonitors
from webhook.controller.monitoring import Monitoring
from webhook.controller.namespace_keys import NamespaceKeys, UnusableKeys
from webhook.controller.namespaces import NamespaceCaches, NamespaceKeeper
from webhook.controller.objects import OwnedObjects
from webhook.controller.opener import RunOpener
from webhook.controller.outbox import Outbox, Telemetry
from webhook.controller.protection import Protection
from webhook.controller.publisher import StatePublisher
from webhook.controller.queue import Key, Reconciler, WorkQueue
from webhook.controller.run_book import RunBook
from webhook.controller.runs import RunTeller
from webhook.controller.stuck import Thresholds
from webhook.controller.verdicts import Rules
from webhook.levels import Levels
from webhook.settings import Settings
from webhook.telemetry import Event

KEY_OF_NAMESPACE = "namespace-key"
THREADS = 4
FIRST = -3600.0
"""As a delay: before all that waits. What was taken must be noted soon, or another leader tells it again."""
SETTLE_SECONDS = 0.2
"""Changes come in bursts (an object and what follows from it): one look at the end of each is enough."""

log = logging.getLogger(__name__)

Json = dict[str, Any]


class Controller:
    """Caches are filled in every replica; only the one that leads queues and reconciles.

    `others` are reconcilers of a single key each, by their kind.
    """

    def __init__(
        self,
        kube: KubeClient,
        settings: Settings,
        wanted: plan.Wanted,
        objects: OwnedObjects,
        telemetry: Telemetry,
        monitors: AccountMonitors,
        keys: NamespaceKeys,
        others: Mapping[str, Reconciler],
    ) -> None:
        self._settings, self._others = settings, others
        self._leading = threading.Event()
        self._jobs = Informer(kube, Source("jobs", "/apis/batch/v1/jobs", trim=workloads.trim_job))
        self._cron_jobs = Informer(kube, Source("cronjobs", "/apis/batch/v1/cronjobs", trim=workloads.trim_cron_job))
        self._caches = _namespace_caches(kube, wanted.name)
        self._state = Informer(kube, named("configmaps", settings.namespace, settings.names.state_config_map))
        self._index = JobIndex(self._jobs)
        self._keys = keys
        self._keeper = NamespaceKeeper(kube, objects, self._caches, settings, wanted, keys.of)
        self._protection = Protection(
            kube,
            settings,
            jobs=self._jobs,
            cron_jobs=self._cron_jobs,
            caches=self._caches,
            namespaces=self._keeper,
            add=self._add,
        )
        levels = Levels(settings.default_options, self._keeper.annotations)
        opener = RunOpener(self._cron_jobs, self._keeper, levels, cluster_name=settings.cluster_name)
        self._book = RunBook(
            self._jobs,
            self._caches.pods,
            frozenset(settings.sidecar.ignore_containers),
            opener.open_run,
            why_refused=self._protection.refusal_of,
        )
        self._monitoring = Monitoring(
            kube,
            settings,
            cron_jobs=self._cron_jobs,
            namespaces=self._keeper,
            levels=levels,
            objects=objects,
            owner_uid=wanted.owner_uid,
            client=monitors,
            add=self._add,
            open_keys=self._book.open_keys,
        )
        self._outbox = Outbox(telemetry, settings.events_per_second, self._taken)
        self._runs = RunTeller(kube, self._book, opener, self._outbox, _rules(settings))
        publisher = StatePublisher(
            objects, self._state, self._keeper, settings, wanted.owner_uid, self._protection.breakers
        )
        self.queue = WorkQueue(
            {
                "namespace": self._keeper,
                "state": publisher,
                "job": self._runs,
                **self._protection.reconcilers,
                **self._monitoring.reconcilers,
                KEY_OF_NAMESPACE: UnusableKeys(keys, EventRecorder(kube, settings.pod_name)),
                **others,
            }
        )
        self._feed_queue()

    @property
    def synced(self) -> bool:
        return all(informer.synced for informer in self._informers)

    def start_caches(self) -> None:
        for informer in self._informers:
            informer.start()

    def lead(self, earlier: Earlier) -> None:
        """Reconcile everything once, then whatever changes. Returns when that has been set going."""
        for informer in self._informers:
            informer.wait_synced()
        jobs = [Key("job", namespace, name) for namespace, name in self._book.names()]
        self._runs.lead(Absence(earlier.noted_until, time.time(), earlier.first), jobs)
        metrics.leading.set(1)
        log.info("leading", extra={"identity": self._settings.pod_name})
        self._leading.set()  # from here on changes are queued; what was there before is queued now
        for job in jobs:
            self.queue.add(job)
        for namespace in self._namespaces_concerned():
            self.queue.add(Key("namespace", namespace))
        known = self._state.get(self._settings.namespace, self._settings.names.state_config_map)
        for key in self._protection.lead(state.read(known)):
            self.queue.add(key)
        own_keys = (Key(KEY_OF_NAMESPACE, namespace) for namespace in self._keys.namespaces())
        for key in (*self._monitoring.lead(), *own_keys):
            self.queue.add(key)
        for kind in ("state", *self._others):
            self.queue.add(Key(kind))
        self.queue.start(THREADS)
        self._outbox.queue.start(outbox.THREADS)

    def details(self) -> dict[str, Callable[[], str]]:
        """What people should know, by what it concerns; '' where all is well."""
        return self._monitoring.details()

    def noted_until(self) -> float | None:
        """Up to when (Unix seconds) nothing has happened to a Job that another leader would still have to note."""
        return self._runs.noted_until(time.time())

    def stop(self, seconds: float) -> None:
        """Take up nothing more, wait so long for what is under way, and note what Cronitor has taken.

        What is not noted when another replica leads is told once more.
        """
        self._outbox.stop(seconds)
        self.queue.stop(seconds)
        deadline = time.monotonic() + seconds
        for job in self._book.not_noted():
            if time.monotonic() < deadline:
                self._runs.note(job)

    def _taken(self, job: Key, series: str, event: Event) -> None:
        self._book.acknowledge(series, event)
        self._add(job, FIRST)

    def _namespaces_concerned(self) -> set[str]:
        """Those that are labelled, and those in which something of ours is left."""
        caches = self._caches
        left = (caches.service_accounts, caches.role_bindings, caches.secrets)
        return {found["metadata"]["name"] for found in caches.namespaces.all()} | {
            found["metadata"]["namespace"] for cache in left for found in cache.all()
        }

    @property
    def _informers(self) -> tuple[Informer, ...]:
        caches = self._caches
        return (
            self._jobs,
            self._cron_jobs,
            caches.namespaces,
            caches.service_accounts,
            caches.role_bindings,
            caches.secrets,
            caches.pods,
            self._state,
            *self._protection.informers,
            *self._keys.informers,
        )

    def _feed_queue(self) -> None:
        caches = self._caches
        caches.namespaces.on_change(lambda _kind, found: self._label_changed(found["metadata"]["name"]))
        for informer in (caches.service_accounts, caches.role_bindings, caches.secrets, *self._keys.informers):
            informer.on_change(lambda _kind, found: self._object_changed(found["metadata"]["namespace"]))
        for informer in self._keys.informers:
            informer.on_change(lambda _kind, found: self._add(Key(KEY_OF_NAMESPACE, found["metadata"]["namespace"])))
        self._state.on_change(lambda _kind, _found: self._add(Key("state"), SETTLE_SECONDS))
        self._jobs.on_change(lambda _kind, job: self._add(_job_key(job)))
        self._cron_jobs.on_change(self._cron_job_changed)
        caches.pods.on_change(self._pod_changed)

    def _add(self, key: Key, delay: float = 0.0) -> None:
        if self._leading.is_set():
            self.queue.add(key, delay)

    def _object_changed(self, namespace: str) -> None:
        self._add(Key("namespace", namespace), SETTLE_SECONDS)
        self._add(Key("state"), SETTLE_SECONDS)

    def _label_changed(self, namespace: str) -> None:
        self._object_changed(namespace)
        self._monitoring.namespace_changed(namespace)
        for name in self._index.in_namespace(namespace):
            self._book.consider(namespace, name)
            self._add(Key("job", namespace, name), SETTLE_SECONDS)

    def _cron_job_changed(self, _kind: str, cron_job: Json) -> None:
        for namespace, name in self._index.of_cron_job(cron_job["metadata"]["uid"]):
            self._book.consider(namespace, name)
            self._add(Key("job", namespace, name))

    def _pod_changed(self, _kind: str, pod: Json) -> None:
        namespace = pod["metadata"]["namespace"]
        if (owner := workloads.owner(pod, "Job")) is not None and self._book.named(namespace, owner.name):
            job = self._jobs.get(namespace, owner.name)
            # Of hundreds of pods one look at all of them must do for many changes.
            self._add(Key("job", namespace, owner.name), SETTLE_SECONDS if job and workloads.is_crowd(job) else 0.0)
        if not self._keeper.is_labelled(namespace) and self._keeper.has_objects(namespace):
            self._add(Key("namespace", namespace), SETTLE_SECONDS)  # the last injected pod may have ended


def _job_key(job: Json) -> Key:
    return Key("job", job["metadata"]["namespace"], job["metadata"]["name"])


def _rules(settings: Settings) -> Rules:
    thresholds = Thresholds(settings.sidecar.stuck_seconds, settings.unscheduled_seconds)
    return Rules(thresholds, tell_deleted=settings.tell_deleted_jobs)


def _namespace_caches(kube: KubeClient, name: str) -> NamespaceCaches:
    by_name = f"metadata.name={name}"
    return NamespaceCaches(
        namespaces=Informer(
            kube, Source("namespaces", "/api/v1/namespaces", label_selector=f"{plan.INJECTION_LABEL}=enabled")
        ),
        service_accounts=Informer(kube, Source("serviceaccounts", "/api/v1/serviceaccounts", field_selector=by_name)),
        role_bindings=Informer(
            kube, Source("rolebindings", "/apis/rbac.authorization.k8s.io/v1/rolebindings", field_selector=by_name)
        ),
        secrets=Informer(kube, Source("secrets", "/api/v1/secrets", field_selector=by_name)),
        pods=Informer(
            kube,
            Source("pods", "/api/v1/pods", label_selector="batch.kubernetes.io/job-name", trim=workloads.trim_pod),
        ),
    )
