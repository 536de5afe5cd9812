"""A running API server, and informers that end with the test."""

import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.webhook.api_server import PATIENCE, ApiServer
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def kube(api: ApiServer) -> KubeClient:
    return api.client()


class Watcher:
    """An informer that runs, and what its handler was called with."""

    def __init__(self, kube: KubeClient, source: Source) -> None:
        self.informer = Informer(kube, source)
        self.changes: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.informer.on_change(lambda kind, found: self.changes.put((kind, found)))

    def next(self) -> tuple[str, str]:
        """The next change: its kind and the object's name."""
        kind, found = self.changes.get(timeout=PATIENCE)
        return kind, found["metadata"]["name"]


Watch = Callable[..., Watcher]


@pytest.fixture
def watch(kube: KubeClient, api: ApiServer) -> Iterator[Watch]:
    """Starts an informer and waits until it is synced and its watch is open."""
    watchers: list[Watcher] = []

    def start(source: Source, *, ready: bool = True) -> Watcher:
        watchers.append(watcher := Watcher(kube, source))
        before = api.watches
        watcher.informer.start()
        if ready:
            assert watcher.informer.wait_synced(PATIENCE)
            api.wait_for(lambda: api.watches > before)
        return watcher

    yield start
    for watcher in watchers:
        watcher.informer.stop()
