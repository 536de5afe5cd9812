"""An HTTP server that answers by a script and remembers what it was asked, and over which connection."""

import itertools
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Answer:
    """`holds`: nothing more is sent, and the connection stays open, until the server stops."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    holds: bool = False


HANG = Answer(status=0, holds=True)


def events(*given: tuple[str, dict[str, Any]], holds: bool = False) -> Answer:
    """The answer to a watch."""
    lines = [json.dumps({"type": kind, "object": found}) + "\n" for kind, found in given]
    return Answer(body="".join(lines).encode(), holds=holds)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    connection: int


class ScriptedServer:
    """Answers in the order of the script, then hangs."""

    def __init__(self, *script: Answer, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._script = iter(script)
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                self.number = next(outer._numbers)
                super().setup()

            def do_GET(self) -> None:
                headers = {name.lower(): text for name, text in self.headers.items()}
                outer.requests.append(Request(self.command, self.path, headers, self.number))
                self._tell(next(outer._script, HANG))

            def do_CONNECT(self) -> None:
                self.do_GET()

            def _tell(self, answer: Answer) -> None:
                self.close_connection = answer.holds
                if answer.status:
                    self.send_response(answer.status)
                    for name, text in answer.headers.items():
                        self.send_header(name, text)
                    length = ("Transfer-Encoding", "chunked") if answer.holds else ("Content-Length", len(answer.body))
                    self.send_header(length[0], str(length[1]))
                    self.end_headers()
                    chunk = b"%x\r\n%b\r\n" % (len(answer.body), answer.body)
                    self.wfile.write(chunk if answer.holds else answer.body)
                    self.wfile.flush()
                if answer.holds:
                    outer._stopping.wait()

            def log_message(self, format: str, *args: Any) -> None:
                """Tests print nothing."""

        return Handler
