"""Reading the environment that admission wrote."""

import pytest

from sidecar.events import State
from sidecar.settings import SettingsError
from tests.unit.sidecar.conftest import Load


def test_what_must_be_there_is_enough(settings: Load) -> None:
    read = settings()
    assert (read.monitor_key, read.identity.series, read.pod) == ("backup", "job-uid", "pod")
    assert read.api_server == "https://127.0.0.1:443"
    assert (read.grace_seconds, read.proxy, read.log_level) == (30, "", "info")


def test_every_rule_is_read(settings: Load) -> None:
    rules = settings(
        CRONITOR_TELLS="run, fail",
        CRONITOR_BACKOFF_LIMIT="3",
        CRONITOR_FAILED_ATTEMPTS="2",
        CRONITOR_JOB_DEADLINE_SECONDS="600",
        CRONITOR_JOB_STARTED_AT="1700000000.5",
        CRONITOR_RUN_STARTED_AT="1600000000",
        CRONITOR_CONTAINERS="app,helper",
        CRONITOR_IGNORE_CONTAINERS="istio-proxy",
        CRONITOR_STUCK_SECONDS="30",
        CRONITOR_MANUAL="true",
    ).rules
    assert rules.tells == {State.RUN, State.FAIL}
    assert (rules.backoff_limit, rules.failed_before, rules.stuck_seconds, rules.manual) == (3, 2, 30, True)
    assert (rules.job_deadline_seconds, rules.job_started_at, rules.run_started_at) == (600, 1700000000.5, 1600000000)
    assert rules.containers == {"app", "helper"}
    assert rules.ignored == {"istio-proxy"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CRONITOR_MONITOR_KEY", ""),
        ("CRONITOR_TELEMETRY_URL", "ftp://cronitor.link"),
        ("CRONITOR_TELLS", "run,explode"),
        ("CRONITOR_BACKOFF_LIMIT", "-1"),
        ("CRONITOR_STUCK_SECONDS", "inf"),
        ("CRONITOR_STUCK_SECONDS", "nan"),
        ("CRONITOR_LOG_LEVEL", "loud"),
    ],
)
def test_what_cannot_be_used_is_named(settings: Load, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings(**{name: value})


def test_what_is_packed_counts_as_if_it_stood_alone(settings: Load) -> None:
    read = settings(CRONITOR_SIDECAR_SETTINGS='{"CRONITOR_MONITOR_KEY":"“ü” $5","CRONITOR_BACKOFF_LIMIT":"3"}')
    assert (read.monitor_key, read.rules.backoff_limit, read.identity.series) == ("“ü” $5", 3, "job-uid")


@pytest.mark.parametrize("text", ["{", "[]", '{"CRONITOR_BACKOFF_LIMIT":3}', "null"])
def test_a_packet_that_cannot_be_read_is_named(settings: Load, text: str) -> None:
    with pytest.raises(SettingsError, match="CRONITOR_SIDECAR_SETTINGS") as raised:
        settings(CRONITOR_SIDECAR_SETTINGS=text)
    assert text not in str(raised.value)  # it may hold a proxy's password


def test_an_address_of_ip_version_6_is_bracketed(settings: Load) -> None:
    read = settings(KUBERNETES_SERVICE_HOST="fd00::1", KUBERNETES_SERVICE_PORT="6443")
    assert read.api_server == "https://[fd00::1]:6443"


def test_the_proxy_is_that_of_the_urls_scheme(settings: Load) -> None:
    both = {"HTTPS_PROXY": "http://secure:3128", "HTTP_PROXY": "http://plain:3128"}
    assert settings(**both).proxy == "http://plain:3128"
    assert settings(**both, CRONITOR_TELEMETRY_URL="https://cronitor.link/").proxy == "http://secure:3128"
