"""Publishes what admission must know into the release's ConfigMap."""

import logging

from webhook import metrics, state
from webhook.clients.informer import Informer
from webhook.clients.kube import KubeClient
from webhook.controller.namespaces import NamespaceKeeper
from webhook.controller.plan import LABELS, owner_reference
from webhook.controller.queue import Key
from webhook.errors import AlreadyExists
from webhook.settings import Settings

log = logging.getLogger(__name__)


class StatePublisher:
    """Reconciles the one ConfigMap; always from all namespaces, so that a new leader never publishes a part."""

    def __init__(
        self, kube: KubeClient, config_maps: Informer, namespaces: NamespaceKeeper, settings: Settings, owner_uid: str
    ) -> None:
        self._kube, self._config_maps, self._namespaces = kube, config_maps, namespaces
        self._settings, self._owner_uid = settings, owner_uid

    def reconcile(self, key: Key) -> float | None:
        known = self._config_maps.get(self._settings.namespace, self._settings.names.state_config_map)
        published = state.read(known)
        wanted = self._wanted(published)
        metrics.provisioned.set(len(wanted.provisioned))
        if known is not None and state.write(wanted) == known.get("data"):
            return None
        collection = f"/api/v1/namespaces/{self._settings.namespace}/configmaps"
        body = self._config_map(wanted)
        try:
            if known is None:
                self._kube.create(collection, body)
        except AlreadyExists:
            known = body
        if known is not None:
            self._kube.patch(f"{collection}/{self._settings.names.state_config_map}", body)
        log.info("state_published", extra={"provisioned": len(wanted.provisioned)})
        return None

    def _wanted(self, published: state.SharedState) -> state.SharedState:
        labelled = self._namespaces.labelled()
        ready = {name for name in labelled if self._namespaces.planned(name).provisioned}
        # An object that somebody deleted is back within a second: until then nobody's pods should go without.
        being_repaired = (published.provisioned & labelled) - self._namespaces.failing
        return state.SharedState(frozenset(ready | being_repaired))

    def _config_map(self, wanted: state.SharedState) -> dict[str, object]:
        names = self._settings.names
        owner = owner_reference(names.owner_cluster_role, self._owner_uid)
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": names.state_config_map, "labels": dict(LABELS), "ownerReferences": [owner]},
            "data": state.write(wanted),
        }
