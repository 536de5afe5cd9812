"""What a person reads after `helm install`: the next two commands, and a warning where it is due."""

from pathlib import Path

from tests.chart.helm import API_KEY, TELEMETRY_KEY, notes

LABEL = "kubectl label namespace NAMESPACE k8s.cronitor.io/injection=enabled"
INCLUDE = "kubectl annotate cronjob -n NAMESPACE NAME k8s.cronitor.io/include=true"
EXCLUDE = "kubectl annotate cronjob -n NAMESPACE NAME k8s.cronitor.io/exclude=true"


def test_they_show_the_next_two_commands(tmp_path: Path) -> None:
    text = notes(tmp_path)
    assert text.index(LABEL) < text.index(INCLUDE)
    assert API_KEY not in text


def test_where_every_cronjob_is_included_they_show_how_to_leave_one_out(tmp_path: Path) -> None:
    text = notes(tmp_path, {"config": {"default": "include"}})
    assert LABEL in text
    assert EXCLUDE in text
    assert INCLUDE not in text


def test_they_warn_where_one_key_serves_both_purposes(tmp_path: Path) -> None:
    text = notes(tmp_path)
    assert "WARNING: one key serves both purposes" in text
    assert "credentials.telemetryKey=" in text


def test_they_do_not_warn_where_there_are_two(tmp_path: Path) -> None:
    text = notes(tmp_path, {"credentials": {"telemetryKey": TELEMETRY_KEY}})
    assert "WARNING" not in text
    assert TELEMETRY_KEY not in text


def test_of_an_existing_secret_they_say_what_its_second_key_is_for(tmp_path: Path) -> None:
    text = notes(tmp_path, {"credentials": {"apiKey": "", "existingSecret": "mine"}})
    assert "if the Secret mine has no key telemetry-key" in text


def test_they_say_when_nothing_is_injected(tmp_path: Path) -> None:
    assert "injection.enabled is false" in notes(tmp_path, {"injection": {"enabled": False}})


def test_they_say_when_nothing_is_reported(tmp_path: Path) -> None:
    assert "dryRun is true" in notes(tmp_path, {"dryRun": True})
    assert "dryRun" not in notes(tmp_path / "other")
