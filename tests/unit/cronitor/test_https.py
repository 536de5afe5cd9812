"""HTTPS with the stand-in's own CA."""

import socket
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.cronitor.stand_in import StandIn


def get(stand_in: StandIn, verify: str | bool) -> int:
    with requests.Session() as session:
        session.trust_env = False
        url = f"{stand_in.https_url}/p/some-key/backup?state=ok"
        return session.get(url, verify=verify, timeout=10).status_code


def test_who_trusts_the_ca_is_answered_and_nobody_else_is(tmp_path: Path) -> None:
    with StandIn(directory=tmp_path) as stand_in:
        assert get(stand_in, str(stand_in.ca_file)) == 200
        with pytest.raises(requests.exceptions.SSLError):
            get(stand_in, verify=True)
        assert [record.scheme for record in stand_in.requests()] == ["https"]


def test_the_ca_outlives_a_restart(tmp_path: Path) -> None:
    with StandIn(directory=tmp_path) as first:
        before = first.ca_file.read_bytes()
    with StandIn(directory=tmp_path) as second:
        assert second.ca_file.read_bytes() == before
        assert get(second, str(second.ca_file)) == 200


def test_a_client_that_is_silent_in_its_handshake_holds_up_nobody(tmp_path: Path) -> None:
    with StandIn(directory=tmp_path) as stand_in:
        port = int(stand_in.https_url.rpartition(":")[2])
        with closing(socket.create_connection(("127.0.0.1", port), timeout=10)):
            assert get(stand_in, str(stand_in.ca_file)) == 200


def test_keys_of_the_certificates_are_private(tmp_path: Path) -> None:
    with StandIn(directory=tmp_path):
        assert {file.stat().st_mode & 0o777 for file in tmp_path.glob("*.key")} == {0o600}


def test_without_a_directory_there_is_no_https() -> None:
    with StandIn() as stand_in, pytest.raises(ValueError, match="does not serve https"):
        _ = stand_in.https_url
