"""Every way in which the stand-in can fail, as a client sees it and as the stand-in records it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.cronitor.faults import Fault, FaultKind, FaultTable, Surface
from tests.cronitor.stand_in import StandIn
from tests.unit.cronitor.conftest import KEYS, SDK_KEY, TELEMETRY_KEY, Clock, Tell

# Python's TLS reports a reset connection in either way.
GONE = r"reset by peer|closed connection without response"


@pytest.fixture(params=["http", "https"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[StandIn, str, str | bool]]:
    """A stand-in, its address, and what to verify it with: faults of the connection are tried with and without TLS."""
    with StandIn(keys=KEYS, directory=tmp_path) as stand_in:
        secure = request.param == "https"
        yield stand_in, stand_in.https_url if secure else stand_in.url, str(stand_in.ca_file) if secure else True


def get(address: tuple[StandIn, str, str | bool], state: str = "run", timeout: float = 10) -> requests.Response:
    _, url, verify = address
    with requests.Session() as session:
        session.trust_env = False
        query = {"state": state, "series": "one"}
        return session.get(f"{url}/p/{TELEMETRY_KEY}/backup", params=query, verify=verify, timeout=timeout)


def test_reset_is_a_reset_connection_and_nothing_taken(address: tuple[StandIn, str, str | bool]) -> None:
    stand_in = address[0]
    stand_in.fault("reset", times=1)
    with pytest.raises(requests.ConnectionError, match=GONE):
        get(address)
    assert get(address).status_code == 200
    lost, taken = stand_in.requests()
    assert (lost.delivered, lost.status, lost.fault) == (False, None, "reset")
    assert (taken.delivered, taken.status, taken.fault) == (True, 200, "")
    assert stand_in.runs()[0].states == ["run"]
    stand_in.assert_clean()


def test_lost_is_taken_and_its_repeat_is_allowed_once(address: tuple[StandIn, str, str | bool]) -> None:
    stand_in = address[0]
    stand_in.fault("lost", times=1)
    with pytest.raises(requests.ConnectionError, match=GONE):
        get(address)
    get(address)
    assert [record.delivered for record in stand_in.requests()] == [True, True]
    assert stand_in.runs()[0].states == ["run"]
    assert [event.repeat_of for event in stand_in.runs()[0].events] == [None, 1]
    stand_in.assert_clean()
    get(address)
    assert [found.kind for found in stand_in.violations()] == ["duplicate"]


def test_hang_never_answers(address: tuple[StandIn, str, str | bool]) -> None:
    stand_in = address[0]
    stand_in.fault("hang", times=1)
    with pytest.raises(requests.ReadTimeout):
        get(address, timeout=0.2)
    assert [(record.delivered, record.status) for record in stand_in.requests()] == [(False, None)]
    assert stand_in.runs() == []


def test_slow_answers_late_and_byte_by_byte(address: tuple[StandIn, str, str | bool]) -> None:
    stand_in = address[0]
    stand_in.fault("slow", delay=0.05, pace=0.0001, times=1)
    assert get(address).text == "OK"
    assert stand_in.requests()[0].delivered


def test_slow_is_taken_although_the_client_gave_up(address: tuple[StandIn, str, str | bool]) -> None:
    stand_in = address[0]
    stand_in.fault("slow", delay=60, times=1)
    with pytest.raises(requests.ReadTimeout):
        get(address, timeout=0.2)
    get(address)
    assert stand_in.runs()[0].states == ["run"]
    stand_in.assert_clean()


def connect_and_read(connection: socket.socket, port: int) -> None:
    connection.connect(("127.0.0.1", port))
    connection.recv(1)


def test_a_reset_with_a_count_meets_connections_before_anything_is_read(
    address: tuple[StandIn, str, str | bool],
) -> None:
    stand_in = address[0]
    stand_in.fault("refuse", times=2)
    port = int(address[1].rpartition(":")[2])
    for _ in range(2):  # bare sockets: ssl.SSLSocket (3.11) leaks one that is reset before its handshake
        with socket.socket() as connection, pytest.raises(ConnectionResetError):
            connect_and_read(connection, port)
    assert stand_in.requests() == []
    assert get(address).status_code == 200


def test_refuse_closes_the_port_until_it_is_cleared(address: tuple[StandIn, str, str | bool]) -> None:
    stand_in = address[0]
    stand_in.fault("refuse")
    with pytest.raises(requests.ConnectionError, match="refused"):
        get(address)
    assert requests.get(f"{stand_in.control_url}/_control/faults", timeout=10).json()["faults"][0]["kind"] == "refuse"
    requests.delete(f"{stand_in.control_url}/_control/faults", timeout=10)
    assert get(address).status_code == 200


def test_refuse_ends_an_open_connection_too(cronitor: StandIn) -> None:
    host, port = cronitor.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        connection.sendall(f"GET /p/{TELEMETRY_KEY}/backup?state=ok HTTP/1.1\r\nHost: c\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
        cronitor.fault("refuse")
        assert connection.recv(1000) == b""


def test_refuse_for_a_time_opens_again_by_itself() -> None:
    with StandIn() as stand_in:
        stand_in.fault("refuse", seconds=0.1)
        deadline = time.monotonic() + 20
        while True:
            try:
                answer = requests.get(f"{stand_in.url}/p/some-key/backup?state=ok", timeout=10)
                break
            except requests.ConnectionError:
                assert time.monotonic() < deadline
                threading.Event().wait(0.02)
        assert answer.status_code == 200


def test_an_error_status_with_retry_after(cronitor: StandIn, tell: Tell) -> None:
    cronitor.fault("status", status=429, retry_after=7, times=1)
    cronitor.fault("status", status=503, times=1)
    first, second, third = tell("run"), tell("run"), tell("run")
    assert [answer.status_code for answer in (first, second, third)] == [429, 503, 200]
    assert (first.headers["Retry-After"], second.headers.get("Retry-After")) == ("7", None)
    assert [record.delivered for record in cronitor.requests()] == [False, False, True]
    cronitor.assert_clean()


def test_a_fault_for_a_time_ends_with_it(cronitor: StandIn, tell: Tell, clock: Clock) -> None:
    cronitor.fault("status", seconds=30)
    assert tell("run").status_code == 503
    clock.now += 29
    assert tell("run").status_code == 503
    clock.now += 1
    assert tell("run").status_code == 200


def test_a_fault_can_be_for_one_series_state_or_monitor(cronitor: StandIn, tell: Tell) -> None:
    cronitor.fault("status", series="two")
    cronitor.fault("status", state="complete")
    cronitor.fault("status", monitor="restore")
    assert tell("run", series="one").status_code == 200
    assert tell("run", series="two").status_code == 503
    assert tell("complete", series="one").status_code == 503
    assert tell("run", series="three", monitor="restore").status_code == 503


def test_a_fault_can_be_for_one_api(cronitor: StandIn, http: requests.Session, tell: Tell) -> None:
    cronitor.fault("status", status=500, surface="monitors", monitor="restore")
    assert tell("run").status_code == 200

    def put(key: str) -> int:
        url, body = f"{cronitor.url}/api/monitors", [{"type": "job", "key": key}]
        return http.put(url, json=body, auth=(SDK_KEY, ""), timeout=10).status_code

    assert (put("backup"), put("restore")) == (200, 500)
    assert [one["key"] for one in cronitor.monitors()] == ["backup"]


@pytest.mark.parametrize("kind", ["reset", "hang", "lost"])
def test_a_put_that_is_not_answered(cronitor: StandIn, http: requests.Session, kind: str) -> None:
    cronitor.fault(kind, times=1, surface="monitors")
    with pytest.raises((requests.ConnectionError, requests.ReadTimeout)):
        http.put(f"{cronitor.url}/api/monitors", json=[{"type": "job", "key": "a"}], auth=(SDK_KEY, ""), timeout=0.5)
    taken = kind == "lost"
    assert [record.delivered for record in cronitor.requests()] == [taken]
    assert bool(cronitor.monitors()) == taken


def test_faults_form_a_script_in_the_order_given() -> None:
    table = FaultTable()
    table.add(Fault(FaultKind.RESET, times=2), now=0)
    table.add(Fault(FaultKind.STATUS, times=1), now=0)
    taken = [table.take(0, Surface.TELEMETRY, ("backup",)) for _ in range(4)]
    assert [fault and fault.kind for fault in taken] == ["reset", "reset", "status", None]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "refuse", "series": "one"}, "cannot be limited"),
        ({"kind": "status", "status": 200}, "no error"),
        ({"kind": "reset", "times": 0}, "at least 1"),
        ({"kind": "explode"}, "not a valid FaultKind"),
        ({"kind": "reset", "serie": "one"}, "has no serie"),
        ({}, "needs a kind"),
    ],
)
def test_a_mistyped_fault_is_refused(fault: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault.from_json(fault)


def test_a_door_that_is_closed_for_a_while_keeps_its_port() -> None:
    with StandIn() as stand_in:
        port = int(stand_in.url.rpartition(":")[2])
        stand_in.fault("refuse")
        with socket.socket() as another, pytest.raises(OSError, match="in use"):
            another.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        stand_in.clear_faults()
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
