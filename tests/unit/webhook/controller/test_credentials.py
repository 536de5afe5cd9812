"""The keys as mounted: read, checked with Cronitor, and noticed when they change."""

import logging
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from webhook.clients.cronitor import KeyStanding, MonitorsClient
from webhook.controller.credentials import (
    CHECK_REFUSED_SECONDS,
    CHECK_SECONDS,
    LOOK_AT_FILES_SECONDS,
    KeyCheck,
    MountedFiles,
    load,
)
from webhook.controller.queue import Key
from webhook.errors import CronitorError, SettingsError

FILES, KEY = Key("files"), Key("key")
SECRET = "s3cret-0123456789"


def test_the_telemetry_key_is_the_api_key_where_there_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text(f" {SECRET}\n")
    found = load(tmp_path)
    assert (found.api_key, found.telemetry_key) == (SECRET, SECRET)
    (tmp_path / "telemetry-key").write_text("telemetry\n")
    assert load(tmp_path).telemetry_key == "telemetry"
    assert SECRET not in repr(load(tmp_path))


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_without_an_api_key_it_is_said_what_to_set(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "api-key").write_text(text)
    with pytest.raises(SettingsError, match=r"credentials\.apiKey"):
        load(tmp_path)


class Watched:
    """Files in a directory, and how often a change was noticed."""

    def __init__(self, directory: Path) -> None:
        self.key, self.authority = directory / "api-key", directory / "ca.crt"
        self.key.write_text("old")
        self.changes = 0
        self.files = MountedFiles([self.key, self.authority], self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def look(self) -> int:
        assert self.files.reconcile(FILES) == LOOK_AT_FILES_SECONDS
        return self.changes


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_files_that_stay_as_they_are_are_no_change(watched: Watched) -> None:
    assert watched.look() == 0
    watched.key.write_text("old\n")
    assert watched.look() == 0


def test_a_key_that_is_exchanged_is_a_change(watched: Watched) -> None:
    watched.key.write_text("new")
    assert watched.look() == 1


def test_a_file_that_appears_or_vanishes_is_a_change(watched: Watched) -> None:
    watched.authority.write_text("CA")
    assert watched.look() == 1
    watched.authority.unlink()
    watched.key.unlink()
    assert watched.look() == 2


class Cronitor(MonitorsClient):
    """Says what the test says of the key."""

    def __init__(self, says: KeyStanding | CronitorError) -> None:
        self.says = says

    def check_key(self) -> KeyStanding:
        if isinstance(self.says, CronitorError):
            raise self.says
        return self.says


def gauge() -> float | None:
    return REGISTRY.get_sample_value("cronitor_api_key_valid")


@pytest.mark.parametrize("standing", KeyStanding)
def test_what_cronitor_says_of_the_key_is_measured_and_asked_again(
    standing: KeyStanding, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        again = KeyCheck(Cronitor(standing)).reconcile(KEY)
    valid = standing is KeyStanding.VALID
    assert again == (CHECK_SECONDS if valid else CHECK_REFUSED_SECONDS)
    assert gauge() == (1 if valid else 0)
    assert ("api_key_valid" if valid else "api_key_not_valid") in caplog.messages


@pytest.mark.parametrize(
    ("standing", "said"),
    [(KeyStanding.TELEMETRY_ONLY, "as a telemetry key has none"), (KeyStanding.REFUSED, "it is not known there")],
)
def test_a_key_that_is_refused_is_said_in_words_until_it_is_not(
    standing: KeyStanding, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    cronitor = Cronitor(standing)
    check = KeyCheck(cronitor)
    assert check.detail() == ""
    check.reconcile(KEY)
    assert said in check.detail()
    assert "credentials.apiKey" in check.detail()
    (record,) = caplog.records
    assert record.__dict__["detail"] == check.detail()
    cronitor.says = CronitorError("503")
    with pytest.raises(CronitorError):
        check.reconcile(KEY)
    assert said in check.detail(), "nothing better is known"
    cronitor.says = KeyStanding.VALID
    check.reconcile(KEY)
    assert check.detail() == ""


def test_a_key_that_could_not_be_checked_is_neither_good_nor_bad() -> None:
    with pytest.raises(CronitorError):
        KeyCheck(Cronitor(CronitorError("503"))).reconcile(KEY)
    assert gauge() == -1
