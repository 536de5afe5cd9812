"""The stand-in as a process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.cronitor.client import Client
from tests.unit.cronitor.conftest import SDK_KEY

ROOT = Path(__file__).parents[3]


def command(directory: Path, *more: str) -> list[str]:
    ports = ["--port", "0", "--https-port", "0", "--control-port", "0"]
    return [sys.executable, "-m", "tests.cronitor", *ports, "--directory", str(directory), *more]


def test_it_says_where_it_is_and_ends_when_told_to(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "--api-key", f"{SDK_KEY}=sdk"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(4)]
        addresses = json.loads((tmp_path / "addresses.json").read_text())
        query = "state=run&series=one"
        url = f"{addresses['https']}/p/{SDK_KEY}/backup?{query}"
        assert requests.get(url, verify=addresses["ca"], timeout=10).status_code == 200
        with Client(addresses["control"]) as client:
            assert client.wait_for(lambda run: run.series == "one").states == ["run"]
    finally:
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=30)
    assert process.returncode == 0
    assert addresses["http"] in printed[0]
    assert "GET /p/***/backup state=run series=one → 200" in logged
    assert SDK_KEY not in logged + "".join(printed)


@pytest.mark.parametrize("key", [SDK_KEY, f"{SDK_KEY}=root", "=sdk"])
def test_a_bad_key_is_refused_without_being_repeated(tmp_path: Path, key: str) -> None:
    ended = subprocess.run(
        command(tmp_path, "--api-key", key), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "must be KEY=sdk or KEY=telemetry" in ended.stderr
    assert SDK_KEY not in ended.stderr


RULE = '{"attribute": "name", "matches": "^shop/", "message": "no shops", "form": "text"}'


def test_what_the_account_has_and_refuses_is_told_on_the_command_line_and_monitors_outlive_it(tmp_path: Path) -> None:
    more = ["--api-key", f"{SDK_KEY}=sdk", "--state", str(tmp_path / "state"), "--rule", RULE, "--group", "ops"]
    good = {"type": "job", "key": "backup", "name": "office/backup"}

    def put(address: str, **change: str) -> requests.Response:
        return requests.put(f"{address}/api/monitors", json=[good | change], auth=(SDK_KEY, ""), timeout=10)

    with running(tmp_path, *more) as addresses:
        assert put(addresses["http"], name="shop/backup").text == "no shops"
        assert put(addresses["http"], group="dev").json() == {
            "errors": [{"message": "backup: group 'dev' does not exist"}]
        }
        assert put(addresses["http"], group="ops").status_code == 200
        with Client(addresses["control"]) as client:
            client.edit_monitor("backup", note="mine", paused=True)
            kept = client.monitors()
    with running(tmp_path, *more) as addresses, Client(addresses["control"]) as client:
        assert client.monitors() == kept
    assert (kept[0]["group"], kept[0]["note"], kept[0]["paused"]) == ("ops", "mine", True)


@contextmanager
def running(directory: Path, *more: str) -> Iterator[dict[str, str]]:
    process = subprocess.Popen(command(directory, *more, "--quiet"), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for _ in range(4):
            assert process.stdout.readline()
        yield json.loads((directory / "addresses.json").read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{", "Expecting property name"),
        ('{"attribute": "name", "matches": "(", "message": "no"}', "is no regular expression"),
    ],
)
def test_a_bad_rule_is_refused(tmp_path: Path, rule: str, problem: str) -> None:
    ended = subprocess.run(
        command(tmp_path, "--rule", rule), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert problem in ended.stderr


def test_a_broken_state_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text('{"monitors": ["this is JSON"]}\n')
    ended = subprocess.run(
        command(tmp_path, "--state", str(state)), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert f"The stand-in cannot start: the state file {state} cannot be used: file is not a database" in ended.stderr
    assert "Traceback" not in ended.stderr
