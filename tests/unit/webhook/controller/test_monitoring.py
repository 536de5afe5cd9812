"""Events on what has no effect, as CronJobs come and go."""

from typing import Any, cast

import pytest

from tests.unit.webhook.controller.conftest import SETTINGS
from tests.unit.webhook.controller.monitor_scene import Cronitor
from tests.unit.webhook.objects import cron_job
from webhook.annotations import Options
from webhook.clients.informer import Handler, Informer
from webhook.clients.kube import KubeClient
from webhook.controller import monitoring
from webhook.controller.monitor_records import CronJobReference
from webhook.controller.monitoring import Monitoring
from webhook.controller.namespaces import NamespaceKeeper
from webhook.controller.objects import OwnedObjects
from webhook.controller.queue import Key
from webhook.levels import Levels

Json = dict[str, Any]
BAD = cron_job(include="maybe")
KEY = Key("annotations", "shop", "backup")


class Cache:
    """The one CronJob that there may be."""

    def __init__(self) -> None:
        self.held: Json | None = None
        self._handlers: list[Handler] = []

    def on_change(self, handler: Handler) -> None:
        self._handlers.append(handler)

    def get(self, _namespace: str, _name: str) -> Json | None:
        return self.held

    def change(self, found: Json | None) -> None:
        told = found or self.held
        assert told is not None
        self.held = found
        for handler in self._handlers:
            handler("DELETED" if found is None else "MODIFIED", told)


class Labelled:
    def is_labelled(self, _namespace: str) -> bool:
        return True


class World:
    def __init__(self, kube: KubeClient, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache, self.added, self.told = Cache(), cast(list[Key], []), cast(list[str], [])
        monkeypatch.setattr(monitoring, "events_on_cron_jobs", lambda _recorder: self._tell)
        self.monitoring = Monitoring(
            kube,
            SETTINGS,
            cron_jobs=cast(Informer, self.cache),
            namespaces=cast(NamespaceKeeper, Labelled()),
            levels=Levels(Options(), lambda _namespace: None),
            objects=cast(OwnedObjects, None),
            owner_uid="uid",
            client=Cronitor(),
            add=lambda key, _delay: self.added.append(key),
            open_keys=frozenset,
        )

    def _tell(self, _cron_job: CronJobReference, reason: str, _message: str, *, warning: bool = False) -> None:
        assert warning
        self.told.append(reason)

    def change(self, found: Json | None) -> None:
        """What follows from it is done at once."""
        self.cache.change(found)
        while self.added:
            if (key := self.added.pop()).kind == KEY.kind:
                self.monitoring.reconcilers[key.kind].reconcile(key)


@pytest.fixture
def world(kube: KubeClient, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(kube, monkeypatch)


def test_one_that_is_deleted_and_made_again_hears_of_it_again(world: World) -> None:
    for found in (BAD, BAD, None, BAD):
        world.change(found)
    assert world.told == ["AnnotationIgnored"] * 2


def test_where_all_is_well_nothing_is_said(world: World) -> None:
    assert {name: detail() for name, detail in world.monitoring.details().items()} == {"monitors": "", "removals": ""}
