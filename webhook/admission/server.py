"""gunicorn around the admission application: one process with threads, TLS whose certificate can change, a full drain.

The API server keeps idle connections to a webhook for 90 s and does not send a POST again on one that was closed under
it: the call would be lost, and with `failurePolicy: Ignore` the pod would silently go without. So idle connections
are kept for longer than that, and after SIGTERM each answer says `Connection: close` and the worker lives on until the
last connection has gone, at most `admission.drainSeconds`.
"""

import logging
import os
import select
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.http import wsgi
from gunicorn.workers.gthread import ThreadWorker

from webhook import health
from webhook.admission.app import Admission
from webhook.settings import Settings
from webhook.tls.serving import ServedCertificate

KEEP_ALIVE_SECONDS = 180
SETTLE_SECONDS = 5.0
"""After SIGTERM new connections still come, until every node has taken this pod out of the Service."""
QUIET_SECONDS = 1.0
READ_SECONDS = 3.0
"""For a handshake's next message, or the next piece of a request: the API server waits 5 s for the whole answer."""

STAYING_SHARE = (3, 4)
"""Of all threads: so many may each stay with a connection."""
STAY_SECONDS = 1.0
"""How long a thread waits for the next call on the connection that it has just served."""

log = logging.getLogger(__name__)


class BoundedSocket(socket.socket):
    """A connection on which nobody waits for ever: where gunicorn would block, it has `READ_SECONDS`.

    Its threads do the TLS handshakes: without a limit, a few clients that begin one and fall silent hold them all.
    """

    def setblocking(self, flag: bool, /) -> None:
        _bound(self, flag)


class BoundedTlsSocket(ssl.SSLSocket):
    """The same after the handshake."""

    def setblocking(self, flag: bool, /) -> None:
        _bound(self, flag)


class Pieces(list[bytes]):
    """What gunicorn would write of an answer, bit by bit."""

    sendall = list.append


def _bound(connection: socket.socket, flag: bool) -> None:
    # gunicorn closes some connections twice, and would count one as two that have gone if that were an error.
    if connection.fileno() >= 0:
        connection.settimeout(READ_SECONDS if flag else 0.0)


class DrainingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A thread worker that goes on serving after SIGTERM until nobody is connected any more."""

    alive: bool
    drain_seconds = 0.0
    _draining_since: float | None = None
    _last_connected = 0.0

    def init_process(self) -> None:
        # Each request asks for some twenty settings, which gunicorn looks up by a call each.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        if type(conn.sock) is not socket.socket:
            super().enqueue_req(conn)
            return
        # A new connection: no thread waits for its first bytes.
        conn.sock = BoundedSocket(fileno=conn.sock.detach())
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + READ_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def get_thread_pool(self) -> Any:
        # The rest is for other connections.
        self._may_stay = threading.Semaphore(self.cfg.threads * STAYING_SHARE[0] // STAYING_SHARE[1])
        return super().get_thread_pool()

    def handle(self, conn: Any) -> Any:
        """In a thread: what gunicorn does there, and the end of a connection, which its one loop would wait for.

        A thread that is not needed elsewhere stays with its connection for the next call: the way back to the loop
        and on to another thread costs each call a sixth of all its CPU time (docs/performance.md).
        """
        kept = super().handle(conn)
        while kept is True and self._stayed(conn):
            kept = super().handle(conn)
        if kept is False:
            conn.close(graceful=conn.parser is not None)  # at once where it came to no handshake
        return kept

    def handle_request(self, req: Any, conn: Any) -> bool:
        """In a thread: gunicorn's own, without what nobody uses here (hooks, access log, files), and with one write.

        gunicorn writes the headers by themselves: a TLS record and a system call more on either side.
        """
        response, environ = wsgi.create(req, conn.sock, conn.client, conn.server, self.cfg)
        environ["wsgi.multithread"] = True
        response.sock = pieces = Pieces()
        if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
            response.force_close()
        body = self.wsgi(environ, response.start_response)
        try:
            for part in body:
                response.write(part)
            response.close()
        finally:
            if hasattr(body, "close"):
                body.close()
        conn.sock.sendall(b"".join(pieces))
        return not response.should_close()

    def _stayed(self, conn: Any) -> bool:
        """Wait here for the next call; False if the loop is to wait for it."""
        others_wait = self.tpool._work_queue.qsize() > 0
        if others_wait or self._draining_since is not None or conn.parser.unreader.buf.getvalue():
            return False
        if not self._may_stay.acquire(blocking=False):
            return False
        try:
            poll = select.poll()
            poll.register(conn.sock, select.POLLIN)
            return bool(conn.sock.pending() or poll.poll(STAY_SECONDS * 1000))
        finally:
            self._may_stay.release()

    def handle_exit(self, sig: int, frame: Any) -> None:
        if self._draining_since is None:
            self._draining_since = self._last_connected = time.monotonic()
            # No connection may be kept from here on: gunicorn answers each with `Connection: close`.
            self.max_keepalived = 0
            self.method_queue.defer(lambda: None)  # wakes the poller

    def notify(self) -> None:
        """Called in each turn of gunicorn's loop, once a second at least."""
        super().notify()
        if self._draining_since is None or not self.alive:
            return
        now = time.monotonic()
        if self.nr_conns:
            self._last_connected = now
        drained_for = now - self._draining_since
        quiet = drained_for >= SETTLE_SECONDS and now - self._last_connected >= QUIET_SECONDS
        if quiet or not self.app.is_wanted() or drained_for >= self.drain_seconds:
            log.info("drained", extra={"connections": self.nr_conns, "seconds": round(drained_for, 1)})
            self.alive = False


class AdmissionServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with its settings from ours; the application is made in the worker, after the fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._certificate = ServedCertificate()
        self._admission: Admission | None = None
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        worker = type("Worker", (DrainingWorker,), {"drain_seconds": settings.drain_seconds})
        for name, value in {
            "bind": [f"{_every_address()}:{settings.admission_port}"],
            "workers": 1,
            "threads": settings.admission_threads,
            "worker_class": worker,
            "worker_connections": 2000,
            "keepalive": KEEP_ALIVE_SECONDS,
            "graceful_timeout": settings.drain_seconds + 10,
            "timeout": 60,
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108
            # gunicorn speaks TLS where a certificate file exists; the context below is what it serves with.
            "certfile": os.devnull,
            "ssl_context": self._ssl_context,
            "accesslog": None,
            "loglevel": "warning",
            "control_socket_disable": True,  # the root filesystem is read-only, and nobody would use it
        }.items():
            self.cfg.set(name, value)

    def is_wanted(self) -> bool:
        """Whether calls may still come: not once the release's webhook configuration has been deleted."""
        return self._admission is None or self._admission.is_registered()

    def load(self) -> Flask:
        self._admission = admission = Admission(self._settings, self._certificate)
        admission.start()
        health.serve(self._settings.admission_health_port, admission.checks)
        return admission.app

    def _ssl_context(self, _config: Any, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """gunicorn's hook, asked for each connection: so a new certificate needs no restart."""
        context = self._certificate.context
        context.sslsocket_class = BoundedTlsSocket
        return context


def _every_address() -> str:
    return "[::]" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104


def serve(settings: Settings) -> None:
    """Run the admission process until SIGTERM."""
    AdmissionServer(settings).run()
