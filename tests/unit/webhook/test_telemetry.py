"""An event as a request's parameters, and as it stands in a mark or a journal."""

import json
from dataclasses import replace
from typing import Any

import pytest

from webhook.telemetry import MESSAGE_LIMIT, Event, State, from_json, query, to_json

RUN = Event(State.RUN, 1772366400.0, host="node-1")
COMPLETE = Event(State.COMPLETE, 1772366460.25, "attempt 1/7 · app 0", 0, 60.25, 0, host="node-1")
CROWD = Event(State.FAIL, 1772366460.0, "3/5 succeeded · 2 failed", 137, 60.0, 2, 3)
STUCK = Event(State.FAIL, 1772366400.5, "attempt 1/7 · pod Unschedulable", stuck=True)
ATTEMPT = Event(State.FAIL, 1772366430.0, "attempt 1/7 · app 5", 5, 30.0, 1, host="node-1", attempt="0f3a9c1e.2")
CROWD_COMPLETE = replace(COMPLETE, succeeded=3)
EVENTS = [RUN, COMPLETE, CROWD, STUCK, ATTEMPT, replace(COMPLETE, message='“ü”\u2028\n"x"\\', duration=0.1 + 0.2)]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (RUN, [("state", "run"), ("series", "uid"), ("stamp", "1772366400.000"), ("env", "prod"), ("host", "node-1")]),
        (COMPLETE, [("state", "complete"), ("series", "uid"), ("stamp", "1772366460.250"), ("status_code", "0"),
                    ("metric", "duration:60.250"), ("metric", "error_count:0"), ("env", "prod"), ("host", "node-1"),
                    ("message", "attempt 1/7 · app 0")]),
        (CROWD, [("state", "fail"), ("series", "uid"), ("stamp", "1772366460.000"), ("status_code", "137"),
                 ("metric", "duration:60.000"), ("metric", "count:3"), ("metric", "error_count:2"), ("env", "prod"),
                 ("message", "3/5 succeeded · 2 failed")]),
        (ATTEMPT, [("state", "fail"), ("series", "uid"), ("stamp", "1772366430.000"), ("status_code", "5"),
                   ("metric", "duration:30.000"), ("metric", "error_count:1"), ("env", "prod"), ("host", "node-1"),
                   ("message", "attempt 1/7 · app 5")]),
        (STUCK, [("state", "fail"), ("series", "uid"), ("stamp", "1772366400.500"), ("env", "prod"),
                 ("message", "attempt 1/7 · pod Unschedulable")]),
    ],
)  # fmt: skip
def test_an_event_becomes_parameters(event: Event, expected: list[tuple[str, str]]) -> None:
    assert query(event, "uid", "prod") == expected


def test_a_completion_without_a_state_has_a_message_and_no_figures() -> None:
    found = query(CROWD_COMPLETE, "uid", "prod", logs_complete=True)
    assert found == [("series", "uid"), ("stamp", "1772366460.250"), ("env", "prod"), ("host", "node-1"),
                     ("message", "Job completed · attempt 1/7 · app 0")]  # fmt: skip
    bare = Event(State.COMPLETE, 1.0)
    assert query(bare, "uid", "", logs_complete=True) == [
        ("series", "uid"), ("stamp", "1.000"), ("message", "Job completed"),
    ]  # fmt: skip
    long = replace(COMPLETE, message="ü" * 3000)
    assert len(dict(query(long, "uid", "", logs_complete=True))["message"]) == MESSAGE_LIMIT


@pytest.mark.parametrize("event", [RUN, CROWD, STUCK, ATTEMPT])
def test_all_but_the_completion_stay_states(event: Event) -> None:
    assert query(event, "uid", "prod", logs_complete=True) == query(event, "uid", "prod")


def test_what_is_unknown_is_left_out() -> None:
    assert [name for name, _ in query(Event(State.RUN, 1.0), "uid", "")] == ["state", "series", "stamp"]


def test_a_message_is_cut_to_what_cronitor_keeps() -> None:
    assert dict(query(replace(RUN, message="ü" * 3000), "uid", ""))["message"] == "ü" * MESSAGE_LIMIT


@pytest.mark.parametrize("event", EVENTS)
def test_what_is_stored_reads_back_as_the_same_event(event: Event) -> None:
    text = json.dumps(to_json(event), ensure_ascii=False)
    assert from_json(json.loads(text)) == event
    assert hash(from_json(json.loads(text))) == hash(event), "an acknowledgement is looked up"


def test_it_is_stored_with_the_keys_of_the_journal_and_nothing_that_is_unknown() -> None:
    assert to_json(Event(State.RUN, 1.5)) == {"e": "run", "t": 1.5}
    assert to_json(STUCK) == {"e": "fail", "t": 1772366400.5, "k": True, "m": "attempt 1/7 · pod Unschedulable"}
    assert to_json(Event(State.FAIL, 1.5, attempt="0f3a9c1e")) == {"e": "fail", "t": 1.5, "p": "0f3a9c1e"}
    assert to_json(CROWD) == {
        "e": "fail", "t": 1772366460.0, "c": 137, "d": 60.0, "n": 2, "s": 3, "m": "3/5 succeeded · 2 failed",
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"e": "run"},
        {"t": 1.0},
        {"e": "ok", "t": 1.0},
        {"e": None, "t": 1.0},
        {"e": [], "t": 1.0},
        {"e": "run", "t": "soon"},
        {"e": "run", "t": None},
        {"e": "run", "t": float("nan")},
        {"e": "run", "t": float("inf")},
        {"e": "run", "t": 10**400},
        {"e": "fail", "t": 1.0, "c": "x"},
        {"e": "fail", "t": 1.0, "c": float("inf")},
        {"e": "fail", "t": 1.0, "d": float("nan")},
        {"e": "fail", "t": 1.0, "n": {}},
    ],
    ids=str,
)
def test_what_is_no_event_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, OverflowError)):
        from_json(fields)


@pytest.mark.parametrize(
    ("event", "expected"), [(RUN, False), (COMPLETE, True), (CROWD, True), (STUCK, False), (ATTEMPT, False)]
)
def test_which_events_are_verdicts(event: Event, expected: bool) -> None:
    assert event.is_verdict is expected
