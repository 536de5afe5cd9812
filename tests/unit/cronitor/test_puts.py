"""The PUTs of monitors as tests count them."""

from typing import Any

import pytest

from tests.cronitor.client import Client
from tests.cronitor.stand_in import StandIn
from tests.unit.cronitor.conftest import BACKUP, Call, Clock, Tell


def monitors(first: int, count: int) -> list[dict[str, Any]]:
    return [BACKUP | {"key": str(number)} for number in range(first, first + count)]


@pytest.mark.parametrize("where", ["here", "there"])
def test_puts_are_told_with_their_monitors_and_their_time(
    cronitor: StandIn, client: Client, call: Call, tell: Tell, clock: Clock, where: str
) -> None:
    asked = cronitor if where == "here" else client
    began = clock.now
    call("PUT", json={"monitors": monitors(0, 100)})
    call("GET")
    tell("run")
    clock.now += 1.5
    call("PUT", json=monitors(100, 1))
    call("PUT", json=[*monitors(101, 2), BACKUP | {"key": "bad", "timezone": "Europe/Atlantis"}])
    cronitor.fault("status", status=503, times=1)
    call("PUT", json=monitors(0, 2))
    call("PUT", data="{")
    told = [(one.count, one.arrived - began, one.status, one.delivered) for one in asked.monitor_puts()]
    assert told == [
        (100, 0, 200, True),
        (1, 1.5, 200, True),
        (3, 1.5, 400, False),
        (2, 1.5, 503, False),
        (0, 1.5, 400, False),
    ]
    [one, *_] = asked.monitor_puts(after=cronitor.requests()[0].number)
    assert one.keys == ("100",)


def test_a_thousand_monitors_come_in_ten_puts_and_only_more_than_a_hundred_are_a_violation(
    cronitor: StandIn, call: Call
) -> None:
    for first in range(0, 1000, 100):
        assert call("PUT", json=monitors(first, 100)).status_code == 200
    cronitor.assert_clean()
    assert (len(cronitor.monitors()), len(cronitor.monitor_puts())) == (1000, 10)
    assert call("PUT", json=monitors(0, 151)).status_code == 200
    assert [found.kind for found in cronitor.violations()] == ["batch-too-large"]
