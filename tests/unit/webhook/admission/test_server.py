"""The real server over real TLS: clients that fall silent, and what comes between SIGTERM and the end."""

import http.client
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.webhook.admission.serving_process import FATAL
from webhook.tls.certificates import dns_names, issue, write_bundle

HOST = "release-admission.cronitor.svc"
PATIENCE = 60.0
THREADS = 2
RECORD_BEGUN = b"\x16\x03\x01\x02\x00\x01"
"""The first bytes of a TLS handshake of which the rest never comes."""


class Connection(http.client.HTTPSConnection):
    """To the server's address, verified for the Service's name, as the API server does it."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", port, context=context, timeout=PATIENCE)
        self._tls = context

    def connect(self) -> None:
        address = socket.create_connection((self.host, self.port), timeout=PATIENCE)
        self.sock = self._tls.wrap_socket(address, server_hostname=HOST)

    def call(self) -> str:
        """One call that must be answered; what the answer says of the connection."""
        self.request("POST", "/mutate", b"review")
        answer = self.getresponse()
        assert (answer.status, answer.read()) == (200, b"review")
        return answer.getheader("Connection", "")


class Process:
    """The server in a process of its own."""

    def __init__(self, directory: Path) -> None:
        now = datetime.now(UTC)
        issued = issue(dns_names("release-admission", "cronitor"), now - timedelta(hours=1), now + timedelta(days=1))
        (directory / "tls.crt").write_bytes(issued.pair.certificate_pem)
        (directory / "tls.key").write_bytes(issued.pair.key_pem)
        self.wanted = directory / "wanted"
        self.wanted.touch()
        self._context = ssl.create_default_context(cadata=write_bundle([issued.authority]).decode())
        module = "tests.unit.webhook.admission.serving_process"
        self.running = subprocess.Popen(
            [sys.executable, "-m", module, str(directory), str(THREADS)], stdout=subprocess.PIPE
        )
        self._clients = ExitStack()
        assert self.running.stdout is not None
        self._port = int(self.running.stdout.readline())

    def connect(self) -> Connection:
        return self._clients.enter_context(closing(Connection(self._port, self._context)))

    def touch(self, first_bytes: bytes = b"") -> socket.socket:
        """A connection without TLS, on which nothing else is sent."""
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        connection.sendall(first_bytes)
        return self._clients.enter_context(closing(connection))

    def terminate(self) -> None:
        """SIGTERM; returns when the server has heard of it, which new connections show."""
        self.running.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while not _is_last(self.connect()):
            assert time.monotonic() < deadline

    def status(self) -> int:
        """How it ended."""
        return self.running.wait(PATIENCE)

    def close(self) -> None:
        self._clients.close()
        self.running.kill()
        self.running.wait()
        assert self.running.stdout is not None
        self.running.stdout.close()


def _is_last(connection: Connection) -> bool:
    try:
        return connection.call() == "close"
    finally:
        connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.close()


def test_a_connection_is_kept_for_the_next_call(server: Process) -> None:
    connection = server.connect()
    assert [connection.call() for _ in range(3)] == ["keep-alive"] * 3


def test_an_answer_goes_out_in_one_piece(server: Process) -> None:
    connection = server.connect()
    connection.connect()
    for _ in range(3):
        connection.sock.sendall(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nreview")
        record = connection.sock.recv(100_000)  # never more than one TLS record
        assert record.startswith(b"HTTP/1.1 200 OK\r\n")
        assert record.endswith(b"\r\n\r\nreview")


def test_a_failure_of_the_application_is_answered_and_spoils_nothing_else(server: Process) -> None:
    kept, failing = server.connect(), server.connect()
    assert kept.call() == "keep-alive"
    failing.request("POST", "/mutate", FATAL)
    answer = failing.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (500, "close")
    assert b"as the test asked for" not in answer.read()
    assert kept.call() == "keep-alive"


def test_more_connections_than_threads_are_all_answered_in_any_order(server: Process) -> None:
    connections = [server.connect() for _ in range(3 * THREADS)]
    for connection in [*connections, *connections, *reversed(connections)]:
        assert connection.call() == "keep-alive"


@pytest.mark.parametrize("first_bytes", [RECORD_BEGUN, b""], ids=["half a handshake", "nothing"])
def test_clients_that_fall_silent_do_not_keep_a_proper_call_from_being_answered(
    server: Process, first_bytes: bytes
) -> None:
    kept = server.connect()
    kept.call()
    for _ in range(3 * THREADS):
        server.touch(first_bytes)
    assert server.connect().call() == "keep-alive"
    assert kept.call() == "keep-alive"


@pytest.mark.parametrize("first_bytes", [RECORD_BEGUN, b""], ids=["half a handshake", "nothing"])
def test_a_client_that_falls_silent_before_its_first_call_is_dropped(server: Process, first_bytes: bytes) -> None:
    silent = server.touch(first_bytes)
    with suppress(ConnectionResetError):
        assert silent.recv(100) == b""


def test_after_sigterm_everybody_is_answered_and_told_to_go_until_nobody_is_left(server: Process) -> None:
    idle, last = server.connect(), server.connect()
    for connection in (idle, last):
        assert connection.call() == "keep-alive"
    server.terminate()
    assert idle.call() == "close"
    assert server.connect().call() == "close"
    assert last.call() == "close", "whoever is connected is waited for"
    assert server.status() == 0


def test_after_sigterm_a_client_that_is_still_connected_is_waited_for(server: Process) -> None:
    idle = server.connect()
    idle.call()
    server.terminate()
    for _ in range(3):
        assert server.connect().call() == "close"
    assert server.running.poll() is None
    idle.close()
    assert server.status() == 0


def test_clients_that_came_and_went_without_a_word_do_not_spoil_the_count_of_those_who_are_there(
    server: Process,
) -> None:
    for first_bytes in (RECORD_BEGUN, b"", b"GET / HTTP/1.1\r\n\r\n"):
        for _ in range(3):
            server.touch(first_bytes).close()
    idle = server.connect()
    assert idle.call() == "keep-alive"
    server.terminate()
    assert idle.call() == "close"
    assert server.status() == 0


def test_once_calls_are_no_longer_wanted_nobody_is_waited_for(server: Process) -> None:
    idle = server.connect()
    idle.call()
    server.terminate()
    server.wanted.unlink()
    assert server.status() == 0
