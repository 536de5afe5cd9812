"""The monitors in a file, to survive a restart of the stand-in. It is SQLite's: a change is there as a whole or not."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

PREPARE = (
    "PRAGMA locking_mode = EXCLUSIVE",  # one stand-in at a time
    "PRAGMA synchronous = OFF",  # outlives the process; the machine need not crash
    "CREATE TABLE IF NOT EXISTS monitors "
    "(place INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, attributes TEXT NOT NULL)",
)
PUT = (
    "INSERT INTO monitors (key, attributes) VALUES (?, ?) "
    "ON CONFLICT (key) DO UPDATE SET attributes = excluded.attributes"
)


class StateFileError(Exception):
    """The file cannot be used as it is."""


class StateFile:
    """Open from the start to `close`. A file that is missing is made; whoever calls holds the account's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        try:
            with self._connection:
                for statement in PREPARE:
                    self._connection.execute(statement)
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unusable(error) from None

    def load(self) -> dict[str, dict[str, Any]]:
        """The monitors by key, in the order in which they were made."""
        try:
            with closing(self._connection.execute("SELECT key, attributes FROM monitors ORDER BY place")) as rows:
                return {key: _monitor(key, attributes) for key, attributes in rows}
        except (sqlite3.Error, ValueError) as error:
            raise self._unusable(error) from None

    def save(self, changed: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Keeps these monitors, and takes away those that are None."""
        made = [(key, json.dumps(monitor)) for key, monitor in changed.items() if monitor is not None]
        gone = [(key,) for key, monitor in changed.items() if monitor is None]
        with self._connection:
            self._connection.executemany("DELETE FROM monitors WHERE key = ?", gone)
            self._connection.executemany(PUT, made)

    def close(self) -> None:
        self._connection.close()

    def _unusable(self, error: Exception) -> StateFileError:
        advice = "" if isinstance(error, sqlite3.OperationalError) else "; remove it, or name another"
        return StateFileError(f"the state file {self._path} cannot be used: {error}{advice}")


def _monitor(key: str, attributes: str) -> dict[str, Any]:
    monitor = json.loads(attributes)
    if not isinstance(monitor, dict) or monitor.get("key") != key:
        raise ValueError(f"monitor {key!r} is none")
    return monitor
