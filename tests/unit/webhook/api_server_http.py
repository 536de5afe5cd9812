"""The HTTP side of the small API server: keep-alive, chunked watches, connections that are cut."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from tests.cronitor.server import reset
from tests.unit.webhook.api_store import Fault, Refused, Request, Store, in_collection, split, target_of

Json = dict[str, Any]


class Api(Protocol):
    """What is served."""

    store: Store
    released: threading.Event
    stopped: bool
    watches: int
    generation: int
    open_watches: Counter[int]
    on_headers: Callable[[Mapping[str, str]], None]
    abrupt: bool

    def received(self, request: Request) -> Fault | None: ...
    def answer(self, request: Request) -> Json: ...


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # several informers connect at once


class Listener:
    def __init__(self, api: Api) -> None:
        self._server = Server(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"api": api}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer
    disable_nagle_algorithm = True
    api: Api

    def log_message(self, format: str, *args: object) -> None:
        """The test knows what was asked."""

    def handle(self) -> None:
        with suppress(OSError, ValueError):
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_GET  # noqa: N815 - named by the standard library, as those below
    do_PUT = do_GET  # noqa: N815
    do_PATCH = do_GET  # noqa: N815
    do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        path, query = split(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.api.on_headers({name.lower(): text for name, text in self.headers.items()})
        request = Request(self.command, path, query, json.loads(body) if body else None)
        fault = self.api.received(request)
        if fault is not None and not self._act_out(fault):
            return
        try:
            if request.is_watch:
                self._watch(request)
            else:
                self._answer(201 if request.method == "POST" else 200, self.api.answer(request))
        except Refused as refused:
            self._answer(refused.status, status_object(refused.status, refused.reason))

    def _act_out(self, fault: Fault) -> bool:
        """Whether the request is to be answered after all."""
        if fault.held:
            self.api.released.wait()
            if fault.status is None:
                return not self.api.stopped
        if fault.status is None:
            self._cut()
        elif fault.body is not None:
            self._answer(fault.status, fault.body)
        else:
            self._answer(fault.status, status_object(fault.status, fault.reason))
        return False

    def _answer(self, status: int, document: Json | bytes) -> None:
        text = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def _watch(self, request: Request) -> None:
        store = self.api.store
        version = int(request.query.get("resourceVersion") or 0)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        with store.changed:
            generation = self.api.generation
            self.api.watches += 1
            self.api.open_watches[generation] += 1
            store.changed.notify_all()
        try:
            self._follow(request, generation, version)
        finally:
            with store.changed:
                self.api.open_watches[generation] -= 1
                store.changed.notify_all()

    def _follow(self, request: Request, generation: int, version: int) -> None:
        """Tell what changes after `version`, until the watches of this generation end."""
        store, target = self.api.store, target_of(request.path)
        if version < store.oldest:
            self._chunk("ERROR", status_object(410, "Expired"))
            return self._end(abrupt=False)
        while True:
            with store.changed:
                due = [change for change in store.history if change.version > version]
                if not due:
                    if self.api.generation != generation or self.api.stopped:
                        break
                    store.changed.wait()
                    continue
            for change in due:
                version = change.version
                kind = change.as_seen_through(request.query) if in_collection(change.target, target) else ""
                if kind:
                    self._chunk(kind, change.found)
        return self._end(abrupt=self.api.abrupt)

    def _chunk(self, kind: str, found: Json) -> None:
        line = json.dumps({"type": kind, "object": found}).encode() + b"\n"
        half = len(line) // 2  # a line need not come in one piece
        for part in (line[:half], line[half:]):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()

    def _end(self, *, abrupt: bool) -> None:
        if abrupt:
            with suppress(OSError):
                self.wfile.write(b'20\r\n{"type":"MODIFIED","obje')
                self.wfile.flush()
            self._cut()
        else:
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()

    def _cut(self) -> None:
        """No answer, and no end in good order."""
        self.close_connection = True
        reset(self.connection)


def status_object(code: int, reason: str) -> Json:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": reason,
    }
