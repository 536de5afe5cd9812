"""Cronitor's documented limits, with a clock that the test moves."""

from dataclasses import replace

from tests.cronitor.rate_limits import Buckets, RateLimits
from tests.cronitor.stand_in import StandIn
from tests.unit.cronitor.conftest import Clock, Tell


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(rate=5, burst=10)
    assert [buckets.take("backup", 100.0) for _ in range(10)] == [0.0] * 10
    assert buckets.take("backup", 100.0) == 0.2
    assert buckets.take("backup", 100.1) > 0
    assert buckets.take("backup", 100.3) == 0.0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    buckets = Buckets(rate=5, burst=10)
    buckets.take("backup", 0.0)
    assert [buckets.take("backup", 1000.0) == 0.0 for _ in range(11)] == [True] * 10 + [False]


def test_one_monitor_does_not_use_up_anothers_tokens() -> None:
    limits = RateLimits()
    assert all(limits.take("10.0.0.1", "backup", 0.0) == 0.0 for _ in range(10))
    assert limits.take("10.0.0.1", "backup", 0.0) > 0
    assert limits.take("10.0.0.1", "restore", 0.0) == 0.0


def test_a_source_has_250_at_once_over_all_monitors() -> None:
    limits = RateLimits()
    assert all(limits.take("10.0.0.1", f"monitor-{number}", 0.0) == 0.0 for number in range(250))
    assert limits.take("10.0.0.1", "one-more", 0.0) == 0.02
    assert limits.take("10.0.0.2", "one-more", 0.0) == 0.0


def test_past_the_limit_429_says_when_to_come_again(cronitor: StandIn, tell: Tell, clock: Clock) -> None:
    cronitor.account.behaviour = replace(cronitor.account.behaviour, rate_limits=True)
    statuses = [tell("run", series=f"series-{number}").status_code for number in range(11)]
    assert statuses == [200] * 10 + [429]
    refused = cronitor.requests()[-1]
    assert not refused.delivered
    assert tell("run", series="series-10").headers["Retry-After"] == "1"
    clock.now += 1
    assert tell("run", series="series-10").status_code == 200
    assert len(cronitor.runs()) == 11


def test_without_the_switch_there_is_no_limit(tell: Tell) -> None:
    assert {tell("ok", series="").status_code for _ in range(30)} == {200}
