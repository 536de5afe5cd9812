"""What `kubectl apply` says of a CronJob's annotations."""

import json
from typing import Any

import pytest

from webhook.admission.warnings import LONGEST, answer, warnings
from webhook.annotations import MOST_TOLD, PREFIX, TABLE


def of(**given: str) -> dict[str, str]:
    return {PREFIX + key.replace("_", "-"): text for key, text in given.items()}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ({}, []),
        ({"example.org/include": "yes"}, []),
        (of(include="true", grace_seconds="30"), []),
        (of(run="{}", exempt="{}"), []),
        (of(include="yes"), ["include: 'yes' is ignored, it must be a boolean such as \"true\" or \"false\""]),
        (of(grace_seconds="5m"), ["grace-seconds: '5m' is ignored, it must be a whole number of 0 or more"]),
        (of(cronitor_grace_seconds="5m"),
         ["cronitor-grace-seconds: '5m' is ignored, it must be a whole number of 0 or more"]),
        (of(realert_interval=""), ["realert-interval: '' is ignored, it must be a time such as \"8 hours\""]),
        (of(inclued="true"), ["inclued: 'true' is ignored, no such key; did you mean include?"]),
        (of(zzz="1"), ["zzz: '1' is ignored, no such key"]),
        (of(include="true", exclude="true"), ["include: 'true' is ignored, exclude: \"true\" wins"]),
        (of(zzz="1", alert_on="x", exclude="?"), [
            "exclude: '?' is ignored, it must be a boolean such as \"true\" or \"false\"",
            "alert-on: 'x' is ignored, it must be \"run\" or \"attempt\"",
            "zzz: '1' is ignored, no such key",
        ]),
    ],
)  # fmt: skip
def test_a_line_for_each_annotation_without_effect(given: dict[str, str] | None, expected: list[str]) -> None:
    assert warnings(given) == [PREFIX + line for line in expected]


KEYS = [key for row in TABLE for key in (row.key, *row.old_keys)]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("text", ["", "? " * 3000, "\n" * 3000])
def test_a_line_is_short_whatever_was_written(key: str, text: str) -> None:
    for line in warnings({PREFIX + key: text}):
        assert len(line) <= LONGEST
        assert "\n" not in line


def test_a_long_value_is_shown_by_its_beginning() -> None:
    (line,) = warnings(of(include="absolutely " * 20))
    assert "'absolutely absolute…'" in line


def test_of_very_many_the_first_are_told() -> None:
    lines = warnings(of(include="yes", **{f"key{number}": "" for number in range(3000)}))
    assert len(lines) == MOST_TOLD + 1
    assert "include: 'yes'" in lines[0]
    assert lines[-1] == f"… and {3001 - MOST_TOLD} more of what has no effect"


def reviewed(body: object) -> dict[str, Any]:
    response = json.loads(answer(json.dumps(body).encode()))["response"]
    assert response.pop("allowed") is True
    assert isinstance(response, dict)
    return response


def review_of(metadata: object) -> dict[str, Any]:
    return {"request": {"uid": "u-1", "operation": "UPDATE", "object": {"kind": "CronJob", "metadata": metadata}}}


def test_the_review_is_answered_with_what_has_no_effect() -> None:
    (line,) = warnings(of(include="yes"))
    assert reviewed(review_of({"annotations": of(include="yes")})) == {"uid": "u-1", "warnings": [line]}


@pytest.mark.parametrize("metadata", [{}, {"annotations": None}, {"annotations": of(include="true")}, None])
def test_where_all_is_well_nothing_is_said(metadata: object) -> None:
    assert reviewed(review_of(metadata)) == {"uid": "u-1"}


@pytest.mark.parametrize(
    "body", [None, [], {}, {"request": {"uid": "u-1"}}, review_of("text"), review_of({"annotations": ["x"]})]
)
def test_what_is_no_review_is_allowed_too(body: object) -> None:
    assert set(reviewed(body)) == {"uid"}
