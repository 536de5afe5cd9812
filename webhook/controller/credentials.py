"""The keys as mounted, and whether Cronitor takes them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webhook import metrics
from webhook.clients.cronitor import KeyStanding, MonitorsClient
from webhook.controller.monitor_events import refusal
from webhook.controller.queue import Key
from webhook.errors import CronitorError, KeyRefused, SettingsError

CHECK_SECONDS = 3600.0
CHECK_REFUSED_SECONDS = 300.0
"""It may have been given its right at Cronitor, where nobody changes it here."""

LOOK_AT_FILES_SECONDS = 20.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """`telemetry_key` is all that ever reaches a Job's namespace."""

    api_key: str = field(repr=False)
    telemetry_key: str = field(repr=False)


def load(directory: Path) -> Credentials:
    """Read `api-key` and, where there is one, `telemetry-key`. Raises SettingsError, which never holds a key."""
    api_key = _read(directory / "api-key")
    if not api_key:
        raise SettingsError(f"{directory / 'api-key'}: is missing or empty; set credentials.apiKey or existingSecret")
    return Credentials(api_key, _read(directory / "telemetry-key") or api_key)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


class KeyCheck:
    """Asks the monitors API once an hour: telemetry itself answers 200 to any key, and monitors may need no request."""

    def __init__(self, monitors: MonitorsClient) -> None:
        self._monitors = monitors
        self._detail = ""
        metrics.api_key_valid.set(-1)

    def detail(self) -> str:
        """What people should know of the key, for `/readyz`; empty where all is well or nothing is known yet."""
        return self._detail

    def reconcile(self, key: Key) -> float | None:
        try:
            standing = self._monitors.check_key()
        except CronitorError as error:
            log.warning("api_key_not_checked", extra={"error": str(error)})
            metrics.api_key_valid.set(-1)
            raise
        metrics.api_key_valid.set(standing is KeyStanding.VALID)
        self._detail = _refusal(standing)
        if not self._detail:
            log.info("api_key_valid")
            return CHECK_SECONDS
        log.error("api_key_not_valid", extra={"standing": standing.value, "detail": self._detail})
        return CHECK_REFUSED_SECONDS


def _refusal(standing: KeyStanding) -> str:
    match standing:
        case KeyStanding.VALID:
            return ""
        case KeyStanding.TELEMETRY_ONLY:
            return refusal(KeyRefused(403, ""))
        case KeyStanding.REFUSED:
            return refusal(KeyRefused(401, ""))


class MountedFiles:
    """Notices when what is mounted has changed: keys, CAs. `changed` then has the process started anew with it."""

    def __init__(self, paths: Sequence[Path], changed: Callable[[], None]) -> None:
        self._paths, self._changed = paths, changed
        self._known = self._contents()

    def reconcile(self, key: Key) -> float | None:
        if self._contents() != self._known:
            log.info("mounted_files_changed")
            self._changed()
        return LOOK_AT_FILES_SECONDS

    def _contents(self) -> list[str]:
        return [_read(path) for path in self._paths]
