"""The stand-in as a process."""

import json
import os
import signal
import subprocess
import sys
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
