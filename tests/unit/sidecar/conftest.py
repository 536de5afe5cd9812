"""Settings of a sidecar whose mounted volume and journal are files of the test, and a log that the test reads."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.log import Log
from sidecar.settings import Settings, load

KEY = "telemetry-key-0123456789"
ENVIRONMENT = {
    "KUBERNETES_SERVICE_HOST": "127.0.0.1",
    "CRONITOR_TELEMETRY_URL": "http://127.0.0.1:9",
    "CRONITOR_MONITOR_KEY": "backup",
    "CRONITOR_SERIES": "job-uid",
    "CRONITOR_POD_NAMESPACE": "shop",
    "CRONITOR_POD_NAME": "pod",
    "CRONITOR_TELLS": "run,complete,fail",
    "CRONITOR_BACKOFF_LIMIT": "0",
}

Load = Callable[..., Settings]


class Lines(list[str]):
    """What was logged."""

    def log(self) -> Log:
        return Log("debug", write=lambda line: self.append(line.decode()))

    def holds(self, text: str) -> bool:
        return any(text in line for line in self)


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "telemetry-key").write_text(KEY + "\n")
    (tmp_path / "token").write_text("token-0123456789\n")
    paths = {"CRONITOR_MOUNT": str(tmp_path), "CRONITOR_TERMINATION_LOG": str(tmp_path / "termination-log")}
    return ENVIRONMENT | paths


@pytest.fixture
def settings(environment: dict[str, str]) -> Load:
    """Loads the settings, some variables of the environment being others."""
    return lambda **changed: load(environment | changed)
