"""Monitors that survive a restart of the stand-in."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cronitor.monitors import Monitors
from tests.cronitor.stand_in import StandIn
from tests.cronitor.state_file import StateFile, StateFileError
from tests.unit.cronitor.conftest import BACKUP, KEYS, SDK_KEY, TELEMETRY_KEY

Make = Callable[[], StandIn]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda: StandIn(keys=KEYS, state=tmp_path / "state")


def put(cronitor: StandIn, *monitors: dict[str, Any]) -> None:
    answer = requests.put(f"{cronitor.url}/api/monitors", json=monitors, auth=(SDK_KEY, ""), timeout=10)
    assert answer.status_code == 200


def test_all_that_was_done_to_monitors_is_there_again(make: Make) -> None:
    with make() as cronitor:
        put(cronitor, *(BACKUP | {"key": key, "tags": ["ü"]} for key in ("c", "a", "b", "gone")))
        requests.get(f"{cronitor.url}/p/{TELEMETRY_KEY}/heard?state=run&series=one", timeout=10)
        requests.get(f"{cronitor.url}/api/monitors/a/pause", auth=(SDK_KEY, ""), timeout=10)
        requests.delete(f"{cronitor.url}/api/monitors/gone", auth=(SDK_KEY, ""), timeout=10)
        cronitor.edit_monitor("b", note="mine")
        put(cronitor, BACKUP | {"key": "c", "grace_seconds": 5})
        kept = cronitor.monitors()
    assert [one["key"] for one in kept] == ["c", "a", "b", "heard"]
    with make() as cronitor:
        assert cronitor.monitors() == kept
        cronitor.delete_monitor("b")
    with make() as cronitor:
        assert [one["key"] for one in cronitor.monitors()] == ["c", "a", "heard"]
        cronitor.reset()
    with make() as cronitor:
        assert cronitor.monitors() == []


def test_a_change_is_in_the_file_before_it_is_answered(make: Make, tmp_path: Path) -> None:
    with make() as cronitor:
        put(cronitor, BACKUP)
        copy = tmp_path / "copy"  # what a stand-in that is killed now would leave
        copy.write_bytes((tmp_path / "state").read_bytes())
    file = StateFile(copy)
    assert list(file.load()) == ["backup"]
    file.close()


class Counted(StateFile):
    """Notes what is written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.written: list[list[str]] = []

    def save(self, changed: Any) -> None:
        self.written.append(list(changed))
        super().save(changed)


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    monitors, file = Monitors(), Counted(tmp_path / "state")
    monitors.keep_in(file)
    given = [BACKUP | {"key": key} for key in ("a", "b")]
    for _ in range(2):
        monitors.put(given)
        monitors.seen("a")
        monitors.pause("a", False)
    monitors.put([given[0], given[1] | {"paused": True}])
    monitors.delete("none")
    monitors.clear()
    monitors.clear()
    monitors.release()
    assert file.written == [["a", "b"], ["b"], ["a", "b"]]


def test_a_refused_put_leaves_the_file_alone(tmp_path: Path) -> None:
    monitors, file = Monitors(), Counted(tmp_path / "state")
    monitors.keep_in(file)
    with pytest.raises(ValueError, match="timezone"):
        monitors.put([BACKUP, BACKUP | {"key": "bad", "timezone": "Europe/Atlantis"}])
    monitors.release()
    assert file.written == []


def test_without_a_file_nothing_is_kept() -> None:
    with StandIn(keys=KEYS) as cronitor:
        put(cronitor, BACKUP)
    with StandIn(keys=KEYS) as cronitor:
        assert cronitor.monitors() == []


def spoil_text(path: Path) -> None:
    path.write_text('{"monitors": ["this is JSON"]}\n')


def spoil_row(path: Path) -> None:
    StateFile(path).close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT INTO monitors (key, attributes) VALUES ('backup', '{}')")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "problem"), [(spoil_text, "not a database"), (spoil_row, "monitor 'backup' is none")]
)
def test_a_broken_file_is_named_and_left_as_it_is(
    make: Make, tmp_path: Path, spoil: Callable[[Path], None], problem: str
) -> None:
    path = tmp_path / "state"
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(StateFileError, match=rf"the state file {path} cannot be used: .*{problem}"):
        make().start()
    assert path.read_bytes() == before


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "state"
    with pytest.raises(StateFileError, match=rf"{path} cannot be used: unable to open"):
        StandIn(keys=KEYS, state=path).start()
