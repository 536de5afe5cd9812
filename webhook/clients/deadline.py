"""An end for a request whose answer drips: the timeout of `requests` is for each read of the socket, not for all.

What takes too long is cut off by a thread beside it, since a slow head of an answer gives control to nobody.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from requests.adapters import HTTPAdapter

CUT_AGAIN_SECONDS = 0.5
"""A request that is cut off may be tried again on another connection, by its `Retry` for one."""

LATEST_CONNECTIONS = 8
"""A session that is sent elsewhere has a few."""


class CuttableAdapter(HTTPAdapter):
    """Knows its latest connections, so that another thread can cut them."""

    def __init__(self, **arguments: Any) -> None:
        self._latest: deque[Any] = deque(maxlen=LATEST_CONNECTIONS)
        super().__init__(**arguments)

    def get_connection_with_tls_context(self, *arguments: Any, **more: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **more)
        if not issubclass(pool.ConnectionCls, _Noted):
            pool.ConnectionCls = type("Connection", (_Noted, pool.ConnectionCls), {"latest": self._latest})
        return pool

    def cut(self) -> None:
        """End what is under way, as if the other side had closed the connection."""
        for connection in list(self._latest):
            for one in (connection.sock, connection.opened):
                with suppress(OSError, TypeError):  # closed already, or not open yet
                    # Not the method of a TLS socket, which would take its encryption from under the reader.
                    socket.socket.shutdown(one, socket.SHUT_RDWR)


class _Noted:
    """Mixed into a connection: its adapter knows of it from before it is open."""

    latest: deque[Any]
    sock: Any
    opened: Any = None
    """Its socket, which the connection gives up while an answer that ends with it is still read."""

    def connect(self) -> None:
        self.latest.append(self)
        super().connect()  # type: ignore[misc]
        self.opened = self.sock


@contextmanager
def limited(seconds: float, cut: Callable[[], None]) -> Iterator[threading.Event]:
    """Have `cut` called once so long has passed, and again until the block is done; gives what is set by then."""
    done, late = threading.Event(), threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        late.set()
        cut()
        while not done.wait(CUT_AGAIN_SECONDS):
            cut()

    threading.Thread(target=watch, name="deadline", daemon=True).start()
    try:
        yield late
    finally:
        done.set()
