"""The form of one telemetry request."""

import pytest

from tests.cronitor.events import Event, read_event

NOW = 1_767_225_600.0


def kinds(query: str) -> list[str]:
    return [str(violation.kind) for violation in read_event("backup", query, NOW)[1]]


def test_everything_that_is_documented_is_read() -> None:
    query = (
        "state=fail&series=a&message=app%20137&metric=duration:1.5&metric=error_count:2"
        "&status_code=137&env=prod&host=node-1&stamp=1767225600.123"
    )
    event, violations = read_event("backup", query, NOW)
    assert event == Event(
        monitor="backup",
        state="fail",
        series="a",
        stamp=1767225600.123,
        message="app 137",
        status_code=137,
        metrics=(("duration", 1.5), ("error_count", 2.0)),
        env="prod",
        host="node-1",
    )
    assert violations == ()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=run&series=a", []),
        ("state=ok", []),
        ("", ["missing-state"]),
        ("series=a", ["missing-state"]),
        ("series=a&message=app%200", []),
        ("state=started&series=a", ["unknown-state"]),
        ("state=run", ["missing-series"]),
        ("state=run&series=a&exit_code=1", ["unknown-parameter"]),
        ("state=run&state=run&series=a", ["repeated-parameter"]),
        ("state=run&series=a&env=", ["empty-parameter"]),
        ("state=run&series=a&message=%FF", ["bad-encoding"]),
        ("state=run&series=a&message=caf\u00c3\u00a9", ["bad-encoding"]),
        (f"state=run&series=a&message={'m' * 2000}", []),
        (f"state=run&series=a&message={'m' * 2001}", ["message-too-long"]),
        (f"state=run&series=a&message={'%E2%80%A6' * 2000}", []),
        ("state=run&series=a&stamp=1767225600", []),
        ("state=run&series=a&stamp=1767225600123", ["bad-stamp"]),
        ("state=run&series=a&stamp=1.7e9", ["bad-stamp"]),
        ("state=run&series=a&stamp=now", ["bad-stamp"]),
        ("state=run&series=a&stamp=1767412800", ["bad-stamp"]),
        ("state=fail&series=a&status_code=0", []),
        ("state=fail&series=a&status_code=-1073741510", []),
        ("state=fail&series=a&status_code=137.0", ["bad-status-code"]),
        ("state=fail&series=a&status_code=007", ["bad-status-code"]),
        ("state=fail&series=a&status_code=4294967296", ["bad-status-code"]),
        ("state=complete&series=a&status_code=0", []),
        ("state=complete&series=a&status_code=3", ["status-contradicts-state"]),
        ("state=run&series=a&metric=count:3&metric=length:7", []),
        ("state=run&series=a&metric=duration:-1", ["bad-metric"]),
        ("state=run&series=a&metric=duration:1e3", ["bad-metric"]),
        ("state=run&series=a&metric=duration", ["bad-metric"]),
        ("state=run&series=a&metric=memory:1", ["bad-metric"]),
        ("state=run&series=a&metric=count:1&metric=count:2", ["bad-metric"]),
    ],
)
def test_what_breaks_the_documented_form(query: str, expected: list[str]) -> None:
    assert kinds(query) == expected
