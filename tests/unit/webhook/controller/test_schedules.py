"""A CronJob's schedule in Cronitor's terms: what Kubernetes takes, and nothing else."""

import pytest

from webhook.controller.schedules import Schedule, read


@pytest.mark.parametrize(
    ("text", "expected", "timezone"),
    [
        ("*/5 * * * *", "*/5 * * * *", ""),
        ("0 3 1,15 JAN-mar ?", "0 3 1,15 JAN-mar ?", ""),
        ("  0\t3  * * MON ", "0 3 * * MON", ""),
        ("@hourly", "@hourly", ""),
        ("@midnight", "@midnight", ""),
        ("@every 5m", "every 5 minutes", ""),
        ("@every 1h", "every 1 hour", ""),
        ("@every 1h30m", "every 90 minutes", ""),
        ("@every 1.5h", "every 90 minutes", ""),
        ("@every .5h", "every 30 minutes", ""),
        ("@every 90s", "every 90 seconds", ""),
        ("@every 48h0m0s", "every 48 hours", ""),
        ("@every 1500ms", "every 1 second", ""),
        ("@every 2s999ms", "every 2 seconds", ""),
        ("@every 1ns", "every 1 second", ""),
        ("@every 60000000us", "every 1 minute", ""),
        ("@every 60000000µs", "every 1 minute", ""),
        ("@every -5m", "every 1 second", ""),
        ("@every +5m", "every 5 minutes", ""),
        ("@every 0", "every 1 second", ""),
        ("CRON_TZ=Europe/Berlin 0 3 * * *", "0 3 * * *", "Europe/Berlin"),
        ("TZ=UTC  @daily", "@daily", "UTC"),
        ("TZ= 0 3 * * *", "0 3 * * *", "UTC"),
        ("TZ=Asia/Tokyo @every 5m", "every 5 minutes", "Asia/Tokyo"),
    ],
)
def test_what_kubernetes_takes(text: str, expected: str, timezone: str) -> None:
    assert read(text) == Schedule(expected, timezone)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "* * * *", "* * * * * *", "0 3 * * 5#2", "٣ 3 * * *", "@reboot", "@Hourly", "TZ=UTC", "@every",
        "@every 5", "@every m", "@every 5 m", "@every 1h.m", "@every .", "@every 9999999999h",
        "@every " + "9" * 5000 + "h", "@every " + "ms" * 5000, "TZ=UTC TZ=UTC * * * * *", "\ud800", "* * * * *; rm",
    ],
    ids=lambda text: ascii(text)[:30],
)  # fmt: skip
def test_anything_else_is_no_schedule(text: str) -> None:
    assert read(text).text == ""
