"""One line an event on standard output: `level=info event=sent pod=… state=run`. Never a key, never a token.

Small on purpose: the sidecar's memory is somebody else's.
"""

import sys
import time
from collections.abc import Iterable

LEVELS = ("debug", "info", "warning", "error")


class Log:
    """Writes lines with the run's identity in each. What `conceal` names is replaced wherever it would show."""

    def __init__(self, level: str = "info", **identity: str) -> None:
        self._threshold = LEVELS.index(level)
        self._identity = identity
        self._secrets: set[str] = set()

    def conceal(self, secret: str) -> None:
        if secret:
            self._secrets.add(secret)

    def debug(self, event: str, **fields: object) -> None:
        self._write(0, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._write(1, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write(2, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write(3, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        if level < self._threshold:
            return
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = " ".join(
            _pairs(
                (("time", moment), ("level", LEVELS[level]), ("event", event), *self._identity.items(), *fields.items())
            )
        )
        for secret in self._secrets:
            line = line.replace(secret, "***")
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _pairs(fields: Iterable[tuple[str, object]]) -> Iterable[str]:
    for name, value in fields:
        text = str(value)
        if not text or any(character in text for character in ' "=\n'):
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        yield f"{name}={text}"
