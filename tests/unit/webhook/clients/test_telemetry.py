"""Single events over real HTTP: what each answer means, what is asked again, and that no error repeats the key."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.cronitor.stand_in import StandIn
from tests.unit.sidecar.http_server import Answer, ScriptedServer
from webhook.clients import telemetry as module
from webhook.clients.telemetry import Taken, TelemetryClient
from webhook.errors import CronitorError, TooManyRequests
from webhook.monitor_identity import MonitorIdentity
from webhook.telemetry import Event, State, query

KEY = "telemetry-key-0123456789"
IDENTITY = MonitorIdentity("nightly/“backup” 1", "shop/backup", "prod")
RUN = Event(State.RUN, 1772366400.0, host="node-1")
FAIL = Event(State.FAIL, 1772366460.5, "attempt 1/1 · app 3 · “ü” & ?#/+\n", 3, 60.5, 1, host="node-1")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cronitor() -> Iterator[StandIn]:
    with StandIn(keys={KEY: "telemetry"}) as stand_in:
        yield stand_in


def client(server: ScriptedServer | StandIn, key: str = KEY) -> TelemetryClient:
    url = server.url if isinstance(server, StandIn) else f"http://127.0.0.1:{server.port}"
    return TelemetryClient(url, key)


def sent(server: ScriptedServer) -> list[list[tuple[str, str]]]:
    return [parse_qsl(urlsplit(request.path).query) for request in server.requests]


def test_a_run_arrives_as_it_was_meant(cronitor: StandIn) -> None:
    api = client(cronitor)
    for event in (RUN, FAIL):
        assert api.send(IDENTITY, "job-uid", event) is Taken.ACCEPTED
    (run,) = cronitor.runs()
    assert (run.monitor, run.series, run.states) == (IDENTITY.key, "job-uid", ["run", "fail"])
    assert (run.status_code, run.message, run.host) == (3, FAIL.message, "node-1")
    assert [dict(request.parameters)["env"] for request in cronitor.requests()] == ["prod", "prod"]
    cronitor.assert_clean()


def test_the_query_is_the_events_own_and_the_monitors_key_stays_one_part_of_the_path() -> None:
    with ScriptedServer(Answer()) as server:
        client(server, "key/with?odd").send(IDENTITY, "job-uid", FAIL)
        (request,) = server.requests
    assert sent(server) == [query(FAIL, "job-uid", "prod")]
    path = urlsplit(request.path).path
    assert path == "/p/key%2Fwith%3Fodd/nightly%2F%E2%80%9Cbackup%E2%80%9D%201"
    assert request.headers["user-agent"] == "cronitor-k8s"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_taken(status: int) -> None:
    with ScriptedServer(Answer(status)) as server:
        assert client(server).send(IDENTITY, "uid", RUN) is Taken.ACCEPTED


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 414, 422, 431, 451])
def test_what_is_turned_down_for_good_is_asked_once(status: int) -> None:
    with ScriptedServer(Answer(status)) as server:
        assert client(server).send(IDENTITY, "uid", RUN) is Taken.REFUSED
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 407, 500, 502, 503, 504, 520, 599])
def test_what_may_pass_is_an_error_with_its_status_and_not_tried_again_here(status: int) -> None:
    elsewhere = {"Location": "http://127.0.0.1:9/p/elsewhere", "Retry-After": "1"}
    with ScriptedServer(Answer(status, headers=elsewhere)) as server:
        with pytest.raises(CronitorError) as raised:
            client(server).send(IDENTITY, "uid", FAIL)
        assert not isinstance(raised.value, TooManyRequests)
        assert (raised.value.status, len(server.requests)) == (status, 1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 0.0),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "9" * 400}, module.LONGEST_RETRY_AFTER_SECONDS),
        ({"Retry-After": "86400"}, module.LONGEST_RETRY_AFTER_SECONDS),
    ],
)
def test_429_says_how_long_to_wait(given: dict[str, str], expected: float) -> None:
    with ScriptedServer(Answer(429, headers=given)) as server:
        with pytest.raises(TooManyRequests) as raised:
            client(server).send(IDENTITY, "uid", FAIL)
        assert (raised.value.retry_after, raised.value.status, len(server.requests)) == (expected, 429, 1)


@pytest.mark.parametrize("status", [400, 413, 414, 431])
def test_an_event_whose_message_may_be_why_goes_without_it(status: int) -> None:
    with ScriptedServer(Answer(status), Answer()) as server:
        assert client(server).send(IDENTITY, "uid", FAIL) is Taken.ACCEPTED
    whole = query(FAIL, "uid", "prod")
    assert sent(server) == [whole, [pair for pair in whole if pair[0] != "message"]]


@pytest.mark.parametrize("status", [400, 413, 414, 431])
def test_a_completion_without_a_state_keeps_having_none_when_its_message_may_be_why(status: int) -> None:
    identity = MonitorIdentity("key", "shop/backup", "prod", logs_complete=True)
    complete = Event(State.COMPLETE, 1772366460.5, "attempt 1/1 · app 0", 0, 60.5, 0, host="node-1")
    with ScriptedServer(Answer(status), Answer()) as server:
        assert client(server).send(identity, "uid", complete) is Taken.ACCEPTED
    whole, short = map(dict, sent(server))
    assert whole.pop("message") == "Job completed · attempt 1/1 · app 0"
    assert short.pop("message") == "Job completed"
    assert whole == short == {"series": "uid", "stamp": "1772366460.500", "env": "prod", "host": "node-1"}


def test_a_namespaces_own_key_is_used_for_its_runs_alone() -> None:
    keys = {"shop": "own-key"}
    with ScriptedServer(*[Answer()] * 4) as server:
        url = f"http://127.0.0.1:{server.port}"
        api = TelemetryClient(url, KEY, key_of=lambda namespace: keys.get(namespace, ""))
        for namespace in ("shop", "lager", ""):
            api.send(IDENTITY, "uid", RUN, namespace)
        keys["shop"] = "newer-key"
        api.send(IDENTITY, "uid", RUN, "shop")
        used = [urlsplit(request.path).path.split("/")[2] for request in server.requests]
    assert used == ["own-key", KEY, KEY, "newer-key"]


def test_no_error_holds_a_namespaces_own_key(cronitor: StandIn) -> None:
    cronitor.fault("reset", times=1)
    api = TelemetryClient(cronitor.url, KEY, key_of=lambda _namespace: "own-key-0123456789")
    with pytest.raises(CronitorError) as raised:
        api.send(IDENTITY, "uid", FAIL, "shop")
    assert "own-key" not in f"{raised.value} {raised.value!r} {raised.value.__dict__}"


def test_without_its_message_it_may_be_refused_too_or_have_to_wait() -> None:
    with ScriptedServer(Answer(414), Answer(414)) as server:
        assert client(server).send(IDENTITY, "uid", FAIL) is Taken.REFUSED
    with ScriptedServer(Answer(414), Answer(429, headers={"Retry-After": "3"})) as server:
        with pytest.raises(TooManyRequests) as raised:
            client(server).send(IDENTITY, "uid", FAIL)
        assert raised.value.retry_after == 3.0


def test_a_redirect_is_not_followed() -> None:
    with ScriptedServer(Answer()) as elsewhere:
        away = {"Location": f"http://127.0.0.1:{elsewhere.port}/p/stolen"}
        with ScriptedServer(Answer(302, headers=away)) as server, pytest.raises(CronitorError):
            client(server).send(IDENTITY, "uid", RUN)
        assert elsewhere.requests == []


FAULTS: list[dict[str, Any]] = [
    {"kind": "reset", "times": 1},
    {"kind": "lost", "times": 1},
    {"kind": "refuse"},
    {"kind": "status", "status": 503, "times": 1},
    {"kind": "status", "status": 429, "times": 1},
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_no_error_holds_the_key(cronitor: StandIn, fault: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    given = dict(fault)
    cronitor.fault(given.pop("kind"), **given)
    with pytest.raises(CronitorError) as raised:
        client(cronitor).send(IDENTITY, "uid", FAIL)
    error = raised.value
    told = [record for record in caplog.records if not record.name.startswith(("urllib3", "werkzeug"))]
    assert KEY not in f"{error} {error!r} {error.__dict__} {[record.getMessage() for record in told]}"
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("fault", FAULTS[:2], ids=str)
def test_a_connection_that_breaks_is_told_and_not_repeated_unseen(cronitor: StandIn, fault: dict[str, Any]) -> None:
    given = dict(fault)
    cronitor.fault(given.pop("kind"), **given)
    with pytest.raises(CronitorError, match="telemetry failed: ConnectionError"):
        client(cronitor).send(IDENTITY, "uid", RUN)
    assert len(cronitor.requests()) == 1


def test_an_answer_that_does_not_come_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", (5.0, 0.05))
    with ScriptedServer() as server, pytest.raises(CronitorError, match="telemetry failed: ReadTimeout"):
        client(server).send(IDENTITY, "uid", RUN)


def test_events_share_a_connection() -> None:
    with ScriptedServer(*[Answer(body=b"OK")] * 3) as server:
        api = client(server)
        for _ in range(3):
            api.send(IDENTITY, "uid", RUN)
        assert len({request.connection for request in server.requests}) == 1


def test_events_of_several_threads_all_arrive(cronitor: StandIn) -> None:
    api = client(cronitor)
    threads = [threading.Thread(target=api.send, args=(IDENTITY, f"series-{number}", RUN)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {run.series for run in cronitor.runs()} == {f"series-{number}" for number in range(8)}


class TestTls:
    @pytest.fixture
    def secure(self, tmp_path: Path) -> Iterator[StandIn]:
        with StandIn(keys={KEY: "telemetry"}, directory=tmp_path) as stand_in:
            yield stand_in

    def test_a_ca_of_ones_own_is_trusted(self, secure: StandIn) -> None:
        assert TelemetryClient(secure.https_url, KEY, secure.ca_file).send(IDENTITY, "uid", RUN) is Taken.ACCEPTED

    def test_without_it_the_certificate_is_refused(self, secure: StandIn) -> None:
        with pytest.raises(CronitorError, match="telemetry failed: SSLError"):
            TelemetryClient(secure.https_url, KEY).send(IDENTITY, "uid", RUN)
        assert secure.runs() == []
