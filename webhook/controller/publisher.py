"""Publishes what admission must know into the release's ConfigMap."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from webhook import annotations, metrics, state
from webhook.clients.informer import Informer
from webhook.controller.namespaces import NamespaceKeeper
from webhook.controller.objects import OwnedObjects
from webhook.controller.plan import LABELS, owner_reference
from webhook.controller.queue import Key
from webhook.settings import Settings
from webhook.state import Breaker

REPAIR_SECONDS = 5.0
"""How soon to see whether what is being repaired has been: a repair that fails changes nothing that is watched."""

log = logging.getLogger(__name__)


class StatePublisher:
    """Reconciles the one ConfigMap; always from all namespaces, so that a new leader never publishes a part."""

    def __init__(
        self,
        objects: OwnedObjects,
        config_maps: Informer,
        namespaces: NamespaceKeeper,
        settings: Settings,
        owner_uid: str,
        breakers: Callable[[], Mapping[str, Breaker]] = dict,
    ) -> None:
        self._objects, self._config_maps, self._namespaces = objects, config_maps, namespaces
        self._settings, self._owner_uid, self._breakers = settings, owner_uid, breakers

    def reconcile(self, key: Key) -> float | None:
        known = self._config_maps.get(self._settings.namespace, self._settings.names.state_config_map)
        published = state.read(known)
        labelled = self._namespaces.labelled()
        ready = {name for name in labelled if self._namespaces.planned(name).provisioned}
        # An object that somebody deleted is back within a second: until then nobody's pods should go without.
        being_repaired = (published.provisioned & labelled) - ready - self._namespaces.failing
        found = {name: annotations.for_admission(self._namespaces.annotations(name)) for name in labelled}
        written = {name: some for name, some in found.items() if some}
        wanted = state.SharedState(frozenset(ready | being_repaired), self._breakers(), written)
        metrics.provisioned.set(len(wanted.provisioned))
        if known is None or state.write(wanted) != known.get("data"):
            collection = f"/api/v1/namespaces/{self._settings.namespace}/configmaps"
            self._objects.write(collection, self._config_map(wanted))
            log.info("state_published", extra={"provisioned": len(wanted.provisioned)})
        return REPAIR_SECONDS if being_repaired else None

    def _config_map(self, wanted: state.SharedState) -> dict[str, Any]:
        names = self._settings.names
        owner = owner_reference(names.owner_cluster_role, self._owner_uid)
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": names.state_config_map, "labels": dict(LABELS), "ownerReferences": [owner]},
            "data": state.write(wanted),
        }
