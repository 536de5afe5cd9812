"""Whether a namespace's breaker lets a pod have the sidecar: none while it is open, a few while it is tried.

Many Jobs may start at one moment, and the one that shows whether we do harm again is enough.
"""

import threading
import time
from collections.abc import Callable, Mapping

from webhook.state import Breaker, Standing

TRIAL_SECONDS = 10.0
"""Each replica lets one pod of the namespace through in that time; seeing that it runs well takes as long."""


class Gate:
    """Safe for threads. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tried: dict[str, float] = {}

    def lets_through(self, namespace: str, breakers: Mapping[str, Breaker]) -> bool:
        """Whether the pod at hand may be injected. While it is tried each True is used up."""
        breaker = breakers.get(namespace)
        if breaker is None or breaker.standing is Standing.CLOSED:
            return True
        if breaker.standing is Standing.OPEN:
            return False
        with self._lock:
            now = self._clock()
            for name in [name for name, at in self._tried.items() if now - at >= TRIAL_SECONDS]:
                del self._tried[name]
            if namespace in self._tried:
                return False
            self._tried[namespace] = now
            return True
