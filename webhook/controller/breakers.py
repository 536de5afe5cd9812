"""Keeps the breakers of all namespaces: opens them on harm, has them tried again, closes and forgets them.

They live here while this replica leads; the publisher writes them into the state ConfigMap, where the next leader
finds them.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from webhook import metrics
from webhook.clients.informer import Informer
from webhook.controller import breaker
from webhook.controller.breaker import Harm
from webhook.controller.namespaces import NamespaceKeeper
from webhook.controller.queue import Key, earliest
from webhook.settings import Settings
from webhook.state import Breaker, SharedState, Standing

KIND = "breaker"
"""Of keys to reconcile, with the namespace."""

log = logging.getLogger(__name__)

Json = Mapping[str, Any]
Add = Callable[[Key], None]
Resumed = Callable[[Json], None]
"""Called with the pod that ran well when that has closed its namespace's breaker."""


class BreakerKeeper:
    """Reconciles the breaker of one namespace. Safe for threads.

    `add` queues what follows: the state is to be published, and this breaker to be looked at again.
    """

    def __init__(self, pods: Informer, namespaces: NamespaceKeeper, settings: Settings, add: Add) -> None:
        self._pods, self._namespaces, self._settings, self._add = pods, namespaces, settings, add
        self._lock = threading.Lock()
        self._known: dict[str, Breaker] = {}
        self.resumed: Resumed = lambda pod: None

    def load(self, published: SharedState) -> None:
        """Go on from what an earlier leader has published."""
        with self._lock:
            self._known = dict(published.breakers)
            for namespace, known in self._known.items():
                _show(namespace, known)

    def all(self) -> dict[str, Breaker]:
        with self._lock:
            return dict(self._known)

    def get(self, namespace: str) -> Breaker | None:
        return self._known.get(namespace)

    def hurt(self, namespace: str, found: Harm) -> Breaker | None:
        """Open the breaker of the namespace where this is news; it, if it was opened now."""
        now = time.time()
        with self._lock:
            known = self._known.get(namespace)
            if not self._namespaces.is_labelled(namespace) or not breaker.is_news(known, found, now):
                return None
            opened = breaker.opened(known, found.told, now, self._settings.breaker.open_seconds)
            self._set(namespace, opened)
        seconds = round(opened.until - opened.since)
        told = {"namespace": namespace, "reason": opened.reason, "open_seconds": seconds, "times": opened.times}
        log.warning("breaker_opened", extra=told)
        self._add(Key("state"))
        self._add(Key(KIND, namespace))
        return opened

    def reconcile(self, key: Key) -> float | None:
        namespace, now = key.namespace, time.time()
        with self._lock:
            if (known := self._known.get(namespace)) is None:
                return None
            well, wait = self._ran_well(namespace, known, now)
            after = breaker.advanced(known, now, ran_well=well is not None)
            if not self._namespaces.is_labelled(namespace):
                after = None
            if after == known:
                return earliest(breaker.next_change(known, now), wait)
            self._set(namespace, after)
        log.info("breaker_changed", extra={"namespace": namespace, "to": after.standing.value if after else "none"})
        self._add(Key("state"))
        if well is not None and after is not None:
            self.resumed(well)
        return breaker.next_change(after, now) if after else None

    def _ran_well(self, namespace: str, known: Breaker, now: float) -> tuple[Json | None, float | None]:
        """A pod that has shown it; else seconds until the first one may have."""
        if known.standing is not Standing.TRYING:
            return None, None
        wait = None
        for pod in self._pods.in_namespace(namespace):
            left = breaker.runs_well(pod, self._settings.breaker.free_images, known.until, now)
            if left == 0.0:
                return pod, None
            wait = earliest(wait, left)
        return None, wait

    def _set(self, namespace: str, after: Breaker | None) -> None:
        if after is None:
            del self._known[namespace]
        else:
            self._known[namespace] = after
        _show(namespace, after)


def _show(namespace: str, known: Breaker | None) -> None:
    if known is None:
        try:
            metrics.breaker_open.remove(namespace)
        except KeyError:
            return
    else:
        metrics.breaker_open.labels(namespace).set(known.standing is Standing.OPEN)
