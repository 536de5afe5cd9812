"""The controller process: caches, the work queue and its reconcilers, run by whichever replica holds the Lease."""

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

from kubernetes import client

from webhook import health, logs, metrics, workloads
from webhook.clients.cronitor import MonitorsClient
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient, configuration
from webhook.clients.lease import OwnedLeaseLock, lead
from webhook.controller import credentials, plan
from webhook.controller.marks import Defaults
from webhook.controller.namespaces import NamespaceCaches, NamespaceKeeper
from webhook.controller.publisher import StatePublisher
from webhook.controller.queue import Key, WorkQueue
from webhook.controller.runs import PodsOfJobs, RunOpener
from webhook.settings import CREDENTIALS, EXTRA_CA, Settings

THREADS = 4
SETTLE_SECONDS = 0.2
"""Changes come in bursts (an object and what follows from it): one look at the end of each is enough."""

log = logging.getLogger(__name__)

Json = dict[str, Any]


def run(settings: Settings) -> int:
    """Run until SIGTERM, or until the Lease is lost: then exit, so that nothing goes on that another leads now."""
    keys = credentials.load(CREDENTIALS)
    logs.set_up(settings.log_level, settings.log_format, (keys.api_key, keys.telemetry_key))
    loaded = configuration()
    kube = KubeClient(loaded)
    owner_uid = _owner_uid(kube, settings)
    controller = Controller(kube, settings, _wanted(settings, keys, owner_uid, Path(loaded.ssl_ca_cert)), keys)
    health.serve(settings.controller_health_port, {"caches": lambda: controller.synced})
    owner = plan.owner_reference(settings.names.owner_cluster_role, owner_uid)
    api_client = client.ApiClient(loaded)
    lock = OwnedLeaseLock(settings.names.lease, settings.namespace, settings.pod_name, owner, api_client)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _stop(controller, lock))
    controller.start_caches()
    lead(lock, controller.work)
    return 1


class Controller:
    """Caches that fill the queue, and who reconciles what is in it."""

    def __init__(
        self, kube: KubeClient, settings: Settings, wanted: plan.Wanted, keys: credentials.Credentials
    ) -> None:
        named = f"metadata.name={wanted.name}"
        self._settings = settings
        self._jobs = Informer(kube, Source("jobs", "/apis/batch/v1/jobs", trim=workloads.trim_job))
        self._cron_jobs = Informer(kube, Source("cronjobs", "/apis/batch/v1/cronjobs", trim=workloads.trim_cron_job))
        self._caches = NamespaceCaches(
            namespaces=Informer(
                kube, Source("namespaces", "/api/v1/namespaces", label_selector=f"{plan.INJECTION_LABEL}=enabled")
            ),
            service_accounts=Informer(kube, Source("serviceaccounts", "/api/v1/serviceaccounts", field_selector=named)),
            role_bindings=Informer(
                kube, Source("rolebindings", "/apis/rbac.authorization.k8s.io/v1/rolebindings", field_selector=named)
            ),
            secrets=Informer(kube, Source("secrets", "/api/v1/secrets", field_selector=named)),
            pods=Informer(
                kube,
                Source("pods", "/api/v1/pods", label_selector="batch.kubernetes.io/job-name", trim=workloads.trim_pod),
            ),
        )
        self._state = Informer(
            kube,
            Source(
                "configmaps",
                f"/api/v1/namespaces/{settings.namespace}/configmaps",
                field_selector=f"metadata.name={settings.names.state_config_map}",
            ),
        )
        self._keeper = NamespaceKeeper(kube, self._caches, settings, wanted)
        runs = RunOpener(
            kube,
            jobs=self._jobs,
            cron_jobs=self._cron_jobs,
            pods=PodsOfJobs(self._caches.pods),
            namespaces=self._keeper,
            defaults=Defaults(settings.include_by_default, settings.default_environment),
        )
        ca_file = EXTRA_CA if EXTRA_CA.is_file() else None
        self.queue = WorkQueue(
            {
                "namespace": self._keeper,
                "state": StatePublisher(kube, self._state, self._keeper, settings, wanted.owner_uid),
                "job": runs,
                "key": credentials.KeyCheck(MonitorsClient(settings.api_url, keys.api_key, ca_file)),
            }
        )
        self._feed_queue()

    @property
    def synced(self) -> bool:
        return all(informer.synced for informer in self._informers)

    def start_caches(self) -> None:
        for informer in self._informers:
            informer.start()

    def work(self) -> None:
        """Lead: reconcile everything once, then whatever changes. Returns at once."""
        for informer in self._informers:
            informer.wait_synced()
        metrics.leading.set(1)
        log.info("leading", extra={"identity": self._settings.pod_name})
        for found in self._caches.namespaces.all():
            self.queue.add(Key("namespace", found["metadata"]["name"]))
        for job in self._jobs.all():
            self.queue.add(_job_key(job))
        self.queue.add(Key("state"))
        self.queue.add(Key("key"))
        self.queue.start(THREADS)

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
        )

    def _feed_queue(self) -> None:
        caches = self._caches
        caches.namespaces.on_change(lambda _kind, found: self._namespace_changed(found["metadata"]["name"]))
        for informer in (caches.service_accounts, caches.role_bindings, caches.secrets):
            informer.on_change(lambda _kind, found: self._namespace_changed(found["metadata"]["namespace"]))
        self._state.on_change(lambda _kind, _found: self.queue.add(Key("state"), SETTLE_SECONDS))
        self._jobs.on_change(lambda _kind, job: self.queue.add(_job_key(job)))
        caches.pods.on_change(self._pod_changed)
        self._cron_jobs.on_change(self._cron_job_changed)

    def _namespace_changed(self, namespace: str) -> None:
        self.queue.add(Key("namespace", namespace), SETTLE_SECONDS)
        self.queue.add(Key("state"), SETTLE_SECONDS)
        for job in self._jobs.all():
            if job["metadata"]["namespace"] == namespace:
                self.queue.add(_job_key(job), SETTLE_SECONDS)

    def _pod_changed(self, kind: str, pod: Json) -> None:
        namespace = pod["metadata"]["namespace"]
        if (owner := workloads.owner(pod, "Job")) is not None:
            self.queue.add(Key("job", namespace, owner.name))
        if self._caches.namespaces.get("", namespace) is None:  # the last injected pod may have ended
            self.queue.add(Key("namespace", namespace), SETTLE_SECONDS)

    def _cron_job_changed(self, _kind: str, cron_job: Json) -> None:
        for job in self._jobs.all():
            owner = workloads.owner(job, "CronJob")
            if owner is not None and owner.uid == cron_job["metadata"]["uid"]:
                self.queue.add(_job_key(job))


def _job_key(job: Json) -> Key:
    return Key("job", job["metadata"]["namespace"], job["metadata"]["name"])


def _owner_uid(kube: KubeClient, settings: Settings) -> str:
    """The uid of the chart's ClusterRole: what owns all that is made here, so that it goes with the release."""
    path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{settings.names.owner_cluster_role}"
    return str(kube.get(path)["metadata"]["uid"])


def _wanted(settings: Settings, keys: credentials.Credentials, owner_uid: str, kube_ca: Path) -> plan.Wanted:
    content = {"telemetry-key": keys.telemetry_key, "ca.crt": kube_ca.read_text()}
    if EXTRA_CA.is_file():
        content["cronitor-ca.crt"] = EXTRA_CA.read_text()
    names = settings.names
    return plan.Wanted(names.namespace_objects, names.owner_cluster_role, owner_uid, content)


def _stop(controller: Controller, lock: OwnedLeaseLock) -> None:
    """Stop working, then let the other replica lead. In a thread: the handler's own may hold a lock that is needed."""

    def stop() -> None:
        controller.queue.stop()
        lock.release()
        logging.shutdown()
        os._exit(0)

    threading.Thread(target=stop, name="stop").start()
