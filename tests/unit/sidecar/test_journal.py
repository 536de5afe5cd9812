"""The journal survives being cut, fits its limit, and reads back as it was written."""

import pytest

from sidecar.events import Event, State
from sidecar.journal import LEFT_BYTES, LIMIT, Delivery, Entry, Journal, decode, encode

RUN = Event(State.RUN, 1700000000.0)
STUCK = Event(State.FAIL, 1699999999.5, "attempt 1/1 · app ImagePullBackOff", stuck=True)
FAIL = Event(State.FAIL, 1700000009.0, "attempt 1/1 · app 3", status_code=3, duration=9.0, error_count=1)
FULL = Journal((Entry(STUCK, Delivery.ACCEPTED), Entry(RUN, Delivery.PENDING), Entry(FAIL, Delivery.REFUSED)), "why")


@pytest.mark.parametrize("journal", [Journal(), Journal((Entry(RUN),)), FULL, Journal(left="the pod is being deleted")])
def test_what_is_written_reads_back(journal: Journal) -> None:
    assert decode(encode(journal).decode()) == journal


def test_it_never_passes_its_limit_and_keeps_every_event() -> None:
    long = Journal(
        tuple(
            Entry(Event(state, 1.0, "ü" * 3000, stuck=k))
            for state, k in ((State.FAIL, True), (State.RUN, False), (State.COMPLETE, False))
        ),
        left="y" * 500,
    )
    text = encode(long)
    assert len(text) <= LIMIT
    assert [entry.event.state for entry in decode(text.decode()).entries] == [State.FAIL, State.RUN, State.COMPLETE]


def test_the_verdict_stands_first_and_a_cut_line_is_passed_over() -> None:
    text = encode(FULL).decode()
    assert text.startswith('{"e":"fail","t":1700000009.0')
    for length in range(len(text)):
        assert set(decode(text[:length]).entries) <= set(FULL.entries)
    assert FAIL in [entry.event for entry in decode(text[:150]).entries]


def test_verdict_start_and_reason_survive_a_cut_at_what_twenty_containers_leave() -> None:
    stuck = Event(State.FAIL, 1699999999.123456, "ü" * 3000, stuck=True)
    run = Event(State.RUN, 1700000000.123456, "manual")
    for message in ("x" * 3000, "ü" * 3000, '"' * 3000, "\x01" * 3000):
        verdict = Event(State.COMPLETE, 1700000009.123456, message, 255, 123456.123456789, 12)
        journal = Journal((Entry(stuck), Entry(run, Delivery.ACCEPTED), Entry(verdict)), "y" * 500)
        kept = decode(encode(journal)[:600].decode(errors="ignore"))
        assert [entry.event.state for entry in kept.entries] == [State.RUN, State.COMPLETE]
        assert kept.left == "y" * LEFT_BYTES


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x0c", "\r\n"])
def test_a_message_with_any_line_separator_reads_back(separator: str) -> None:
    journal = Journal((Entry(Event(State.FAIL, 1.0, f"one{separator}two")),))
    assert decode(encode(journal).decode()) == journal


def test_foreign_text_gives_an_empty_journal() -> None:
    for text in ("", "panic: out of luck", "[1]", '{"e":"explode","t":1,"a":0}', '{"e":"run"}', "null"):
        assert decode(text) == Journal()


def test_deliveries_are_kept_by_event() -> None:
    journal = Journal().with_event(RUN).with_event(FAIL)
    assert journal.pending == (RUN, FAIL)
    assert journal.with_delivery(RUN, Delivery.ACCEPTED).pending == (FAIL,)
