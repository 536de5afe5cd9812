"""What follows from CronJobs themselves, not from their runs: monitors in Cronitor, Events on what has no effect."""

from collections.abc import Callable, Collection, Mapping

from webhook.clients.informer import Informer
from webhook.clients.kube import KubeClient
from webhook.controller.events import EventRecorder
from webhook.controller.monitor_events import ProblemTeller, events_on_cron_jobs
from webhook.controller.monitor_index import MonitorIndex
from webhook.controller.monitor_plan import Policy
from webhook.controller.monitor_requests import AccountMonitors
from webhook.controller.monitor_store import RecordStore
from webhook.controller.monitor_sync import MonitorSync
from webhook.controller.monitors import RESETS, MonitorDefaults
from webhook.controller.namespaces import NamespaceKeeper
from webhook.controller.objects import OwnedObjects
from webhook.controller.queue import Key, Reconciler
from webhook.controller.removals import Removals
from webhook.levels import Levels
from webhook.settings import Settings

MONITORS = Key("monitors")
SETTLE_SECONDS = 0.5
"""Tools apply many CronJobs one after another; two seconds are promised until Cronitor has a new one."""


class Monitoring:
    """Reconciles `MONITORS`, and a key `annotations` for each CronJob that something is wrong with."""

    def __init__(
        self,
        kube: KubeClient,
        settings: Settings,
        *,
        cron_jobs: Informer,
        namespaces: NamespaceKeeper,
        levels: Levels,
        objects: OwnedObjects,
        owner_uid: str,
        client: AccountMonitors,
        add: Callable[[Key, float], None],
        open_keys: Callable[[], Collection[str]],
    ) -> None:
        self._add = add
        tell = events_on_cron_jobs(EventRecorder(kube, settings.pod_name))
        self._problems = ProblemTeller(tell)
        self._index = MonitorIndex(
            cron_jobs,
            namespaces.is_labelled,
            levels,
            MonitorDefaults(settings.cluster_name, settings.default_timezone),
            changed=lambda: add(MONITORS, SETTLE_SECONDS),
            complained=lambda namespace, name: add(Key("annotations", namespace, name), SETTLE_SECONDS),
        )
        self._removals = Removals(self._index, Policy(settings.on_remove, RESETS, account=client.account))
        self._sync = MonitorSync(
            self._removals.wanted,
            RecordStore(kube, objects, settings, owner_uid),
            client,
            tell,
            self._removals.policy,
            dry_run=settings.dry_run,
            open_keys=open_keys,
        )
        self.reconcilers: Mapping[str, Reconciler] = {MONITORS.kind: self._sync, "annotations": self}
        cron_jobs.on_change(self._index.cron_job_changed)

    def namespace_changed(self, namespace: str) -> None:
        """Its label or its annotations may be others."""
        self._index.namespace_changed(namespace)

    def lead(self) -> list[Key]:
        """What is to be looked at once."""
        return [MONITORS, *(Key("annotations", namespace, name) for namespace, name in self._index.names())]

    def details(self) -> dict[str, Callable[[], str]]:
        """What people should know of the monitors, by what it concerns; '' where all is well."""
        return {"monitors": self._sync.detail, "removals": self._removals.detail}

    def reconcile(self, key: Key) -> float | None:
        """Tell what has no effect among what is written on or above one CronJob."""
        if (found := self._index.problems(key.namespace, key.name)) is not None:
            self._problems.tell_problems(*found)
        else:
            self._problems.forget(key.namespace, key.name)
        return None
