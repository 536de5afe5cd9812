"""The settings document: read once, typed, and every error names the setting, its value and what is allowed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.webhook.settings_document import DOCUMENT, ENVIRONMENT, REMOVED, document, settings
from webhook.annotations import KeyInference, Options
from webhook.controller.monitor_plan import OnRemove
from webhook.errors import SettingsError
from webhook.settings import BreakerSettings, load, parse


def leaves(found: Any, path: str = "") -> list[str]:
    """Paths of all settings that are not objects; the two of Kubernetes' resources count as one each."""
    if not isinstance(found, dict) or path.lower().endswith("resources"):
        return [path]
    return [leaf for name, one in found.items() for leaf in leaves(one, f"{path}.{name}".lstrip("."))]


OPTIONAL = {"sidecar.runAsUser"}


def test_the_document_is_read() -> None:
    read = settings()
    assert (read.pod_name, read.namespace) == ("controller-0", "cronitor")
    assert (read.log_level, read.log_format) == ("info", "text")
    assert (read.include_by_default, read.injection_enabled) == (False, True)
    assert read.sidecar.image_pull_secrets == ()
    assert read.sidecar.ignore_containers == ("istio-proxy", "linkerd-proxy")
    assert read.sidecar.resources == DOCUMENT["sidecar"]["resources"]
    assert read.names.owner_cluster_role == "release-sidecar"
    assert (read.admission_port, read.admission_health_port, read.controller_health_port) == (8443, 8080, 8080)
    assert (read.admission_threads, read.drain_seconds, read.token_seconds) == (8, 95, 86400)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"config.default": "include"}, {"include": True}),
        ({"config.environment": "prod"}, {"env": "prod"}),
        ({"config.tags": ["team-a", "b"]}, {"tags": ("team-a", "b")}),
        ({"config.keyInference": "name"}, {"key_inference": KeyInference.NAME}),
        ({"config.namePrefix": "none"}, {"name_prefix": "none"}),
    ],
)
def test_the_charts_level_of_the_annotations(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    nothing = Options(include=False, key_inference=KeyInference.UID)
    assert settings(**changes).default_options == replace(nothing, **expected)


@pytest.mark.parametrize(
    ("path", "value", "attribute", "expected"),
    [
        ("config.default", "include", "include_by_default", True),
        ("config.environment", "prod", "environment", "prod"),
        ("cronitor.telemetryUrl", "http://10.0.0.1:9000/", "telemetry_url", "http://10.0.0.1:9000"),
        ("cronitor.apiUrl", "https://c.example/api//", "api_url", "https://c.example/api"),
        ("injection.enabled", False, "injection_enabled", False),
        ("dryRun", True, "dry_run", True),
        ("monitors.onRemove", "delete", "on_remove", OnRemove.DELETE),
        ("admission.drainSeconds", 0, "drain_seconds", 0),
        ("controller.tokenSeconds", 600, "token_seconds", 600),
        ("log.level", "error", "log_level", "error"),
    ],
)
def test_a_value_arrives(path: str, value: object, attribute: str, expected: object) -> None:
    assert getattr(settings(**{path: value}), attribute) == expected


def test_what_the_breaker_does_arrives() -> None:
    given = {"breaker.enabled": False, "breaker.openSeconds": 5, "breaker.freeStuckPods": False}
    read = settings(**given, **{"breaker.freeImages": ["pause:1"]}).breaker
    assert read == BreakerSettings(enabled=False, open_seconds=5, free_stuck_pods=False, free_images=("pause:1",))


@pytest.mark.parametrize("value", [None, REMOVED])
def test_the_sidecars_user_may_be_left_to_the_platform(value: object) -> None:
    assert settings(**{"sidecar.runAsUser": value}).sidecar.run_as_user is None


@pytest.mark.parametrize("path", [path for path in leaves(DOCUMENT) if path not in OPTIONAL])
def test_a_setting_that_is_missing_is_named(path: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{path} is not set: it must have a value$"):
        settings(**{path: REMOVED})


@pytest.mark.parametrize("section", list(DOCUMENT))
def test_a_section_that_is_missing_is_named(section: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{section} is not set"):
        settings(**{section: REMOVED})


WRONG: list[tuple[str, object, str]] = [
    ("log.level", "INFO", "one of debug, info, warning, error"),
    ("log.level", [], "one of debug, info, warning, error"),
    ("log.format", "xml", "one of text, json"),
    ("config.default", "true", "one of exclude, include"),
    ("config.environment", 7, "a text"),
    ("config.environment", None, "a text"),
    ("cronitor.telemetryUrl", "cronitor.link", "an address that begins with https:// or http://"),
    ("cronitor.telemetryUrl", "", "a text that is not empty"),
    ("cronitor.apiUrl", "ftp://cronitor.io", "an address that begins with https:// or http://"),
    ("proxy.https", None, "a text"),
    ("injection.enabled", "true", "true or false"),
    ("dryRun", "true", "true or false"),
    ("monitors.onRemove", "Pause", "one of pause, keep, delete"),
    ("breaker.enabled", None, "true or false"),
    ("breaker.openSeconds", 0, "a whole number from 1 to 86400"),
    ("breaker.freeImages", [""], "a list of texts"),
    ("injection.enabled", 1, "true or false"),
    ("sidecar", [], "an object"),
    ("sidecar.image", "", "a text that is not empty"),
    ("sidecar.imagePullPolicy", "ifNotPresent", "one of IfNotPresent, Always, Never"),
    ("sidecar.imagePullSecrets", "regcred", "a list of texts"),
    ("sidecar.imagePullSecrets", [{"name": "regcred"}], "a list of texts"),
    ("sidecar.imagePullSecrets", [""], "a list of texts"),
    ("sidecar.runAsUser", 0, "a whole number from 1 to 2147483647"),
    ("sidecar.runAsUser", "65532", "a whole number from 1 to 2147483647"),
    ("sidecar.runAsUser", True, "a whole number from 1 to 2147483647"),
    ("sidecar.resources", None, "an object"),
    ("sidecar.guaranteedResources", "100m", "an object"),
    ("sidecar.ignoreContainers", None, "a list of texts"),
    ("sidecar.stuckSeconds", 0, "a whole number from 1 to 86400"),
    ("sidecar.logLevel", "trace", "one of debug, info, warning, error"),
    ("names.lease", "", "a text that is not empty"),
    ("admission.port", 65536, "a whole number from 1 to 65535"),
    ("admission.port", 8443.5, "a whole number from 1 to 65535"),
    ("admission.threads", 0, "a whole number from 1 to 256"),
    ("admission.drainSeconds", -1, "a whole number from 0 to 3600"),
    ("controller.tokenSeconds", 599, "a whole number from 600 to"),
]


@pytest.mark.parametrize(("path", "value", "allowed"), WRONG)
def test_an_error_names_the_setting_its_value_and_what_is_allowed(path: str, value: object, allowed: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(**{path: value})
    message = str(raised.value)
    assert message.startswith(f"{path}={value!r}: must be ")
    assert allowed in message


@pytest.mark.parametrize("found", [[], None, "text", 7])
def test_a_document_that_is_no_object_is_refused(found: object) -> None:
    with pytest.raises(SettingsError, match=r"^settings=.*: must be an object$"):
        parse(found, ENVIRONMENT)


@pytest.mark.parametrize("variable", ["POD_NAME", "POD_NAMESPACE"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_of_the_downward_api_that_is_missing_is_named(variable: str, value: str | None) -> None:
    environment = {**ENVIRONMENT, variable: value or ""}
    with pytest.raises(SettingsError, match=f"^{variable} is not set"):
        parse(document(), environment)


def test_the_document_is_read_from_the_file_that_the_environment_names(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(document(**{"log.level": "debug"})))
    assert load({**ENVIRONMENT, "CRONITOR_SETTINGS": str(path)}).log_level == "debug"


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("{", "is not JSON"), ("", "is not JSON")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "settings.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=f"CRONITOR_SETTINGS='{path}': {said}"):
        load({**ENVIRONMENT, "CRONITOR_SETTINGS": str(path)})
