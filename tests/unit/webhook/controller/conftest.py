"""The controller's caches and reconcilers over a running API server, as `controller/process.py` ties them together."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.unit.webhook.api_server import PATIENCE, ApiServer
from tests.unit.webhook.objects import cron_job
from tests.unit.webhook.settings_document import settings
from webhook import workloads
from webhook.annotations import Options
from webhook.clients.informer import GONE, Informer, Source, essence, key_of
from webhook.clients.kube import KubeClient
from webhook.clients.telemetry import Taken
from webhook.controller import plan
from webhook.controller.namespaces import NamespaceCaches, NamespaceKeeper
from webhook.controller.objects import OwnedObjects
from webhook.controller.opener import RunOpener
from webhook.controller.outbox import Outbox
from webhook.controller.plan import Wanted
from webhook.controller.publisher import StatePublisher
from webhook.controller.run_book import RunBook
from webhook.controller.runs import RunTeller
from webhook.controller.stuck import Thresholds
from webhook.controller.verdicts import Rules
from webhook.levels import Levels
from webhook.monitor_identity import MonitorIdentity
from webhook.state import Breaker
from webhook.telemetry import Event

Json = dict[str, Any]

SETTINGS = settings()
WANTED = Wanted("cronitor-sidecar", "release-sidecar", "role-uid", {"telemetry-key": "key", "ca.crt": "CA"})
OWNER = "/apis/rbac.authorization.k8s.io/v1/clusterroles/release-sidecar"
LABELLED = {plan.INJECTION_LABEL: "enabled"}
DEFAULTS = Options(include=False)
IGNORED = frozenset({"istio-proxy"})
INCLUDED = "/apis/batch/v1/namespaces/shop/cronjobs/backup"
RULES = Rules(Thresholds(waiting=1e9, unscheduled=1e9))
"""The tests' Jobs are of another day: here they never hang."""


class Telemetry:
    """Takes every event, or raises what the test has put into `failures` first."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Event]] = []
        self.failures: list[Exception] = []

    def send(self, identity: MonitorIdentity, series: str, event: Event, namespace: str = "") -> Taken:
        if self.failures:
            raise self.failures.pop(0)
        self.told.append((identity.key, series, event))
        return Taken.ACCEPTED


class World:
    """Everything that one replica of the controller has, but for the queue: the test says what is reconciled."""

    def __init__(self, api: ApiServer, kube: KubeClient) -> None:
        self.api = api
        self._changed = threading.Condition()
        self._told: dict[str, dict[tuple[str, str], Json]] = {}
        named = "metadata.name=cronitor-sidecar"
        self.caches = NamespaceCaches(
            namespaces=Informer(
                kube, Source("namespaces", "/api/v1/namespaces", label_selector=f"{plan.INJECTION_LABEL}=enabled")
            ),
            service_accounts=Informer(kube, Source("serviceaccounts", "/api/v1/serviceaccounts", field_selector=named)),
            role_bindings=Informer(
                kube, Source("rolebindings", "/apis/rbac.authorization.k8s.io/v1/rolebindings", field_selector=named)
            ),
            secrets=Informer(kube, Source("secrets", "/api/v1/secrets", field_selector=named)),
            pods=Informer(kube, Source("pods", "/api/v1/pods", trim=workloads.trim_pod)),
        )
        self.config_maps = Informer(kube, Source("configmaps", "/api/v1/namespaces/cronitor/configmaps"))
        self.jobs = Informer(kube, Source("jobs", "/apis/batch/v1/jobs", trim=workloads.trim_job))
        self.cron_jobs = Informer(kube, Source("cronjobs", "/apis/batch/v1/cronjobs", trim=workloads.trim_cron_job))
        api.put(OWNER, {"metadata": {"uid": WANTED.owner_uid}})
        self.owner_changes: list[str] = []
        objects = OwnedObjects(kube, OWNER, WANTED.owner_uid, lambda: self.owner_changes.append("changed"))
        self.keeper = NamespaceKeeper(kube, objects, self.caches, SETTINGS, WANTED)
        self.breakers: dict[str, Breaker] = {}
        self.publisher = StatePublisher(
            objects, self.config_maps, self.keeper, SETTINGS, WANTED.owner_uid, lambda: self.breakers
        )
        opener = RunOpener(self.cron_jobs, self.keeper, Levels(DEFAULTS, self.keeper.annotations))
        self.book = RunBook(self.jobs, self.caches.pods, IGNORED, opener.open_run)
        self.telemetry = Telemetry()
        self.outbox = Outbox(self.telemetry, 50, lambda _job, series, event: self.book.acknowledge(series, event))
        self.runs = RunTeller(kube, self.book, opener, self.outbox, RULES)
        for informer in self.informers:
            informer.on_change(partial(self._notice, self._told.setdefault(informer.source.kind, {})))
            informer.start()
        for informer in self.informers:
            assert informer.wait_synced(PATIENCE)
        api.wait_for(lambda: api.watches == len(self.informers))

    @property
    def informers(self) -> tuple[Informer, ...]:
        caches = self.caches
        return (
            caches.namespaces,
            caches.service_accounts,
            caches.role_bindings,
            caches.secrets,
            caches.pods,
            self.config_maps,
            self.jobs,
            self.cron_jobs,
        )

    def _notice(self, told: dict[tuple[str, str], Json], kind: str, found: Json) -> None:
        """The last of the handlers: what comes here has come to all."""
        with self._changed:
            if kind in GONE:
                told.pop(key_of(found), None)
            else:
                told[key_of(found)] = found
            self._changed.notify_all()

    def wait_for(self, holds: Callable[[], Any]) -> None:
        """Until the caches show it. Looks again now and then: what only a version tells is no news to handlers."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not self._changed.wait_for(holds, 0.05):
                assert time.monotonic() < deadline

    def put(self, path: str, body: Json) -> Json:
        """Somebody else writes an object; returns when the caches have it."""
        stored = self.api.put(path, body)
        self.seen()
        return stored

    def delete(self, path: str) -> None:
        self.api.delete(path)
        self.seen()

    def seen(self) -> None:
        """Wait until the caches show what is there, and all handlers know it."""
        self.wait_for(self._is_current)

    def _is_current(self) -> bool:
        with self.api.store.changed:
            for informer in self.informers:
                there = {
                    (found["metadata"].get("namespace", ""), found["metadata"]["name"]): found["metadata"]
                    for found in self.api.answer_list(informer.source.path, informer.source.query)
                    if informer.source.trim(found) is not None
                }
                cached = {key_of(found): found["metadata"] for found in informer.all()}
                told = self._told[informer.source.kind]
                if {key: essence(one) for key, one in told.items()} != {
                    key_of(found): essence(found) for found in informer.all()
                }:
                    return False
                if {key: one["resourceVersion"] for key, one in there.items()} != {
                    key: one["resourceVersion"] for key, one in cached.items()
                }:
                    return False
        return True

    def label(self, namespace: str, **metadata: Any) -> None:
        self.put(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": LABELLED, **metadata}})

    def unlabel(self, namespace: str) -> None:
        self.put(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {}}})


@pytest.fixture
def world(api: ApiServer, kube: KubeClient) -> Iterator[World]:
    made = World(api, kube)
    api.requests.clear()
    yield made
    for informer in made.informers:
        informer.stop()


@pytest.fixture
def included(world: World) -> World:
    world.label("shop")
    world.put(INCLUDED, cron_job(include="true"))
    return world
