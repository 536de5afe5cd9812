"""docs/annotations.md says what the code does."""

import re

import pytest

from tools.annotations_doc import BLOCKS, PAGE, rendered
from webhook.annotation_table import PREFIX, TABLE


def test_the_page_is_up_to_date() -> None:
    assert rendered(PAGE.read_text()) == PAGE.read_text(), "run `make docs`"


def test_each_table_stands_in_the_page_once() -> None:
    assert sorted(re.findall(r"<!-- generated: (\w+) -->", PAGE.read_text())) == sorted(BLOCKS)


def test_each_annotation_has_a_row_and_each_old_name_too() -> None:
    rows = [re.findall(r"`([^`]+)`", line)[:2] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    for annotation in TABLE:
        assert sum(row[0] == annotation.key for row in rows) == 1, annotation.key
        for old in annotation.old_keys:
            assert [old, annotation.key] in rows


def test_a_block_is_made_anew_and_the_prose_is_left_alone() -> None:
    page = "before\n<!-- generated: old_names -->\nstale\n<!-- end -->\nafter\n"
    made = rendered(page)
    assert "stale" not in made
    assert made.startswith("before\n")
    assert made.endswith("<!-- end -->\nafter\n")
    assert rendered(made) == made


def test_a_block_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(KeyError, match="elsewhere"):
        rendered("<!-- generated: elsewhere -->\n<!-- end -->\n")


def test_no_key_in_the_pages_examples_is_unknown() -> None:
    keys = {key for row in TABLE for key in (row.key, *row.old_keys)}
    used = set(re.findall(rf"^ +{re.escape(PREFIX)}([\w.-]+): ", PAGE.read_text(), re.MULTILINE))
    assert used
    assert used <= {*keys, "injection"}  # a label, in an example of a Namespace
