"""gunicorn as the admission process runs it, around a small application: what the tests of the server start.

`python -m tests.unit.webhook.admission.serving_process DIRECTORY THREADS`: certificate and key are in DIRECTORY, calls
are wanted as long as its file `wanted` is there. The port is said on standard output once it is listened at.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.unit.webhook.settings_document import settings
from webhook.admission import server
from webhook.admission.server import AdmissionServer
from webhook.tls.certificates import KeyPair

DRAIN_SECONDS = 600
"""Longer than any test has patience: what ends earlier ends for another reason."""
FATAL = b"fatal"
"""A body that the application does not survive."""


class SmallServer(AdmissionServer):
    """All of the real one but for its application, its port and where its certificate comes from."""

    def __init__(self, directory: Path, threads: int) -> None:
        self._wanted = directory / "wanted"
        super().__init__(settings(**{"admission.threads": threads, "admission.drainSeconds": DRAIN_SECONDS}))
        pair = KeyPair((directory / "tls.crt").read_bytes(), (directory / "tls.key").read_bytes())
        self._certificate.load(pair)

    def load_config(self) -> None:
        super().load_config()
        self.cfg.set("bind", ["127.0.0.1:0"])
        self.cfg.set("when_ready", lambda arbiter: print(arbiter.LISTENERS[0].sock.getsockname()[1], flush=True))

    def is_wanted(self) -> bool:
        return self._wanted.exists()

    def load(self) -> Any:
        return answer


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body: bytes = environ["wsgi.input"].read()
    if body == FATAL:
        raise ValueError("as the test asked for")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    server.SETTLE_SECONDS = server.QUIET_SECONDS = 0.1
    server.READ_SECONDS = 0.5
    SmallServer(Path(sys.argv[1]), int(sys.argv[2])).run()
