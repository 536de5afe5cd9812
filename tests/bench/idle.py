"""The memory of admission and controller while they have nothing to do, for those who size their pods."""

from pathlib import Path

from tests.bench import accounting
from tests.bench.accounting import Memory
from tests.bench.ground import Ground
from tests.bench.results import Row, row


def measure(ground: Ground, *, quick: bool) -> list[Row]:
    del quick  # there is nothing to shorten
    rows = []
    for component in ("admission", "controller"):
        replicas = [_of_pod(pod["metadata"]["uid"]) for pod in ground.world.our_pods(component)]
        most = max(replicas, key=lambda replica: replica.private)
        rows += [
            row(f"{component}-idle-private-memory", most.private, "MiB", None, len(replicas)),
            row(f"{component}-idle-memory", most.proportional, "MiB", None, len(replicas)),
        ]
    return rows


def _of_pod(uid: str) -> Memory:
    """All processes of the pod together, but for its sandbox's."""
    found = [accounting.memory(pid) for pid, _ in accounting.processes({uid}) if _is_python(pid)]
    return Memory(
        sum(one.private for one in found), sum(one.resident for one in found), sum(one.proportional for one in found)
    )


def _is_python(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().startswith(("python", "gunicorn"))
