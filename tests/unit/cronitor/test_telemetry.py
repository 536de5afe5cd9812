"""The telemetry API over real HTTP."""

from http.client import HTTPConnection

import pytest
import requests

from tests.cronitor.stand_in import StandIn
from tests.cronitor.watched import ProtocolBrokenError
from tests.unit.cronitor.conftest import SDK_KEY, TELEMETRY_KEY, Clock, Tell


@pytest.mark.parametrize("root", ["p", "ping"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_all_documented_methods_on_both_paths(
    cronitor: StandIn, http: requests.Session, root: str, method: str
) -> None:
    url = f"{cronitor.url}/{root}/{TELEMETRY_KEY}/backup"
    answer = http.request(method, url, params={"state": "run", "series": "one"}, timeout=10)
    assert (answer.status_code, answer.text) == (200, "" if method == "HEAD" else "OK")
    assert [run.states for run in cronitor.runs()] == [["run"]]
    cronitor.assert_clean()


def test_the_body_of_a_post_is_discarded(cronitor: StandIn, http: requests.Session) -> None:
    url = f"{cronitor.url}/p/{TELEMETRY_KEY}/backup?state=run&series=one"
    for _ in range(2):
        assert http.post(url, data={"state": "fail", "nonsense": "x" * 100_000}, timeout=10).status_code == 200
    assert [event.state for event in cronitor.runs()[0].events] == ["run", "run"]


def test_a_run_is_told_as_tests_want_to_look_at_it(cronitor: StandIn, tell: Tell, clock: Clock) -> None:
    tell("run", env="prod", host="node-1", stamp="1767225500.000")
    clock.now += 60
    tell(
        "fail",
        env="prod",
        host="node-1",
        stamp="1767225560.500",
        status_code="3",
        message="app 3 Error",
        metric="duration:60.5",
    )
    [run] = cronitor.runs()
    assert (run.monitor, run.series, run.states, run.verdict) == ("backup", "one", ["run", "fail"], "fail")
    assert (run.status_code, run.message, run.env, run.host) == (3, "app 3 Error", "prod", "node-1")
    assert run.duration == 60.5
    assert run.event("fail").arrived - run.event("run").arrived == 60
    cronitor.assert_clean()


def test_a_key_that_belongs_to_nobody_is_answered_200_and_goes_nowhere(
    cronitor: StandIn, http: requests.Session
) -> None:
    url = f"{cronitor.url}/p/somebody-elses-key/backup?state=run&series=one"
    assert http.get(url, timeout=10).status_code == 200
    assert cronitor.runs() == []
    assert [found.kind for found in cronitor.violations()] == ["unknown-key"]


def test_an_unknown_monitor_is_created_and_named_by_a_later_put(
    cronitor: StandIn, http: requests.Session, tell: Tell
) -> None:
    tell("run", monitor="c0ffee")
    assert cronitor.runs()[0].name == ""
    url = f"{cronitor.url}/api/monitors"
    assert http.get(f"{url}/c0ffee", auth=(SDK_KEY, ""), timeout=10).json()["key"] == "c0ffee"
    http.put(url, json=[{"type": "job", "key": "c0ffee", "name": "shop/backup"}], auth=(SDK_KEY, ""), timeout=10)
    assert cronitor.runs()[0].name == "shop/backup"


def test_a_monitor_key_may_hold_an_encoded_slash(cronitor: StandIn, tell: Tell) -> None:
    tell("run", monitor="shop%2Fbackup")
    assert cronitor.runs()[0].monitor == "shop/backup"


def test_other_methods_and_paths_are_violations(cronitor: StandIn, http: requests.Session) -> None:
    url = f"{cronitor.url}/p/{TELEMETRY_KEY}"
    assert http.put(f"{url}/backup?state=ok", timeout=10).status_code == 405
    assert http.get(url, timeout=10).status_code == 404
    assert http.request("TRACE", f"{cronitor.url}//p", timeout=10).status_code == 404
    assert [found.kind for found in cronitor.violations()] == ["unknown-method", "unknown-path", "unknown-path"]
    assert not any(record.delivered for record in cronitor.requests())


def test_a_violation_fails_the_test_that_did_not_declare_it(cronitor: StandIn, tell: Tell) -> None:
    tell("complete", series="one")
    tell("complete", series="two")
    cronitor.expect("complete-without-run", series="one")
    with pytest.raises(ProtocolBrokenError, match=r"complete-without-run.*series 'two'"):
        cronitor.assert_clean()
    cronitor.expect("complete-without-run", series="two", monitor="backup")
    cronitor.assert_clean()
    assert len(cronitor.violations(unexpected_only=False)) == 2


def test_connections_are_kept(cronitor: StandIn) -> None:
    connection = HTTPConnection("127.0.0.1", int(cronitor.url.rpartition(":")[2]), timeout=10)
    connection.connect()
    first = connection.sock.getsockname()
    for state in ("run", "complete"):
        connection.request("POST", f"/p/{TELEMETRY_KEY}/backup?state={state}&series=one", body=b"ignored")
        assert connection.getresponse().read() == b"OK"
        assert connection.sock.getsockname() == first
    connection.close()


def test_a_key_is_shown_nowhere(
    cronitor: StandIn, http: requests.Session, tell: Tell, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tests.cronitor")
    tell("run", message=f"the key is {TELEMETRY_KEY}")
    http.get(f"{cronitor.url}/elsewhere/{SDK_KEY}", timeout=10)
    http.put(f"{cronitor.url}/api/monitors", json=[{"note": SDK_KEY}], auth=(SDK_KEY, ""), timeout=10)
    shown = [
        http.get(f"{cronitor.url}/_control/{what}", timeout=10).text for what in ("requests", "runs", "violations")
    ]
    for key in (SDK_KEY, TELEMETRY_KEY):
        assert key not in "".join(shown) + caplog.text
    assert [found.kind for found in cronitor.violations()] == ["key-shown", "unknown-path", "key-shown"]
    assert [record.key_kind for record in cronitor.requests()] == ["telemetry", "", "sdk"]
