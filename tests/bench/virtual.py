"""Virtual time for code that blocks: each task is a thread, one of which runs at a time; a pause takes no time."""

import heapq
import itertools
import threading
from collections.abc import Callable

STACK_BYTES = 256 * 1024
"""A thread's own stack is 8 MiB of address space as a rule; there are thousands here."""


class VirtualTime:
    """`begin` tasks, then `run`. `now` in seconds from 0. What a task raises ends `run` with it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, threading.Lock]] = []
        self._numbers = itertools.count()
        self._ended = _closed()
        self._failed: list[BaseException] = []

    def begin(self, task: Callable[[], None], at: float = 0.0) -> None:
        """Have `task` run from the moment `at` on."""
        go = _closed()

        def body() -> None:
            go.acquire()
            try:
                task()
            except BaseException as error:
                self._failed.append(error)
            self._hand_on()

        previous = threading.stack_size(STACK_BYTES)
        try:
            threading.Thread(target=body, daemon=True).start()
        finally:
            threading.stack_size(previous)
        self._put(at, go)

    def pause(self, seconds: float) -> None:
        """Called by a task."""
        go = _closed()
        self._put(self.now + max(0.0, seconds), go)
        self._hand_on()
        go.acquire()

    def run(self) -> None:
        """Until every task has ended."""
        self._hand_on()
        self._ended.acquire()
        if self._failed:
            raise self._failed[0]

    def _hand_on(self) -> None:
        """Let whoever is due next go on, which may be the caller; who calls this waits for its own turn then."""
        if self._failed or not self._due:
            self._ended.release()
            return
        self.now, _, go = heapq.heappop(self._due)
        go.release()

    def _put(self, at: float, go: threading.Lock) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), go))


def _closed() -> threading.Lock:
    """A lock that whoever acquires it waits for: cheaper by far than a Semaphore, and there are very many."""
    lock = threading.Lock()
    lock.acquire()
    return lock
