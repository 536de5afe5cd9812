"""Rows, the table, and the file that the next bench reads again."""

import json

import pytest

from tests.bench.results import Goal, merged, read, row, table, written


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (Goal(3.5), 3.5, True),
        (Goal(3.5), 3.6, False),
        (Goal(0.7, at_least=True), 0.7, True),
        (Goal(0.7, at_least=True), 0.69, False),
        (None, 1.0, None),
    ],
)
def test_a_row_is_judged_by_its_goal(goal: Goal | None, value: float, met: bool | None) -> None:
    assert row("some", value, "×", goal, 1).met is met


def test_the_file_is_a_list_of_objects_that_name_everything() -> None:
    (found,) = json.loads(written([row("ratio", 2.123456, "×", Goal(3.5), 1500, "2–2.4")]))
    assert found == {
        "name": "ratio", "value": 2.1235, "unit": "×", "goal": "<= 3.5", "met": True, "samples": 1500,
        "spread": "2–2.4",
    }  # fmt: skip


def test_what_is_written_is_read_again() -> None:
    rows = [row("a", 1, "s", Goal(0.7, at_least=True), 3), row("b", 2, "", None, 1)]
    assert read(written(rows)) == rows


def test_sections_that_are_measured_anew_replace_their_rows_and_no_others() -> None:
    known = [row(name, 1, "s", None, 1) for name in ("a", "b", "c")]
    found = merged(known, [row("b", 2, "s", None, 1), row("d", 3, "s", None, 1)])
    assert [(one.name, one.value) for one in found] == [("a", 1), ("b", 2), ("c", 1), ("d", 3)]


def test_the_table_shows_missed_goals() -> None:
    lines = table([row("slow", 12.5, "ms", Goal(10), 5, "9–15"), row("known", 1, "", None, 1)]).split("\n")
    assert lines[0].split() == ["name", "value", "goal", "met", "samples", "spread"]
    assert lines[1].split() == ["slow", "12.5", "ms", "<=", "10", "NO", "5", "9–15"]
    assert lines[2].split() == ["known", "1", "1"]
