"""The sockets: werkzeug's threaded server, but with keep-alive, TLS handshakes in their own threads, and faults."""

import logging
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from tests.cronitor.faults import Fault, FaultKind

log = logging.getLogger("tests.cronitor")
BACKLOG = 1024
HANDSHAKE_TIMEOUT = 30.0
EXCHANGE = "cronitor.exchange"  # where in the WSGI environment the application finds the Exchange
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
WSGIApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"{host}:{port}: {error.strerror}") from error
    return bound


def reset(connection: socket.socket) -> None:
    """Closes with RST rather than FIN. The descriptor goes at once, whoever else holds the socket object."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    descriptor = connection.detach()
    if descriptor >= 0:
        socket.close(descriptor)


class Listener(ThreadedWSGIServer):
    """One listening socket and the connections it accepted."""

    def __init__(
        self,
        bound: socket.socket,
        app: WSGIApplication,
        context: ssl.SSLContext | None = None,
        refuses: Callable[[], bool] = lambda: False,
    ) -> None:
        host, port = bound.getsockname()[:2]
        with bound:
            bound.listen(BACKLOG)
            super().__init__(host, port, app, Handler, fd=bound.fileno())
        self.ssl_context = context
        self.stopping = threading.Event()
        self._refuses = refuses
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name=f"listener-{port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more connections, and the open ones end."""
        self.stopping.set()
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, address = self.socket.accept()
            except OSError:
                return
            if self._refuses():
                reset(connection)
            else:
                self.process_request(connection, address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: a client that is slow at its TLS handshake holds up nobody else."""
        with self._tracked(request):
            if self.ssl_context is None:
                Handler(request, client_address, self)
                return
        try:
            request.settimeout(HANDSHAKE_TIMEOUT)
            secured = self.ssl_context.wrap_socket(request, server_side=True)
            secured.settimeout(None)
        except OSError as error:
            log.warning("TLS handshake with %s failed: %s", client_address[0], error)
            return
        with closing(secured), self._tracked(secured):
            Handler(secured, client_address, self)

    def _tracked(self, connection: socket.socket) -> "_Tracked":
        return _Tracked(connection, self._open, self._lock)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.exception("connection from %s", client_address[0])


class _Tracked:
    """Keeps a connection in the set of the open ones."""

    def __init__(self, connection: socket.socket, among: set[socket.socket], lock: threading.Lock) -> None:
        self._connection, self._among, self._lock = connection, among, lock

    def __enter__(self) -> None:
        with self._lock:
            self._among.add(self._connection)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._among.discard(self._connection)


@dataclass(slots=True)
class Exchange:
    """What the application says about the request in hand: the fault to act out, and whom to tell of a late answer."""

    fault: Fault | None = None
    acknowledged: Callable[[], None] = lambda: None


class Handler(WSGIRequestHandler):
    """One connection. werkzeug's own `run_wsgi` closes after each answer; Cronitor keeps connections, so this does."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.environ = environ = self.make_environ()
        environ["wsgi.input"] = BytesIO(self._body(environ))
        environ[EXCHANGE] = exchange = Exchange()
        chunks, status, headers = run_wsgi_app(self.server.app, environ)
        try:
            self._act_out(exchange, status, headers, chunks)
        except ConnectionError:
            self.close_connection = True
        finally:
            if close := getattr(chunks, "close", None):
                close()

    def _body(self, environ: dict[str, Any]) -> bytes:
        """Read whole before anything is answered, so that the next request on the connection begins where it should."""
        body = environ["wsgi.input"]
        if environ.get("wsgi.input_terminated"):
            return bytes(body.read())
        return bytes(body.read(int(environ.get("CONTENT_LENGTH") or 0)))

    def _act_out(self, exchange: Exchange, status: str, headers: Headers, chunks: Iterable[bytes]) -> None:
        match exchange.fault:
            case Fault(kind=FaultKind.RESET | FaultKind.LOST):
                self._reset()
            case Fault(kind=FaultKind.HANG):
                self._gone(None)
                self._reset()
            case Fault(kind=FaultKind.SLOW, delay=delay, pace=pace):
                if self._gone(delay):
                    self._reset()
                else:
                    self._send(status, headers, chunks, pace)
                    exchange.acknowledged()
            case _:
                self._send(status, headers, chunks)

    def _gone(self, within: float | None) -> bool:
        """Whether the client goes away in that time: it owes us nothing, so anything readable is its end."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return bool(poll.poll(within if within is None else within * 1000)) or self.server.stopping.is_set()

    def _reset(self) -> None:
        self.close_connection = True
        reset(self.connection)

    def _send(self, status: str, headers: Headers, chunks: Iterable[bytes], pace: float = 0.0) -> None:
        code, _, reason = status.partition(" ")
        bare = self.command == "HEAD" or int(code) in WITHOUT_BODY
        chunked = not bare and "Content-Length" not in headers
        sent = Headers(headers)
        if chunked:
            sent.set("Transfer-Encoding", "chunked")
        if self.close_connection:
            sent.set("Connection", "close")
        lines = [f"HTTP/1.1 {code} {reason}", *(f"{name}: {value}" for name, value in sent), "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        if chunked:
            self._write(head, pace)
            for chunk in chunks:
                self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b"", pace)
            self._write(b"0\r\n\r\n", pace)
        else:
            self._write(head + (b"" if bare else b"".join(chunks)), pace)

    def _write(self, text: bytes, pace: float) -> None:
        if not pace:
            self.wfile.write(text)
            return
        for number in range(len(text)):
            if number and self._gone(pace):
                raise ConnectionAbortedError("the client did not wait")
            self.wfile.write(text[number : number + 1])

    def log(self, type: str, message: str, *args: Any) -> None:
        """Requests are logged by the account; what is left are errors of the connection."""
        if type == "error":
            log.warning("%s: %s", self.client_address[0], message % args)
