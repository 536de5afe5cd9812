"""A cache of one kind of object that a paged list fills and a watch keeps true.

Works on parsed JSON, trimmed by a function given to it, so that the memory of a large cluster stays small (docs/adr).
What the `kubernetes` package's informer lacks is here: has-synced, trimming, back-off when a watch cannot reconnect,
DELETED for what vanished during a gap.
"""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from webhook import metrics
from webhook.clients.kube import JsonObject, KubeClient
from webhook.errors import Gone, KubeError

PAGE_SIZE = 500
WATCH_SECONDS = 300
SILENCE_SECONDS = 90.0
"""A watch as silent as that may be dead, and is opened again from where it was. That is no failure: the API server
sends a bookmark each minute only if the resource version has moved on, which it does not for kinds that nobody writes.
"""
SHORTEST_WATCH_SECONDS = 1.0
SLOWEST_RETRY_SECONDS = 10.0

Trim = Callable[[JsonObject], JsonObject | None]
Handler = Callable[[str, JsonObject], None]
"""Called with ADDED, MODIFIED, DELETED or VANISHED and the trimmed object; not where nothing of what is kept has
changed."""

DELETED = "DELETED"
VANISHED = "VANISHED"
"""Gone when a list was made: deleted while no watch was open, so that its last state was not seen."""
GONE = frozenset({DELETED, VANISHED})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """What to watch: `path` is the collection's, across all namespaces or in one. Selectors as in the API."""

    kind: str
    path: str
    label_selector: str = ""
    field_selector: str = ""
    trim: Trim = field(default=lambda found: found)

    @property
    def query(self) -> dict[str, str]:
        selectors = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: selector for name, selector in selectors.items() if selector}


def named(resource: str, namespace: str, name: str) -> Source:
    """One object of the core group by its name, so that a right bound to that name is enough."""
    return Source(resource, f"/api/v1/namespaces/{namespace}/{resource}", field_selector=f"metadata.name={name}")


def key_of(found: JsonObject) -> tuple[str, str]:
    """(namespace, name); the namespace of a cluster-scoped object is ''."""
    metadata = found["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Informer:
    """Threads: `run` in one of its own; reads from any. Handlers are called in the informer's thread, in order."""

    def __init__(self, kube: KubeClient, source: Source) -> None:
        self.source = source
        self._kube = kube
        self._objects: dict[tuple[str, str], JsonObject] = {}
        self._handlers: list[Handler] = []
        self._synced = threading.Event()
        self._stop = threading.Event()
        self._version = ""

    def on_change(self, handler: Handler) -> None:
        """Add a handler; before `start`, so that it misses nothing."""
        self._handlers.append(handler)

    @property
    def synced(self) -> bool:
        """Whether the first list is in the cache."""
        return self._synced.is_set()

    def wait_synced(self, timeout: float | None = None) -> bool:
        return self._synced.wait(timeout)

    def get(self, namespace: str, name: str) -> JsonObject | None:
        return self._objects.get((namespace, name))

    def all(self) -> list[JsonObject]:
        return list(self._objects.values())

    def in_namespace(self, namespace: str) -> list[JsonObject]:
        """For kinds of which there are few: looks at each."""
        return [found for (place, _), found in list(self._objects.items()) if place == namespace]

    def start(self) -> None:
        threading.Thread(target=self.run, name=f"informer-{self.source.kind}", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """List and watch until stopped; every error is retried with back-off and jitter."""
        failures = 0
        while not self._stop.is_set():
            listed_now = not self._version
            try:
                if listed_now:
                    self._version = self._list()
                opened = time.monotonic()
                for version in self._watch(self._version):
                    self._version = version
                    failures = 0
                if time.monotonic() - opened < SHORTEST_WATCH_SECONDS:
                    raise KubeError("the watch was closed at once", reason="ClosedEarly")
                failures = 0
            except Exception as error:  # noqa: BLE001 - the outermost loop of this thread
                if isinstance(error, Gone):
                    self._version = ""
                    if not listed_now:
                        continue  # nothing is wrong with the API server: list at once
                failures += 1
                metrics.informer_errors.labels(self.source.kind).inc()
                log.warning(
                    "informer_retries", extra={"kind": self.source.kind, "error": str(error), "failures": failures}
                )
                self._stop.wait(random.uniform(0.1, min(SLOWEST_RETRY_SECONDS, 0.25 * 2 ** min(failures, 12))))  # noqa: S311

    def _list(self) -> str:
        found: dict[tuple[str, str], JsonObject] = {}
        version = ""
        for page in self._pages():
            version = page["metadata"]["resourceVersion"]
            for item in page.get("items") or ():
                if (trimmed := self.source.trim(item)) is not None:
                    found[key_of(trimmed)] = trimmed
        for key in self._objects.keys() - found.keys():
            self._apply(VANISHED, self._objects[key])
        for key, trimmed in found.items():
            known = self._objects.get(key)
            if known is None or known["metadata"].get("resourceVersion") != trimmed["metadata"].get("resourceVersion"):
                self._apply("ADDED" if known is None else "MODIFIED", trimmed)
        self._synced.set()
        return version

    def _pages(self) -> Iterator[JsonObject]:
        query = {**self.source.query, "limit": str(PAGE_SIZE)}
        while True:
            page = self._kube.get(self.source.path, query, timeout=60.0)
            yield page
            if not (token := page["metadata"].get("continue")):
                return
            query["continue"] = token

    def _watch(self, version: str) -> Iterator[str]:
        """Apply events as they come and give the resource version after each."""
        query = {
            **self.source.query,
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS + random.randrange(60)),  # noqa: S311
        }
        for line in self._kube.stream(self.source.path, query, SILENCE_SECONDS):
            event: dict[str, Any] = json.loads(line)
            changed: JsonObject = event["object"]
            if event["type"] == "ERROR":
                kind = Gone if changed.get("code") == 410 else KubeError
                raise kind(str(changed.get("message")), status=changed.get("code"))
            if event["type"] != "BOOKMARK":
                self._changed(event["type"], changed)
            yield changed["metadata"]["resourceVersion"]
            if self._stop.is_set():
                return

    def _changed(self, kind: str, changed: JsonObject) -> None:
        trimmed = self.source.trim(changed)
        if kind == DELETED or trimmed is None:
            if (known := trimmed or self._objects.get(key_of(changed))) is not None:
                self._apply(DELETED, known)
        else:
            self._apply(kind, trimmed)

    def _apply(self, kind: str, changed: JsonObject) -> None:
        key = key_of(changed)
        known = self._objects.get(key)
        if kind in GONE:
            self._objects.pop(key, None)
        else:
            if known is not None and known["metadata"].get("uid") != changed["metadata"].get("uid"):
                # Deleted and made again while no watch was open.
                self._tell(VANISHED, known)
                kind, known = "ADDED", None
            self._objects[key] = changed
        metrics.informer_objects.labels(self.source.kind).set(len(self._objects))
        if kind in GONE or known is None or essence(known) != essence(changed):
            self._tell(kind, changed)

    def _tell(self, kind: str, changed: JsonObject) -> None:
        for handler in self._handlers:
            try:
                handler(kind, changed)
            except Exception:
                metrics.informer_errors.labels(self.source.kind).inc()
                log.exception("informer_handler_failed", extra={"kind": self.source.kind})


def essence(trimmed: JsonObject) -> JsonObject:
    """The object but for its resource version: a change that trimming takes away is none for the handlers."""
    metadata = {name: value for name, value in trimmed["metadata"].items() if name != "resourceVersion"}
    return {**trimmed, "metadata": metadata}
