"""Keeps what every container of the node has logged, also of pods that are gone by the end of the run.

The kubelet deletes a pod's log files with it; a second link to each keeps the content.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

POLL_SECONDS = 0.3


class LogKeeper:
    """Links log files as they appear, in a thread, from `start` to `stop`."""

    def __init__(self, source: Path, kept: Path) -> None:
        self._source, self._kept = source, kept
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="logs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def files(self) -> Iterator[tuple[str, str]]:
        """Name (namespace_pod_uid/container/number) and content of each."""
        self._link_all()
        for path in sorted(self._kept.iterdir()):
            yield path.name.replace("#", "/"), path.read_text(errors="replace")

    def _follow(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            with contextlib.suppress(FileNotFoundError):  # a pod's folder went while they were listed
                self._link_all()

    def _link_all(self) -> None:
        for path in self._source.glob("*/*/*.log"):
            link = self._kept / "#".join(path.parts[-3:])
            with contextlib.suppress(FileExistsError, FileNotFoundError):
                os.link(path, link)
