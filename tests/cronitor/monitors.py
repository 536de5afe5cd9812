"""Cronitor's monitors: the store behind the monitors API, and what a PUT should not hold although it is let pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.cronitor.events import Kind, Violation
from tests.cronitor.rules import Rule
from tests.cronitor.state_file import StateFile
from tests.cronitor.validation import ATTRIBUTES, check, check_edit

Attributes = dict[str, Any]
BATCH_LIMIT = 100  # more were seen to time out in Cronitor's own clients


class UnknownMonitorError(LookupError):
    """There is no monitor of this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no monitor {key!r}")


@dataclass(slots=True)
class Monitors:
    """The monitors of the account, by key. With a file, each change is in it before it is answered."""

    _by_key: dict[str, Attributes] = field(default_factory=dict)
    _file: StateFile | None = None

    def keep_in(self, file: StateFile) -> None:
        """From here on; what the file holds is what there is."""
        self._file = file
        self._by_key = file.load()

    def release(self) -> None:
        """Closes the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def put(
        self, given: list[Any], rules: Sequence[Rule] = (), tags: Sequence[str] | None = None
    ) -> tuple[list[Attributes], tuple[Violation, ...]]:
        """Creates or updates all of them, or none; attributes left out keep their value.

        `tags` are those that there are: others are not created, so that the monitor goes without. None: all are.
        """
        check(given, rules)
        changed: list[str] = []
        for one in given:
            known = {name: value for name, value in one.items() if name in ATTRIBUTES}
            if tags is not None and "tags" in known:
                known["tags"] = [tag for tag in known["tags"] if tag in tags]
            changed += self._update(one["key"], known | {"initialized": True})
        self._save(changed)
        return [dict(self._by_key[one["key"]]) for one in given], _violations(given)

    def edit(self, key: str, changes: Attributes, rules: Sequence[Rule] = ()) -> Attributes:
        """What a person changes in Cronitor itself. Raises UnknownMonitorError or RejectedError."""
        if key not in self._by_key:
            raise UnknownMonitorError(key)
        check_edit(key, changes, rules)
        self._save(self._update(key, changes))
        return dict(self._by_key[key])

    def seen(self, key: str) -> None:
        """Telemetry for a monitor that nobody has made creates it."""
        if key not in self._by_key:
            self._save(self._update(key, {}))

    def get(self, key: str) -> Attributes | None:
        return dict(self._by_key[key]) if key in self._by_key else None

    def delete(self, key: str) -> bool:
        if self._by_key.pop(key, None) is None:
            return False
        self._save([key])
        return True

    def pause(self, key: str, paused: bool) -> Attributes | None:
        return self.edit(key, {"paused": paused}) if key in self._by_key else None

    def listed(self, tag: str = "") -> list[Attributes]:
        return [dict(one) for one in self._by_key.values() if not tag or tag in one["tags"]]

    def names(self) -> dict[str, str]:
        """The names that a PUT gave, by key."""
        return {key: one["name"] for key, one in self._by_key.items() if one["initialized"]}

    def clear(self) -> None:
        gone = list(self._by_key)
        self._by_key.clear()
        self._save(gone)

    def _update(self, key: str, changes: Attributes) -> list[str]:
        """The key, if it is new or anything is now other than it was."""
        before = self._by_key.get(key)
        now = (before or _fresh(key)) | changes
        self._by_key[key] = now
        return [] if now == before else [key]

    def _save(self, keys: list[str]) -> None:
        if self._file is not None and keys:
            self._file.save({key: self._by_key.get(key) for key in keys})


def _fresh(key: str) -> Attributes:
    return {"key": key, "name": key, "type": "job", "schedule": None, "timezone": None, "grace_seconds": 60} | {
        "tags": [], "notify": ["default"], "assertions": [], "paused": False, "initialized": False
    }  # fmt: skip


def _violations(given: list[Attributes]) -> tuple[Violation, ...]:
    """What a tolerant server lets pass, and we should not do all the same."""
    violations = [
        Violation(Kind.UNKNOWN_ATTRIBUTE, f"{one['key']}: {name!r} is no attribute of a monitor")
        for one in given
        for name in one
        if name not in ATTRIBUTES
    ]
    keys = [one["key"] for one in given]
    violations += [
        Violation(Kind.REPEATED_MONITOR, f"{key} is given {keys.count(key)} times")
        for key in sorted({key for key in keys if keys.count(key) > 1})
    ]
    if len(given) > BATCH_LIMIT:
        violations.append(Violation(Kind.BATCH_TOO_LARGE, f"{len(given)} monitors in one PUT"))
    return tuple(violations)
