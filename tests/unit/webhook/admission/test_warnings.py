"""What `kubectl apply` says of a CronJob's annotations."""

import pytest

from webhook.admission.warnings import LONGEST, warnings
from webhook.annotations import PREFIX, TABLE


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
