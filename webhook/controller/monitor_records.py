"""What was put last at Cronitor, monitor by monitor, as it stands in ConfigMaps of the release. Pure.

So a restarted controller or a new leader puts nothing that has not changed, and touches no monitor that was not put
from here. Records are spread over `SHARDS` ConfigMaps by a hash of the key: some 240 bytes each, so that of 10,000 each
takes 160 kB of the 1 MiB that it may have, and a change of one monitor writes one of them.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

SHARDS = 16
VERSION = 1
TOMBSTONES_PER_SHARD = 1500
"""24,000 in all: those that we have paused before the others, the newest first. A CronJob of which nothing is known any
more finds its monitor as it then is."""

LONGEST_WORDS = 200
ELSEWHERE = "elsewhere"
"""In place of a fingerprint: it was put for another account, and this one has rejected it."""


class CronJobReference(NamedTuple):
    """The CronJob that a monitor stands for."""

    namespace: str
    name: str
    uid: str


class Rejection(NamedTuple):
    """What Cronitor rejected, when (Unix seconds), and its words."""

    fingerprint: str
    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Record:
    """`fingerprint` is that of what was put last, `attributes` are its names; empty where nothing has been.

    `account` is where it was put or rejected (`MonitorsClient.account`); empty where that was not written down.
    `suspended`: so was its CronJob then. `paused`: we paused it. `pausing`: nobody else had, and we were about to;
    perhaps we have. `removed` makes it a tombstone: when (Unix seconds) its CronJob had gone. `shared` is what
    `KeyShared` was told of last.
    """

    cron_job: CronJobReference
    fingerprint: str = ""
    attributes: tuple[str, ...] = ()
    paused: bool = False
    rejected: Rejection | None = None
    removed: float | None = None
    shared: str = ""
    pausing: bool = False
    suspended: bool = False
    account: str = ""

    @property
    def was_put(self) -> bool:
        return bool(self.fingerprint)

    @property
    def may_be_paused_by_us(self) -> bool:
        return self.paused or self.pausing

    def holds(self, fingerprint: str, account: str) -> bool:
        """Whether that was put last, and is there."""
        return self.removed is None and self.fingerprint == fingerprint and not self.is_elsewhere(account)

    def is_elsewhere(self, account: str) -> bool:
        """Whether that was with another key or at another address, so that this account may not have it."""
        return self.account not in ("", account)

    def repeats_rejection(self, earlier: "Record | None") -> bool:
        """Whether the same was rejected in the same words before, for the same CronJob."""
        if self.rejected is None or earlier is None or earlier.rejected is None:
            return False
        return (self.cron_job, *self.rejected[::2]) == (earlier.cron_job, *earlier.rejected[::2])


def fingerprint(found: Any) -> str:
    """A short text that is another one when `found`, of what JSON can hold, is."""
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shard_of(key: str) -> int:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()[0] % SHARDS


def names_of(attributes: Iterable[str]) -> tuple[str, ...]:
    """The names of attributes as a record holds them: most monitors share the same tuple."""
    return _shared_tuple(" ".join(sorted(set(attributes) - {"type", "key"})))


@lru_cache(maxsize=1024)
def _shared_tuple(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def write(records: Mapping[str, Record]) -> str:
    """The records of one shard as text."""
    monitors = {key: _written(records[key]) for key in sorted(records)}
    return json.dumps({"v": VERSION, "monitors": monitors}, separators=(",", ":"), ensure_ascii=False)


def read(text: Any) -> dict[str, Record]:
    """The records of one shard. What somebody has edited so that it cannot be read counts as absent."""
    try:
        monitors = json.loads(text)["monitors"].items()
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {key: record for key, entry in monitors if (record := _read(entry)) is not None}


def too_many(records: Mapping[str, Record]) -> list[str]:
    """The keys of tombstones that are more than a shard may keep: first what we have not paused, the oldest first."""
    by_shard: dict[int, list[tuple[bool, float, str]]] = {}
    for key, record in records.items():
        if record.removed is not None:
            by_shard.setdefault(shard_of(key), []).append((record.may_be_paused_by_us, record.removed, key))
    return [key for found in by_shard.values() for _, _, key in sorted(found)[:-TOMBSTONES_PER_SHARD]]


def _written(record: Record) -> dict[str, Any]:
    entry: dict[str, Any] = {"cronJob": list(record.cron_job)}
    if record.fingerprint:
        entry["put"] = record.fingerprint
    if record.attributes:
        entry["attributes"] = " ".join(record.attributes)
    if record.paused:
        entry["paused"] = True
    if record.pausing:
        entry["pausing"] = True
    if record.suspended:
        entry["suspended"] = True
    if record.account:
        entry["account"] = record.account
    if record.rejected is not None:
        fingerprint_of_it, at, words = record.rejected
        entry["rejected"] = [fingerprint_of_it, round(at, 3), words[:LONGEST_WORDS]]
    if record.removed is not None:
        entry["removed"] = round(record.removed, 3)
    if record.shared:
        entry["shared"] = record.shared
    return entry


def _read(entry: Any) -> Record | None:
    try:
        namespace, name, uid = map(str, entry["cronJob"])
        removed = entry.get("removed")
        return Record(
            cron_job=CronJobReference(namespace, name, uid),
            fingerprint=str(entry.get("put", "")),
            attributes=_shared_tuple(str(entry.get("attributes", ""))),
            paused=entry.get("paused") is True,
            pausing=entry.get("pausing") is True,
            suspended=entry.get("suspended") is True,
            account=str(entry.get("account", "")),
            rejected=_rejection(entry.get("rejected")),
            removed=None if removed is None else _moment(removed),
            shared=str(entry.get("shared", "")),
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        return None


def _rejection(entry: Any) -> Rejection | None:
    if entry is None:
        return None
    fingerprint_of_it, at, words = entry
    return Rejection(str(fingerprint_of_it), _moment(at), str(words))


def _moment(found: Any) -> float:
    if not math.isfinite(moment := float(found)):
        raise ValueError("no moment")
    return moment
