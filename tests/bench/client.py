"""The bench's client of the API server: the Go program in `load/`, which makes objects and watches them."""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.bench import programs
from tests.cluster import ClusterError
from webhook.clients.kube import configuration

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """`count` objects to be made one after another. In `body`, %NUMBER%, %OWNER% and %OWNER_UID% are replaced."""

    name: str
    path: str
    body: str
    count: int
    first: int
    owners: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a block; `milliseconds` of each object that was made."""

    name: str
    seconds: float
    milliseconds: list[float]
    failed: int
    error: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One event of a watch, with the Unix time at which it arrived."""

    at: float
    kind: str
    object: Json


def create(blocks: Sequence[Block], clients: int = 1) -> list[Made]:
    """Work the blocks off in order. `clients` work on a block at once, each with a connection of its own."""
    plan = {**_access(), "clients": clients, "blocks": [asdict(block) for block in blocks]}
    done = subprocess.run(
        [programs.build(programs.LOAD), "create"], input=json.dumps(plan), capture_output=True, text=True
    )
    if done.returncode:
        raise ClusterError(f"the bench's client failed: {done.stderr.strip()}")
    return [
        Made(one["name"], one["seconds"], [n / 1e6 for n in one["nanoseconds"]], one["failed"], one["error"])
        for one in json.loads(done.stdout)
    ]


class Watching:
    """A watch from now on."""

    def __init__(self, output: Path, process: "subprocess.Popen[str]") -> None:
        self._output, self._process = output.open(), process
        self._known: list[Seen] = []
        self._rest = ""

    def events(self) -> list[Seen]:
        """All so far."""
        if self._process.poll() is not None:
            raise ClusterError("the bench's watch has ended")
        *lines, self._rest = (self._rest + self._output.read()).split("\n")
        self._known += [_seen(line) for line in lines]
        return self._known

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._output.close()


@contextlib.contextmanager
def watching(path: str, **query: str) -> Iterator[Watching]:
    """Watch a collection; what is there already comes first, as ADDED."""
    asked = f"{path}?{urlencode({'watch': '1', 'timeoutSeconds': '3600', **query})}"
    with tempfile.TemporaryDirectory(prefix="cronitor-k8s-bench-") as folder:
        output = Path(folder) / "events"
        with output.open("w") as lines:
            process = subprocess.Popen(
                [programs.build(programs.LOAD), "watch", asked], stdin=subprocess.PIPE, stdout=lines, text=True
            )
        assert process.stdin is not None
        process.stdin.write(json.dumps(_access()))
        process.stdin.close()
        watch = Watching(output, process)
        try:
            yield watch
        finally:
            watch.close()


def _seen(line: str) -> Seen:
    nanoseconds, _, event = line.partition(" ")
    parsed = json.loads(event)
    return Seen(int(nanoseconds) / 1e9, parsed["type"], parsed["object"])


def _access() -> dict[str, str]:
    loaded = configuration()
    return {"server": loaded.host, "ca": loaded.ssl_ca_cert, "certificate": loaded.cert_file, "key": loaded.key_file}
