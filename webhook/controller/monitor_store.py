"""Keeps the records of monitors in the release's ConfigMaps. Only the replica that leads reads and writes them."""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from webhook.clients.kube import KubeClient
from webhook.controller import monitor_records
from webhook.controller.monitor_records import SHARDS, Record, shard_of
from webhook.controller.objects import OwnedObjects
from webhook.controller.plan import LABELS, is_ours, owner_reference
from webhook.errors import NotFound
from webhook.settings import Settings

KEY = "records.json"
RECORDS_LABELS = {**LABELS, "k8s.cronitor.io/records": "monitors"}

log = logging.getLogger(__name__)


class RecordStore:
    """One ConfigMap a shard, made when there is something to keep in it."""

    def __init__(self, kube: KubeClient, objects: OwnedObjects, settings: Settings, owner_uid: str) -> None:
        self._kube, self._objects, self._owner_uid = kube, objects, owner_uid
        self._names = settings.names
        self._collection = f"/api/v1/namespaces/{settings.namespace}/configmaps"
        self._known: dict[int, str] = {}
        self._changed: set[int] = set()

    def load(self) -> dict[str, Record]:
        """All records, as the last leader wrote them."""
        records: dict[str, Record] = {}
        for shard in range(SHARDS):
            text = self._text(shard)
            self._known[shard] = _digest(text)
            records |= {key: one for key, one in monitor_records.read(text).items() if shard_of(key) == shard}
        log.info("monitor_records_read", extra={"records": len(records)})
        return records

    def write(self, records: Mapping[str, Record], changed: Iterable[str] = ()) -> None:
        """Write the shards of the keys that have changed, and those that could not be written before."""
        self._changed.update(map(shard_of, changed))
        if not self._changed:
            return
        contents: dict[int, dict[str, Record]] = {shard: {} for shard in self._changed}
        for key, record in records.items():
            if (content := contents.get(shard_of(key))) is not None:
                content[key] = record
        for shard, content in sorted(contents.items()):
            text = monitor_records.write(content)
            if _digest(text) != self._known[shard]:
                self._objects.write(self._collection, self._config_map(shard, text))
                self._known[shard] = _digest(text)
            self._changed.discard(shard)

    def _text(self, shard: int) -> str:
        try:
            found = self._kube.get(f"{self._collection}/{self._name(shard)}")
        except NotFound:
            return ""
        data = found.get("data") or {}
        return str(data.get(KEY, "")) if is_ours(found) else ""

    def _name(self, shard: int) -> str:
        return f"{self._names.monitor_records}-{shard:x}"

    def _config_map(self, shard: int, text: str) -> dict[str, Any]:
        owner = owner_reference(self._names.owner_cluster_role, self._owner_uid)
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._name(shard), "labels": dict(RECORDS_LABELS), "ownerReferences": [owner]},
            "data": {KEY: text},
        }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
