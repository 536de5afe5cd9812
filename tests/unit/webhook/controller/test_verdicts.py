"""History → what is heard. One row is one run, from the first look to the last; `heard` is what the controller tells.

Every row is held to the rest of the contract as well: to decide again changes nothing, delivered or not.
"""

import pytest

from tests.unit.webhook.controller.histories import Row, T, words
from tests.unit.webhook.controller.histories_alone import ALONE, CROWD, GONE, HANGING, SELECTED
from tests.unit.webhook.controller.histories_of_attempts import IN_PLACE, OF_CROWDS, OF_PODS, WITH_SIDECARS
from tests.unit.webhook.controller.histories_with_sidecar import DECIDED, LEFT_TO_US, PASSED_ON, SIDECAR_TELLS
from webhook.controller.verdicts import decide, is_closed
from webhook.run_mark import RunMark
from webhook.telemetry import Event, State

TABLE = {
    "the sidecar tells": SIDECAR_TELLS, "left to the controller": LEFT_TO_US, "alone": ALONE, "gone": GONE,
    "hanging": HANGING, "selected": SELECTED, "crowd": CROWD, "decided": DECIDED,
    "passed on": PASSED_ON, "attempts of pods": OF_PODS, "attempts in place": IN_PLACE,
    "attempts of crowds": OF_CROWDS, "attempts with sidecars": WITH_SIDECARS,
}  # fmt: skip
ROWS = [pytest.param(row, id=f"{group}: {row.history}") for group, rows in TABLE.items() for row in rows]


def told(row: Row) -> tuple[list[Event], RunMark]:
    """What is owed after each view, delivered at once; the mark in the end."""
    events: list[Event] = []
    mark = row.mark
    for now, view in row.views:
        owing = decide(mark, view, row.rules, T + now).mark
        events += owing.owed
        mark = owing.delivered(frozenset(owing.owed))
    return events, mark


@pytest.mark.parametrize("row", ROWS)
def test_what_is_heard(row: Row) -> None:
    events, mark = told(row)
    assert [words(event) for event in events] == list(row.heard)
    assert mark.verdict == row.verdict
    assert is_closed(mark, row.views[-1][1]) is row.closed


@pytest.mark.parametrize("row", ROWS)
def test_to_decide_again_changes_nothing(row: Row) -> None:
    mark = row.mark
    for now, view in row.views:
        owing = decide(mark, view, row.rules, T + now).mark
        assert decide(owing, view, row.rules, T + now).mark == owing
        mark = owing.delivered(frozenset(owing.owed))
        assert decide(mark, view, row.rules, T + now).mark == mark


@pytest.mark.parametrize("row", ROWS)
def test_what_is_not_delivered_yet_makes_no_difference(row: Row) -> None:
    mark = row.mark
    for now, view in row.views:
        mark = decide(mark, view, row.rules, T + now).mark
    owed, heard = [words(event) for event in mark.owed], list(row.heard)
    overtaken = bool(row.verdict) and not any(word.startswith(row.verdict) for word in heard)
    assert owed == heard or (overtaken and not owed), "but for what must not follow a sidecar's verdict"
    assert mark.verdict == row.verdict


@pytest.mark.parametrize("row", ROWS)
def test_every_event_fits_its_run(row: Row) -> None:
    events, mark = told(row)
    for event in events:
        if event.state is State.RUN:
            assert event.stamp == mark.start
        elif not event.stuck:
            assert event.stamp >= (mark.start or T)
            assert event.duration is None or event.duration == pytest.approx(event.stamp - (mark.start or T))
            assert (event.state is State.COMPLETE) <= (event.status_code == 0)
