"""What an event looks like on the wire."""

from sidecar.events import MESSAGE_LIMIT, Event, Identity, State, query


def test_a_run_carries_what_is_known_and_no_more() -> None:
    assert query(Event(State.RUN, 1700000000.0), Identity("job-uid")) == [
        ("state", "run"),
        ("series", "job-uid"),
        ("stamp", "1700000000.000"),
    ]


def test_a_verdict_carries_code_metrics_and_message() -> None:
    event = Event(State.FAIL, 1.5, "attempt 1/1 · app 3", status_code=3, duration=9.0, error_count=1)
    assert query(event, Identity("s", env="prod", host="node1"))[3:] == [
        ("status_code", "3"),
        ("metric", "duration:9.000"),
        ("metric", "error_count:1"),
        ("env", "prod"),
        ("host", "node1"),
        ("message", "attempt 1/1 · app 3"),
    ]


def test_an_exit_code_of_0_is_a_code() -> None:
    assert ("status_code", "0") in query(Event(State.COMPLETE, 1.0, status_code=0), Identity("s"))


def test_a_message_is_cut_to_what_cronitor_keeps() -> None:
    assert len(dict(query(Event(State.RUN, 1.0, "x" * 5000), Identity("s")))["message"]) == MESSAGE_LIMIT
