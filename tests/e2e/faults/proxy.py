"""A proxy that opens TLS: it answers in the place of whom it is asked for, with a certificate of its own CA."""

import re
import socket
import ssl
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cronitor.certificates import server_context

SECONDS = 30.0
REFUSALS = (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", b"")
"""What each client's first tunnels come to: an error, then a connection that is closed without a word."""


class InterceptingProxy:
    """Listens on all addresses. `read` counts, for each client, the requests that it has read in clear."""

    def __init__(self, directory: Path, names: list[str], upstream_ca: Path) -> None:
        self.read: Counter[str] = Counter()
        self.ca_file = directory / "ca.crt"
        self._context = server_context(directory, names)
        self._upstream = ssl.create_default_context(cafile=str(upstream_ca))
        self._tunnels: Counter[str] = Counter()
        self._listening = socket.create_server(("0.0.0.0", 0), backlog=128)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def _accept(self) -> None:
        while True:
            try:
                client, address = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, address[0]), daemon=True).start()

    def _serve(self, client: socket.socket, source: str) -> None:
        client.settimeout(SECONDS)
        with client, suppress(OSError):
            wanted = re.match(rb"CONNECT ([^ ]+):(\d+) ", _head(client))
            number, self._tunnels[source] = self._tunnels[source], self._tunnels[source] + 1
            if wanted is None or number < len(REFUSALS):
                client.sendall(REFUSALS[min(number, len(REFUSALS) - 1)])
                return
            host, port = wanted[1].decode(), int(wanted[2])
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with (
                self._context.wrap_socket(client, server_side=True) as inside,
                socket.create_connection((host, port), SECONDS) as plain,
                self._upstream.wrap_socket(plain, server_hostname=host) as outside,
            ):
                self._relay(inside, outside, source)

    def _relay(self, inside: ssl.SSLSocket, outside: ssl.SSLSocket, source: str) -> None:
        """Requests without bodies, one after another, each with its whole answer."""
        while request := _head(inside):
            self.read[source] += 1
            outside.sendall(request)
            answer = _head(outside)
            length = re.search(rb"(?i)content-length: *(\d+)", answer)
            rest = int(length[1]) if length else 0
            while rest:
                body = outside.recv(rest)
                rest -= len(body)
                answer += body
            inside.sendall(answer)


def _head(connection: socket.socket) -> bytes:
    """Up to the empty line; nothing where the connection was closed."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (byte := connection.recv(1)):
            return b""
        head += byte
    return head
