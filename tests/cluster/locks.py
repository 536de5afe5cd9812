"""One at a time: locks between processes, which go with their holder, however that one ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.layout import LOCK
from tests.cluster.progress import say


@contextlib.contextmanager
def exclusively(path: Path = LOCK, what: str = "`up` or `down`") -> Iterator[None]:
    """Holds the lock, by default that of the cluster itself, and says so when it has to wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            say(f"waiting for another {what} to end (process {lock.read().strip() or 'unknown'})")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield
