"""Pure: the PUTs to the monitors API among what was recorded, with how many monitors each held, and when."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tests.cronitor.faults import Surface
from tests.cronitor.recording import Recorded
from tests.cronitor.target import MonitorList, read_target


@dataclass(frozen=True, slots=True)
class MonitorPut:
    """One PUT, taken or refused. `keys` are its monitors' in their order; `status` is None where none was answered."""

    number: int
    arrived: float
    keys: tuple[str, ...]
    status: int | None
    delivered: bool

    @property
    def count(self) -> int:
        return len(self.keys)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "MonitorPut":
        return cls(**document | {"keys": tuple(document["keys"])})


def monitor_puts(records: Iterable[Recorded]) -> list[MonitorPut]:
    return [
        MonitorPut(record.number, record.arrived, tuple(monitors_named(record.body)), record.status, record.delivered)
        for record in records
        if record.surface is Surface.MONITORS and record.method == "PUT"
        and isinstance(read_target(record.path), MonitorList)
    ]  # fmt: skip


def monitors_named(body: object) -> list[str]:
    """The keys in a PUT's body, which has two forms; an empty one for a monitor that has none."""
    given = body.get("monitors") if isinstance(body, dict) else body
    return [str(one.get("key", "")) for one in given if isinstance(one, dict)] if isinstance(given, list) else []
