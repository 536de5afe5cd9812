"""Sending events: what is final, what is tried again, through which connection and proxy."""

import base64
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from sidecar import deliver
from sidecar.deliver import IDLE_SECONDS, LONGEST_RETRY_AFTER_SECONDS, Sender, judge, pause
from sidecar.events import Event, State
from sidecar.journal import Delivery
from sidecar.settings import Settings
from tests.cronitor.stand_in import StandIn
from tests.unit.cronitor.conftest import Clock
from tests.unit.sidecar.conftest import KEY, Lines, Load
from tests.unit.sidecar.http_server import HANG, Answer, ScriptedServer

RUN = Event(State.RUN, 1700000000.0)
FAIL = Event(State.FAIL, 1700000009.0, "attempt 1/1 · app 3", status_code=3, duration=9.0, error_count=1)
OK = Answer(200)
FOR_A_TEST = 10.0

Done = Callable[[], tuple[Event, Delivery]]


def sending(settings: Settings, lines: Lines, monotonic: Callable[[], float] | None = None) -> tuple[Sender, Done]:
    """A sender that never pauses, and what it has done, in order."""
    done: queue.SimpleQueue[tuple[Event, Delivery]] = queue.SimpleQueue()
    clock = monotonic or Clock()
    sender = Sender(
        settings,
        lines.log(),
        lambda event, delivery: done.put((event, delivery)),
        monotonic=clock,
        chance=lambda: 0.0,
    )
    sender.start()
    return sender, lambda: done.get(timeout=FOR_A_TEST)


# --- what an answer means ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "delivery"),
    [
        (200, Delivery.ACCEPTED), (204, Delivery.ACCEPTED),
        (302, Delivery.PENDING), (407, Delivery.PENDING), (429, Delivery.PENDING), (503, Delivery.PENDING),
        (400, Delivery.REFUSED), (403, Delivery.REFUSED), (404, Delivery.REFUSED),
    ],
)  # fmt: skip
def test_what_a_status_means(status: int, delivery: Delivery) -> None:
    assert judge(status, None).delivery is delivery


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("7", 7), ("99999", LONGEST_RETRY_AFTER_SECONDS), ("9" * 400, LONGEST_RETRY_AFTER_SECONDS), ("soon", None)],
)
def test_retry_after_is_obeyed_within_reason(given: str, seconds: float | None) -> None:
    assert judge(429, given).retry_after == seconds


def test_pauses_double_up_to_a_ceiling_and_add_to_retry_after() -> None:
    assert [pause(tries, judge(503, None), 1.0) for tries in (0, 1, 2, 50)] == [0.5, 1, 2, 60]
    assert pause(1, judge(429, "30"), 0.5) == 30.5


def test_where_the_limit_is_used_up_the_ceiling_is_lower_so_that_the_last_do_not_wait_for_nothing() -> None:
    assert pause(50, judge(429, None), 1.0) == deliver.SLOWEST_LIMITED_RETRY_SECONDS
    assert pause(50, judge(429, "2"), 1.0) == 2 + deliver.SLOWEST_LIMITED_RETRY_SECONDS


# --- telling -------------------------------------------------------------------------------------------------------


def test_events_are_told_in_order_whatever_goes_wrong(settings: Load, lines: Lines) -> None:
    with StandIn(keys={KEY: "telemetry"}) as cronitor:
        cronitor.fault("status", status=503, times=2)
        cronitor.fault("reset", times=1)
        sender, done = sending(settings(CRONITOR_TELEMETRY_URL=cronitor.url), lines)
        sender.send(RUN)
        sender.send(FAIL)
        assert [done(), done()] == [(RUN, Delivery.ACCEPTED), (FAIL, Delivery.ACCEPTED)]
        (run,) = cronitor.runs()
        assert (run.states, run.series) == (["run", "fail"], "job-uid")
        cronitor.assert_clean()
    assert lines.holds("answer=503")
    assert not lines.holds(KEY)


def test_the_key_is_waited_for(settings: Load, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "NO_KEY_RETRY_SECONDS", 0.01)
    with ScriptedServer(OK) as cronitor:
        given = settings(CRONITOR_TELEMETRY_URL=f"http://127.0.0.1:{cronitor.port}")
        given.telemetry_key_file.write_text("\n")
        log = lines.log()
        done: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        sender = Sender(given, log, lambda _, delivery: done.put(delivery), chance=lambda: 0.0)
        sender.send(RUN)
        sender.start()
        given.telemetry_key_file.write_text(KEY)
        assert done.get(timeout=FOR_A_TEST) is Delivery.ACCEPTED


@pytest.mark.parametrize("status", [400, 413, 414, 431])
def test_an_event_that_may_be_too_long_is_told_without_its_message(settings: Load, lines: Lines, status: int) -> None:
    with ScriptedServer(Answer(status), Answer(503), OK) as cronitor:
        sender, done = sending(settings(CRONITOR_TELEMETRY_URL=f"http://127.0.0.1:{cronitor.port}"), lines)
        sender.send(FAIL)
        assert done() == (FAIL, Delivery.ACCEPTED)
        queries = [parse_qs(urlsplit(request.path).query) for request in cronitor.requests]
    assert ["message" in query for query in queries] == [True, False, False]
    assert [query["status_code"] for query in queries] == [["3"]] * 3


@pytest.mark.parametrize(
    ("event", "script"), [(FAIL, (Answer(400), Answer(400))), (RUN, (Answer(400),)), (FAIL, (Answer(404),))]
)
def test_what_is_refused_is_not_tried_again(
    settings: Load, lines: Lines, event: Event, script: tuple[Answer, ...]
) -> None:
    with ScriptedServer(*script) as cronitor:
        sender, done = sending(settings(CRONITOR_TELEMETRY_URL=f"http://127.0.0.1:{cronitor.port}"), lines)
        sender.send(event)
        assert done() == (event, Delivery.REFUSED)
        assert len(cronitor.requests) == len(script)


def test_an_error_that_nobody_foresaw_ends_neither_the_sender_nor_the_event(settings: Load, lines: Lines) -> None:
    clock = Clock()
    failures = [ZeroDivisionError(f"with {KEY} in it")]

    def broken_once() -> float:
        if lines.holds("told") and failures:
            raise failures.pop()
        return clock()

    with ScriptedServer(OK, OK) as cronitor:
        sender, done = sending(settings(CRONITOR_TELEMETRY_URL=f"http://127.0.0.1:{cronitor.port}"), lines, broken_once)
        sender.send(RUN)
        sender.send(FAIL)
        assert [done(), done()] == [(RUN, Delivery.ACCEPTED), (FAIL, Delivery.ACCEPTED)]
    assert lines.holds("answer=ZeroDivisionError")
    assert not lines.holds(KEY)


# --- connections ---------------------------------------------------------------------------------------------------


def test_a_connection_is_kept_but_not_after_a_long_silence(settings: Load, lines: Lines) -> None:
    clock = Clock()
    with ScriptedServer(OK, OK, OK) as cronitor:
        given = settings(CRONITOR_TELEMETRY_URL=f"http://127.0.0.1:{cronitor.port}")
        sender, done = sending(given, lines, clock)
        for silence in (0.0, IDLE_SECONDS - 1, IDLE_SECONDS + 1):
            clock.now += silence
            sender.send(replace(RUN, stamp=clock.now))
            done()
        first, second, third = (request.connection for request in cronitor.requests)
    assert first == second != third


def test_a_try_that_hangs_leaves_time_for_another_once_the_pod_ends(settings: Load, lines: Lines) -> None:
    with ScriptedServer(HANG, OK) as cronitor:
        sender, done = sending(settings(CRONITOR_TELEMETRY_URL=f"http://127.0.0.1:{cronitor.port}"), lines)
        sender.hurry(4.0)
        sender.send(FAIL)
        assert done() == (FAIL, Delivery.ACCEPTED)
        assert len(cronitor.requests) == 2
    assert lines.holds("answer=ReadTimeoutError")


def test_a_try_that_hangs_already_when_the_pod_ends_is_overtaken(settings: Load, lines: Lines) -> None:
    with ScriptedServer(HANG, OK, OK) as cronitor:
        sender, done = sending(settings(CRONITOR_TELEMETRY_URL=f"http://127.0.0.1:{cronitor.port}"), lines)
        sender.send(RUN)
        sender.send(FAIL)
        while not cronitor.requests:
            threading.Event().wait(0.01)
        sender.hurry(4.0)
        assert [done(), done()] == [(RUN, Delivery.ACCEPTED), (FAIL, Delivery.ACCEPTED)]
        assert len(cronitor.requests) == 3
    assert lines.holds("try_overtaken")


def test_a_sender_that_has_nothing_under_way_is_not_overtaken(settings: Load, lines: Lines) -> None:
    with ScriptedServer(OK) as cronitor:
        sender, done = sending(settings(CRONITOR_TELEMETRY_URL=f"http://127.0.0.1:{cronitor.port}"), lines)
        sender.hurry(0.0)
        sender.send(RUN)
        assert done() == (RUN, Delivery.ACCEPTED)
    assert not lines.holds("try_overtaken")


def test_a_dry_run_logs_what_it_would_tell_and_sends_nothing(settings: Load, lines: Lines) -> None:
    with ScriptedServer(OK) as cronitor:
        url = f"http://127.0.0.1:{cronitor.port}"
        given = settings(CRONITOR_TELEMETRY_URL=url, CRONITOR_DRY_RUN="true")
        sender, done = sending(given, lines)
        sender.send(FAIL)
        assert done() == (FAIL, Delivery.ACCEPTED)
        assert cronitor.requests == []
    assert lines.holds('event=would_tell state=fail stamp=1700000009.000 code=3 message="attempt 1/1 · app 3"')


# --- proxies -------------------------------------------------------------------------------------------------------

CREDENTIALS = base64.b64encode(b"user:p@ss").decode()


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_proxy_gets_its_credentials_and_no_log_does(settings: Load, lines: Lines, scheme: str) -> None:
    with ScriptedServer(Answer(407), OK) as proxy:
        address = f"{scheme}user:p%40ss@127.0.0.1:{proxy.port}"
        given = settings(CRONITOR_TELEMETRY_URL="http://cronitor.test", HTTP_PROXY=address)
        log = lines.log()
        done: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        sender = Sender(given, log, lambda _, delivery: done.put(delivery), chance=lambda: 0.0)
        sender.start()
        sender.send(RUN)
        assert done.get(timeout=FOR_A_TEST) is Delivery.ACCEPTED
        assert [request.headers["proxy-authorization"] for request in proxy.requests] == [f"Basic {CREDENTIALS}"] * 2
        assert proxy.requests[0].path.startswith(f"http://cronitor.test/p/{KEY}/backup?state=run")
        log.info("leak", address=address, decoded="p@ss", header=CREDENTIALS)
    for secret in ("p%40ss", "p@ss", CREDENTIALS, KEY):
        assert not lines.holds(secret)


def test_a_proxy_that_refuses_a_tunnel_is_tried_again(settings: Load, lines: Lines) -> None:
    with ScriptedServer(Answer(407), Answer(503), Answer(404)) as proxy:
        given = settings(CRONITOR_TELEMETRY_URL="https://cronitor.test", HTTPS_PROXY=f"a:b@127.0.0.1:{proxy.port}")
        chances = iter([0.0, 0.0])
        tried: queue.SimpleQueue[int] = queue.SimpleQueue()

        def chance() -> float:
            tried.put(len(proxy.requests))
            return next(chances, 1000.0)

        sender = Sender(given, lines.log(), lambda *_: None, chance=chance)
        sender.start()
        sender.send(RUN)
        assert [tried.get(timeout=FOR_A_TEST) for _ in range(3)] == [1, 2, 3]
        assert {request.method for request in proxy.requests} == {"CONNECT"}
        assert "proxy-authorization" in proxy.requests[0].headers


@pytest.mark.parametrize("no_proxy", ["cronitor.test,127.0.0.1", "*"])
def test_no_proxy_goes_past_it(settings: Load, lines: Lines, no_proxy: str) -> None:
    with ScriptedServer(OK) as cronitor:
        url = f"http://127.0.0.1:{cronitor.port}"
        given = settings(CRONITOR_TELEMETRY_URL=url, HTTP_PROXY="127.0.0.1:9", NO_PROXY=no_proxy)
        sender, done = sending(given, lines)
        sender.send(RUN)
        assert done() == (RUN, Delivery.ACCEPTED)
        assert cronitor.requests[0].path.startswith("/p/")
