"""Shows which step is under way and for how long: a line rewritten on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

QUIET_SECONDS = 30.0  # between two lines about the same step where lines cannot be rewritten


def say(message: str, stream: TextIO | None = None) -> None:
    """One line for the person who waits. On standard error: standard output belongs to what a command prints."""
    print(message, file=stream or sys.stderr, flush=True)


class Step:
    """One step with a name: `with Step("building etcd") as step: … step.tick()`."""

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self._name = name
        self._stream = stream or sys.stderr
        self._started = time.monotonic()
        self._spoken = self._started
        self._terminal = self._stream.isatty()

    def __enter__(self) -> Self:
        say(f"{self._name} …" if not self._terminal else self._name, self._stream)
        return self

    def tick(self) -> None:
        """Called while waiting, as often as one likes."""
        now = time.monotonic()
        if self._terminal and now - self._spoken >= 1:
            print(f"\r  … {now - self._started:.0f} s ", end="", file=self._stream, flush=True)
            self._spoken = now
        elif not self._terminal and now - self._spoken >= QUIET_SECONDS:
            say(f"  … {self._name}: {now - self._started:.0f} s so far", self._stream)
            self._spoken = now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.monotonic() - self._started
        clear = "\r" if self._terminal else ""
        say(f"{clear}  {'failed' if kind else 'done'}: {self._name}, {seconds:.1f} s", self._stream)
