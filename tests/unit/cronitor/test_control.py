"""The control interface, by its client."""

import threading

import pytest
import requests

from tests.cronitor.client import Client
from tests.cronitor.stand_in import StandIn
from tests.cronitor.watched import NotHeardError, ProtocolBrokenError
from tests.unit.cronitor.conftest import SDK_KEY, Clock, Tell


def test_the_client_sees_what_the_stand_in_sees(cronitor: StandIn, client: Client, tell: Tell) -> None:
    tell("run", env="prod", metric="count:2")
    tell("complete", env="prod", status_code="0", message="app 0")
    assert client.runs() == cronitor.runs()
    assert client.monitors() == cronitor.monitors()
    client.assert_clean()


def test_requests_are_narrowed(client: Client, tell: Tell, clock: Clock) -> None:
    tell("run", series="one")
    clock.now += 10
    tell("run", series="two")
    tell("complete", series="two", monitor="backup")

    def numbers(**narrowed: str | float) -> list[int]:
        return [record["number"] for record in client.requests(**narrowed)]  # type: ignore[arg-type]

    assert numbers() == [1, 2, 3]
    assert numbers(series="two") == [2, 3]
    assert numbers(state="run") == [1, 2]
    assert numbers(since=clock.now) == [2, 3]
    assert numbers(after=2) == [3]
    assert numbers(surface="monitors") == []


@pytest.mark.parametrize("where", ["here", "there"])
def test_waiting_ends_when_the_verdict_comes(cronitor: StandIn, client: Client, tell: Tell, where: str) -> None:
    waiting = cronitor if where == "here" else client
    tell("run")
    later = threading.Thread(target=tell, args=("complete",))
    later.start()
    assert waiting.wait_for("one", timeout=20).verdict == "complete"
    later.join()
    assert waiting.wait_for(lambda run: run.states[0] == "run", timeout=20).series == "one"


@pytest.mark.parametrize("where", ["here", "there"])
def test_waiting_in_vain_says_what_was_heard(cronitor: StandIn, client: Client, tell: Tell, where: str) -> None:
    waiting = cronitor if where == "here" else client
    tell("run", message="attempt 1/1")
    with pytest.raises(NotHeardError, match=r"series one was not heard of within 0.01 s(.|\n)*run \(attempt 1/1\)"):
        waiting.wait_for("one", timeout=0.01)


def test_followers_hear_of_every_request_as_it_comes(client: Client, tell: Tell) -> None:
    tell("run")
    followed = client.follow()
    assert next(followed)["state"] == "run"
    tell("fail", status_code="3")
    heard = next(followed)
    assert (heard["state"], heard["series"], heard["parameters"][-1]) == ("fail", "one", ["status_code", "3"])


def test_a_follower_goes_on_where_it_was(client: Client, tell: Tell) -> None:
    tell("run")
    tell("complete")
    assert next(client.follow(after=1))["state"] == "complete"


def test_followers_are_let_go_when_the_stand_in_stops(tell: Tell, cronitor: StandIn, client: Client) -> None:
    tell("run")
    followed = client.follow()
    next(followed)
    cronitor.stop()
    with pytest.raises((StopIteration, requests.RequestException)):
        next(followed)


def test_faults_are_scripted_from_elsewhere(client: Client, tell: Tell) -> None:
    client.script([{"kind": "status", "status": 500, "times": 1}, {"kind": "status", "status": 502, "times": 1}])
    client.fault("status", status=503)
    assert [tell("run").status_code for _ in range(4)] == [500, 502, 503, 503]
    client.clear_faults()
    assert tell("run").status_code == 200
    with pytest.raises(ValueError, match="has no colour"):
        client.fault("reset", colour="red")


def test_violations_are_declared_from_elsewhere(client: Client, tell: Tell) -> None:
    tell("complete", series="one")
    with pytest.raises(ProtocolBrokenError, match="complete-without-run"):
        client.assert_clean()
    client.expect("complete-without-run", series="one")
    client.assert_clean()
    with pytest.raises(ValueError, match="not a valid Kind"):
        client.expect("anything")


def test_behaviour_is_set_from_elsewhere(cronitor: StandIn, client: Client, http: requests.Session, tell: Tell) -> None:
    client.behave(rate_limits=True, answer_form="array")
    assert [tell("ok", series="").status_code for _ in range(11)][-1] == 429
    body = [{"type": "job", "key": "backup"}]
    answer = http.put(f"{cronitor.url}/api/monitors", json=body, auth=(SDK_KEY, ""), timeout=10)
    assert isinstance(answer.json(), list)
    for wrong in ({"rate_limit": True}, {"put_status": 418}, {"groups": "ops"}, {"tags": [1]}):
        with pytest.raises(ValueError, match=r"behaviour|put_status|list of texts"):
            client.behave(**wrong)


def test_reset_begins_anew_and_numbers_go_on(cronitor: StandIn, client: Client, tell: Tell) -> None:
    tell("run")
    client.expect("duplicate")
    client.fault("refuse")
    client.reset()
    assert (client.runs(), client.monitors(), cronitor.faults()) == ([], [], [])
    tell("run")
    tell("run")
    assert [record["number"] for record in client.requests()] == [2, 3]
    assert [found.kind for found in client.violations()] == ["duplicate"]


def test_a_mistake_in_using_the_control_interface_is_no_request_to_cronitor(
    cronitor: StandIn, http: requests.Session
) -> None:
    assert http.get(f"{cronitor.control_url}/_control/run", timeout=10).status_code == 404
    assert http.get(f"{cronitor.control_url}/page/nothing.js", timeout=10).status_code == 404
    assert cronitor.requests() == []
