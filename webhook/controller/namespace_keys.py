"""Telemetry keys of their own that namespaces bring: Secrets of the one name that the chart's value gives."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from webhook import logs
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient
from webhook.controller.events import EventRecorder
from webhook.controller.plan import secret_text
from webhook.controller.queue import Key

ENTRY = "telemetry-key"
_NO_KEY = re.compile(r"[\s/?#]")
"""What no key of Cronitor's holds; it stands in the path of an address."""

SHORTEST_KEY = 16
"""Cronitor's are longer. A short text is in many words, and would take them out of all log lines."""

Json = Mapping[str, Any]

log = logging.getLogger(__name__)


class UnusableKeys:
    """Reconciles a key for each namespace: says on its Secret that it cannot be used."""

    def __init__(self, keys: "NamespaceKeys", recorder: EventRecorder) -> None:
        self._keys, self._recorder = keys, recorder

    def reconcile(self, key: Key) -> float | None:
        if (secret := self._keys.unusable(key.namespace)) is not None:
            message = f"It holds no {ENTRY} that can be used: the runs of this namespace go under the release's own key"
            self._recorder.tell("Secret", secret, "TelemetryKeyUnusable", message, warning=True)
        return None


class NamespaceKeys:
    """Without `secrets` no namespace has one."""

    def __init__(self, secrets: Informer | None, name: str) -> None:
        self._secrets, self._name = secrets, name
        if secrets is not None:
            secrets.on_change(lambda _kind, found: self._conceal(found))

    @property
    def informers(self) -> tuple[Informer, ...]:
        return (self._secrets,) if self._secrets is not None else ()

    def of(self, namespace: str) -> str:
        """The namespace's key; '' where it has none that can be used."""
        found = self._secrets.get(namespace, self._name) if self._secrets is not None else None
        return "" if found is None else _key(found)

    def unusable(self, namespace: str) -> Json | None:
        """The namespace's Secret where it holds no key that can be used."""
        found = self._secrets.get(namespace, self._name) if self._secrets is not None else None
        return None if found is None or _key(found) else found

    def namespaces(self) -> list[str]:
        """Those that hold a Secret of the name."""
        return [found["metadata"]["namespace"] for found in self._secrets.all()] if self._secrets is not None else []

    def _conceal(self, found: Json) -> None:
        """A key that is used; what cannot be used goes nowhere."""
        if key := _key(found):
            logs.conceal(key)
        else:
            metadata = found["metadata"]
            log.warning(
                "namespace_key_unusable", extra={"namespace": metadata["namespace"], "secret": metadata["name"]}
            )


def of_namespaces(kube: KubeClient, name: str) -> NamespaceKeys:
    """Those in Secrets of this name; of none where it is ''."""
    if not name:
        return NamespaceKeys(None, name)
    source = Source("namespacekeys", "/api/v1/secrets", field_selector=f"metadata.name={name}")
    return NamespaceKeys(Informer(kube, source), name)


def _key(secret: Json) -> str:
    text = secret_text(secret, ENTRY).strip()
    return text if len(text) >= SHORTEST_KEY and not _NO_KEY.search(text) else ""
