"""One line an event on standard output: `level=info event=sent pod=… state=run`. Never a key, never a token.

Small on purpose: the sidecar's memory is somebody else's.
"""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

LEVELS = ("debug", "info", "warning", "error")
STANDARD_OUTPUT = 1
LONGEST_LINE = 4096
"""Bytes that a pipe takes as a whole or not at all (PIPE_BUF on Linux)."""


def write_to(descriptor: int) -> Callable[[bytes], None]:
    """Writes without ever waiting for a reader: what does not fit is dropped, and so is what nobody reads any more."""
    with suppress(OSError):
        os.set_blocking(descriptor, False)

    def write(line: bytes) -> None:
        with suppress(OSError):
            os.write(descriptor, line)

    return write


class Log:
    """Writes lines with the run's identity in each. What `conceal` names is replaced wherever it would show."""

    def __init__(self, level: str = "info", *, write: Callable[[bytes], object] | None = None, **identity: str) -> None:
        self._threshold = LEVELS.index(level)
        self._write_line = write or write_to(STANDARD_OUTPUT)
        self._identity = identity
        self._secrets: tuple[str, ...] = ()

    def conceal(self, secret: str) -> None:
        if secret and secret not in self._secrets:
            self._secrets = (*self._secrets, secret)  # a new one: another thread may be going through the old

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
        encoded = line.encode(errors="replace")[: LONGEST_LINE - 1]
        self._write_line(encoded + b"\n")


def _pairs(fields: Iterable[tuple[str, object]]) -> Iterable[str]:
    for name, value in fields:
        text = str(value)
        if not text or any(character in text for character in ' "=\n'):
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        yield f"{name}={text}"
