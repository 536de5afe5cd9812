"""The settings of both processes: one JSON document that the chart renders, read and checked once at start.

Its names are the chart's value names, so that an error here names what a person can change. Credentials are not in it:
they are files that only the controller mounts.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webhook.admission.template import Proxy, Sidecar
from webhook.annotations import KeyInference, Options
from webhook.controller.monitor_plan import OnRemove
from webhook.errors import SettingsError

DEFAULT_PATH = Path("/etc/cronitor/settings.json")
CREDENTIALS = Path("/etc/cronitor/credentials")
EXTRA_CA = Path("/etc/cronitor/ca/ca.crt")


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the objects that the release consists of."""

    state_config_map: str
    monitor_records: str
    lease: str
    tls_secret: str
    service: str
    webhook_configuration: str
    owner_cluster_role: str
    namespace_objects: str


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """What is done when our container harms a pod. `free_images` are tried in order on a pod that is stuck."""

    enabled: bool
    open_seconds: int
    free_stuck_pods: bool
    free_images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting. What ends in `_seconds` is in seconds."""

    pod_name: str
    namespace: str
    log_level: str
    log_format: str
    include_by_default: bool
    namespace_secret: str
    environment: str
    tags: tuple[str, ...]
    default_timezone: str
    key_inference: KeyInference
    name_prefix: str
    cluster_name: str
    tell_deleted_jobs: bool
    on_remove: OnRemove
    telemetry_url: str
    api_url: str
    proxy: Proxy
    injection_enabled: bool
    dry_run: bool
    breaker: BreakerSettings
    sidecar: Sidecar
    names: Names
    admission_port: int
    admission_health_port: int
    admission_threads: int
    drain_seconds: int
    controller_health_port: int
    token_seconds: int
    events_per_second: int
    unscheduled_seconds: int

    @property
    def default_options(self) -> Options:
        """The chart's level of what a CronJob's annotations say."""
        return Options(
            include=self.include_by_default,
            env=self.environment or None,
            tags=self.tags,
            key_inference=self.key_inference,
            name_prefix=self.name_prefix or None,
        )


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the document that CRONITOR_SETTINGS names. Raises SettingsError on the first setting that cannot be used."""
    path = Path(environment.get("CRONITOR_SETTINGS") or DEFAULT_PATH)
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"CRONITOR_SETTINGS={str(path)!r}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SettingsError(f"CRONITOR_SETTINGS={str(path)!r}: is not JSON ({error})") from None
    return parse(document, environment)


def parse(document: Any, environment: Mapping[str, str]) -> Settings:
    """Check the document and give it types."""
    at = _Section(document, "")
    log, config, cronitor = at.section("log"), at.section("config"), at.section("cronitor")
    admission, controller, proxy = at.section("admission"), at.section("controller"), at.section("proxy")
    unscheduled_seconds = controller.integer("unscheduledSeconds", 1, 86400)
    return Settings(
        pod_name=_variable(environment, "POD_NAME"),
        namespace=_variable(environment, "POD_NAMESPACE"),
        log_level=log.one_of("level", "debug", "info", "warning", "error"),
        log_format=log.one_of("format", "text", "json"),
        include_by_default=config.one_of("default", "exclude", "include") == "include",
        namespace_secret=at.section("credentials").text("namespaceSecret", empty=True),
        environment=config.text("environment", empty=True),
        tags=config.texts("tags"),
        default_timezone=config.text("defaultTimezone", empty=True),
        key_inference=KeyInference(config.one_of("keyInference", "k8s", "name")),
        name_prefix=config.text("namePrefix", empty=True),
        cluster_name=config.text("clusterName", empty=True),
        tell_deleted_jobs=config.one_of("onJobDeleted", "fail", "silent") == "fail",
        on_remove=OnRemove(at.section("monitors").one_of("onRemove", *(policy.value for policy in OnRemove))),
        telemetry_url=cronitor.url("telemetryUrl"),
        api_url=cronitor.url("apiUrl"),
        proxy=Proxy(*(proxy.text(name, empty=True) for name in ("https", "http", "no"))),
        injection_enabled=at.section("injection").boolean("enabled"),
        dry_run=at.boolean("dryRun"),
        breaker=_breaker(at.section("breaker")),
        sidecar=_sidecar(at.section("sidecar"), unscheduled_seconds),
        names=_names(at.section("names")),
        admission_port=admission.integer("port", 1, 65535),
        admission_health_port=admission.integer("healthPort", 1, 65535),
        admission_threads=admission.integer("threads", 1, 256),
        drain_seconds=admission.integer("drainSeconds", 0, 3600),
        controller_health_port=controller.integer("healthPort", 1, 65535),
        # 600 is the least that the TokenRequest API grants.
        token_seconds=controller.integer("tokenSeconds", 600, 2**32),
        # Cronitor takes 50 from one address, the sidecars' among them.
        events_per_second=controller.integer("eventsPerSecond", 1, 50),
        unscheduled_seconds=unscheduled_seconds,
    )


def _breaker(section: "_Section") -> BreakerSettings:
    return BreakerSettings(
        enabled=section.boolean("enabled"),
        open_seconds=section.integer("openSeconds", 1, 86400),
        free_stuck_pods=section.boolean("freeStuckPods"),
        free_images=section.texts("freeImages"),
    )


def _sidecar(section: "_Section", unscheduled_seconds: int) -> Sidecar:
    return Sidecar(
        image=section.text("image"),
        image_pull_policy=section.one_of("imagePullPolicy", "IfNotPresent", "Always", "Never"),
        image_pull_secrets=section.texts("imagePullSecrets"),
        run_as_user=None if section.absent("runAsUser") else section.integer("runAsUser", 1, 2**31 - 1),
        resources=section.section("resources").mapping,
        guaranteed_resources=section.section("guaranteedResources").mapping,
        ignore_containers=section.texts("ignoreContainers"),
        stuck_seconds=section.integer("stuckSeconds", 1, 86400),
        unscheduled_seconds=unscheduled_seconds,
        log_level=section.one_of("logLevel", "debug", "info", "warning", "error"),
    )


def _names(section: "_Section") -> Names:
    return Names(
        state_config_map=section.text("stateConfigMap"),
        monitor_records=section.text("monitorRecords"),
        lease=section.text("lease"),
        tls_secret=section.text("tlsSecret"),
        service=section.text("service"),
        webhook_configuration=section.text("webhookConfiguration"),
        owner_cluster_role=section.text("ownerClusterRole"),
        namespace_objects=section.text("namespaceObjects"),
    )


def _variable(environment: Mapping[str, str], name: str) -> str:
    if not (text := environment.get(name, "")):
        raise SettingsError(f"{name} is not set: it must have a value")
    return text


class _Section:
    """Typed reads of one object of the document, with errors that name path, value and what is allowed."""

    def __init__(self, found: Any, path: str) -> None:
        self._path = path
        if not isinstance(found, dict):
            raise self._wrong("", found, "an object")
        self.mapping: dict[str, Any] = found

    def section(self, name: str) -> "_Section":
        return _Section(self._found(name), f"{self._path}{name}.")

    def absent(self, name: str) -> bool:
        return self.mapping.get(name) is None

    def text(self, name: str, *, empty: bool = False) -> str:
        found = self._found(name)
        if not isinstance(found, str) or not (found or empty):
            raise self._wrong(name, found, "a text" if empty else "a text that is not empty")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._found(name)
        if not isinstance(found, list) or not all(isinstance(text, str) and text for text in found):
            raise self._wrong(name, found, "a list of texts")
        return tuple(found)

    def url(self, name: str) -> str:
        found = self.text(name)
        if not found.startswith(("https://", "http://")):
            raise self._wrong(name, found, "an address that begins with https:// or http://")
        return found.rstrip("/")

    def boolean(self, name: str) -> bool:
        found = self._found(name)
        if not isinstance(found, bool):
            raise self._wrong(name, found, "true or false")
        return found

    def integer(self, name: str, least: int, most: int) -> int:
        found = self._found(name)
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise self._wrong(name, found, f"a whole number from {least} to {most}")
        return found

    def one_of(self, name: str, *allowed: str) -> str:
        found = self._found(name)
        if found not in allowed:
            raise self._wrong(name, found, f"one of {', '.join(allowed)}")
        return str(found)

    def _found(self, name: str) -> Any:
        if name not in self.mapping:
            raise SettingsError(f"{self._path}{name} is not set: it must have a value")
        return self.mapping[name]

    def _wrong(self, name: str, found: Any, allowed: str) -> SettingsError:
        return SettingsError(f"{(self._path + name).rstrip('.') or 'settings'}={found!r}: must be {allowed}")
