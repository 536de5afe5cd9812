"""The sidecar's settings: what admission wrote into its environment, read once at start.

The names are the contract with `webhook/admission/inject.py`; tests/contract holds both sides to it.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sidecar.events import Identity, State
from sidecar.rules import Rules

MOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TERMINATION_LOG = Path("/dev/termination-log")
PACKED = "CRONITOR_SIDECAR_SETTINGS"
"""The variable that holds most others: a JSON object of names and texts."""
EARLIER_RUN = "earlier-run"
"""Beside the states, what admission may ask to be told: the `run` that an earlier pod's sidecar could not deliver."""


T = TypeVar("T")
N = TypeVar("N", int, float)


class SettingsError(Exception):
    """A setting cannot be used; the message names it, its value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`grace_seconds` is the pod's termination grace period; paths are those of the mounted volume.

    `dry_run`: what would be sent is logged, and nothing is sent.
    """

    telemetry_url: str
    monitor_key: str
    identity: Identity
    rules: Rules
    namespace: str
    pod: str
    api_server: str
    grace_seconds: float
    mount: Path
    termination_log: Path
    proxy: str
    no_proxy: str
    log_level: str
    dry_run: bool

    @property
    def token_file(self) -> Path:
        return self.mount / "token"

    @property
    def api_ca_file(self) -> Path:
        return self.mount / "ca.crt"

    @property
    def telemetry_key_file(self) -> Path:
        return self.mount / "telemetry-key"

    @property
    def extra_ca_file(self) -> Path:
        return self.mount / "cronitor-ca.crt"


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check every setting. Raises SettingsError on the first that cannot be used."""
    read = _Reader(unpacked(environment))
    words = read.each("CRONITOR_TELLS", _told_word, f"run, {EARLIER_RUN}, complete, fail")
    rules = Rules(
        tells=frozenset(word for word in words if isinstance(word, State)),
        passes_run_on=EARLIER_RUN in words,
        backoff_limit=read.number("CRONITOR_BACKOFF_LIMIT", int, 6),
        failed_before=read.number("CRONITOR_FAILED_ATTEMPTS", int, 0),
        job_deadline_seconds=read.optional("CRONITOR_JOB_DEADLINE_SECONDS", int),
        job_started_at=read.optional("CRONITOR_JOB_STARTED_AT", float),
        run_started_at=read.optional("CRONITOR_RUN_STARTED_AT", float),
        containers=frozenset(read.each("CRONITOR_CONTAINERS", str, "container names")),
        ignored=frozenset(read.each("CRONITOR_IGNORE_CONTAINERS", str, "container names")),
        stuck_seconds=read.number("CRONITOR_STUCK_SECONDS", float, 120.0),
        stuck_told=read.text("CRONITOR_STUCK_TOLD") == "true",
        unscheduled_seconds=read.number("CRONITOR_UNSCHEDULED_SECONDS", float, 600.0),
        manual=read.text("CRONITOR_MANUAL", "false") == "true",
    )
    host = read.required("KUBERNETES_SERVICE_HOST")
    port = read.text("KUBERNETES_SERVICE_PORT", "443")
    url = read.required("CRONITOR_TELEMETRY_URL").rstrip("/")
    if not url.startswith(("https://", "http://")):
        raise SettingsError(f"CRONITOR_TELEMETRY_URL={url!r}: must begin with https:// or http://")
    return Settings(
        telemetry_url=url,
        monitor_key=read.required("CRONITOR_MONITOR_KEY"),
        identity=Identity(
            series=read.required("CRONITOR_SERIES"),
            env=read.text("CRONITOR_ENV"),
            host=read.text("CRONITOR_NODE_NAME"),
            logs_complete=read.text("CRONITOR_LOG_COMPLETE") == "true",
        ),
        rules=rules,
        namespace=read.required("CRONITOR_POD_NAMESPACE"),
        pod=read.required("CRONITOR_POD_NAME"),
        api_server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        grace_seconds=read.number("CRONITOR_GRACE_SECONDS", float, 30.0),
        mount=Path(read.text("CRONITOR_MOUNT", str(MOUNT))),
        termination_log=Path(read.text("CRONITOR_TERMINATION_LOG", str(TERMINATION_LOG))),
        proxy=read.text("HTTPS_PROXY" if url.startswith("https") else "HTTP_PROXY"),
        no_proxy=read.text("NO_PROXY"),
        log_level=read.one_of("CRONITOR_LOG_LEVEL", ("debug", "info", "warning", "error"), "info"),
        dry_run=read.text("CRONITOR_DRY_RUN") == "true",
    )


def unpacked(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with what is packed into one variable of it. Raises SettingsError where that cannot be read."""
    if not (text := environment.get(PACKED, "")):
        return environment
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise SettingsError(f"{PACKED}: must be a JSON object of texts")  # not shown: a proxy's may hold a password
    return {**environment, **found}


def _told_word(word: str) -> State | str:
    return word if word == EARLIER_RUN else State(word)


class _Reader:
    """Typed reads of one environment, with errors that name variable, value and what is allowed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str = "") -> str:
        return self._environment.get(name, "") or default

    def required(self, name: str) -> str:
        if not (text := self.text(name)):
            raise SettingsError(f"{name} is not set: it must have a value")
        return text

    def number(self, name: str, kind: Callable[[str], N], default: N) -> N:
        found = self.optional(name, kind)
        return default if found is None else found

    def optional(self, name: str, kind: Callable[[str], N]) -> N | None:
        if not (text := self.text(name)):
            return None
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not 0 <= number < float("inf"):
            raise SettingsError(f"{name}={text!r}: must be a number of 0 or more")
        return number

    def one_of(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        if (text := self.text(name, default)) not in allowed:
            raise SettingsError(f"{name}={text!r}: must be one of {', '.join(allowed)}")
        return text

    def each(self, name: str, kind: Callable[[str], T], allowed: str) -> list[T]:
        """A comma-separated list; an empty one is allowed."""
        words = [word.strip() for word in self.text(name).split(",") if word.strip()]
        try:
            return [kind(word) for word in words]
        except ValueError:
            raise SettingsError(f"{name}={self.text(name)!r}: must list some of {allowed}") from None
