"""Values: each documented, wrong ones refused with a message that names them."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.chart.helm import API_KEY, CHART, ChartRefusedError, Manifest, render

SHA = "0" * 64

# What is given, and what the message must name.
REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"cronitr": {}}, ["cronitr"]),
    ({"credentials": {"apikey": "x"}}, ["/credentials", "apikey"]),
    ({"credentials": {"apiKey": 12}}, ["/credentials/apiKey"]),
    ({"credentials": {"existingSecret": "Not A Name"}}, ["/credentials/existingSecret"]),
    ({"cronitor": {"telemetryUrl": "cronitor.link"}}, ["/cronitor/telemetryUrl"]),
    ({"cronitor": {"telemetryUrl": ""}}, ["/cronitor/telemetryUrl"]),
    ({"cronitor": {"apiUrl": "ftp://x"}}, ["/cronitor/apiUrl"]),
    ({"cronitor": {"extraCA": "/etc/ssl/ca.pem"}}, ["/cronitor/extraCA"]),
    ({"cronitor": {"extraCAConfigMap": {"file": "x"}}}, ["/cronitor/extraCAConfigMap", "file"]),
    ({"proxy": {"https": "proxy:3128"}}, ["/proxy/https"]),
    ({"proxy": {"noProxy": ".corp"}}, ["/proxy", "noProxy"]),
    ({"injection": {"enabled": "yes"}}, ["/injection/enabled"]),
    ({"config": {"default": "all"}}, ["/config/default", "exclude", "include"]),
    ({"config": {"tags": "a, b"}}, ["/config/tags"]),
    ({"config": {"keyInference": "uid"}}, ["/config/keyInference", "k8s", "name"]),
    ({"config": {"clusterName": "two words"}}, ["/config/clusterName"]),
    ({"config": {"defaultTimezone": "+02:00"}}, ["/config/defaultTimezone"]),
    ({"monitors": {"onRemove": "forget"}}, ["/monitors/onRemove", "pause", "keep", "delete"]),
    ({"credentials": {"namespaceSecret": "cronitor-sidecar"}}, ["credentials.namespaceSecret"]),
    ({"log": {"level": "trace"}}, ["/log/level", "debug", "warning"]),
    ({"log": {"format": "logfmt"}}, ["/log/format", "text", "json"]),
    ({"image": {"tag": 2024}}, ["/image/tag"]),
    ({"image": {"digest": SHA}}, ["/image/digest", "sha256:"]),
    ({"image": {"repository": ""}}, ["/image/repository"]),
    ({"image": {"repository": f"r/x@sha256:{SHA}"}}, ["/image/repository"]),
    ({"image": {"pullPolicy": "Sometimes"}}, ["/image/pullPolicy", "IfNotPresent"]),
    ({"imagePullSecrets": ["pull"]}, ["/imagePullSecrets/0"]),
    ({"sidecar": {"image": "r/x:1"}}, ["/sidecar/image"]),
    ({"sidecar": {"runAsUser": 0}}, ["/sidecar/runAsUser"]),
    ({"sidecar": {"runAsUser": "nobody"}}, ["/sidecar/runAsUser"]),
    ({"sidecar": {"resources": {"limits": {"memory": "128MB"}}}}, ["/sidecar/resources/limits/memory"]),
    ({"sidecar": {"resources": {"limit": {}}}}, ["/sidecar/resources", "limit"]),
    ({"sidecar": {"guaranteedResources": {"memory": None}}}, ["/sidecar/guaranteedResources", "memory"]),
    ({"sidecar": {"ignoreContainers": "istio-proxy"}}, ["/sidecar/ignoreContainers"]),
    ({"sidecar": {"ignoreContainers": ["istio_*"]}}, ["/sidecar/ignoreContainers/0"]),
    ({"sidecar": {"stuckSeconds": 0}}, ["/sidecar/stuckSeconds"]),
    ({"sidecar": {"stuckSeconds": "2m"}}, ["/sidecar/stuckSeconds"]),
    ({"sidecar": {"logLevel": "INFO"}}, ["/sidecar/logLevel"]),
    ({"podSecurity": {"runAsUser": 0}}, ["/podSecurity/runAsUser"]),
    ({"serviceAccount": {"name": "x"}}, ["/serviceAccount", "name"]),
    ({"admission": {"replicas": -1}}, ["/admission/replicas"]),
    ({"admission": {"replica": 2}}, ["/admission", "replica"]),
    ({"admission": {"threads": 0}}, ["/admission/threads"]),
    ({"admission": {"drainSeconds": "95s"}}, ["/admission/drainSeconds"]),
    ({"admission": {"tolerations": {"key": "x"}}}, ["/admission/tolerations"]),
    ({"admission": {"affinity": {"nodeAfinity": {}}}}, ["/admission/affinity", "nodeAfinity"]),
    ({"admission": {"podLabels": {"a": 1}}}, ["/admission/podLabels/a"]),
    ({"controller": {"threads": 8}}, ["/controller", "threads"]),
    ({"controller": {"tokenSeconds": 60}}, ["/controller/tokenSeconds"]),
    ({"controller": {"nodeSelector": {"a": True}}}, ["/controller/nodeSelector/a"]),
    ({"metrics": {"podMonitor": {"interval": "30s"}}}, ["/metrics/podMonitor", "interval"]),
    ({"fullnameOverride": "Cronitor"}, ["/fullnameOverride"]),
    ({"fullnameOverride": "x" * 51}, ["/fullnameOverride"]),
    ({"nameOverride": "-x"}, ["/nameOverride"]),
    ({"global": "x"}, ["/global"]),
    ({"admission": None}, ["admission"]),
    ({"log": {"level": None}}, ["/log", "level"]),
    ({"injection": {"enabled": None}}, ["/injection", "enabled"]),
    (
        {"cronitor": {"extraCA": "-----BEGIN CERTIFICATE-----", "extraCAConfigMap": {"name": "x"}}},
        ["extraCAConfigMap.name"],
    ),
    ({"credentials": {"existingSecret": "mine"}}, ["credentials.existingSecret", "credentials.apiKey"]),
    ({"credentials": {"telemetryKey": "a b"}}, ["credentials.telemetryKey"]),
]


@pytest.mark.parametrize(("values", "named"), REFUSED, ids=lambda item: json.dumps(item)[:60])
def test_a_wrong_value_is_refused_by_name(values: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(ChartRefusedError) as refused:
        render(values)
    message = str(refused.value)
    assert "nil pointer" not in message
    assert API_KEY not in message
    for word in named:
        assert word in message


@pytest.mark.parametrize("values", [{}, {"credentials": {"telemetryKey": "only-this"}}])
def test_without_an_api_key_the_message_says_what_to_give(values: dict[str, Any]) -> None:
    with pytest.raises(ChartRefusedError) as refused:
        render(values, credentials=False)
    assert "--set credentials.apiKey=" in str(refused.value)
    assert "--set credentials.existingSecret=" in str(refused.value)


def test_a_key_that_cannot_be_one_is_not_printed() -> None:
    with pytest.raises(ChartRefusedError) as refused:
        render({"credentials": {"apiKey": "secret key"}})
    assert "credentials.apiKey" in str(refused.value)
    assert "secret key" not in str(refused.value)


def test_a_release_whose_name_makes_no_service_name_is_refused() -> None:
    with pytest.raises(ChartRefusedError) as refused:
        render(release="1st")
    assert "fullnameOverride" in str(refused.value)
    assert render({"fullnameOverride": "first"}, release="1st")


def test_every_value_is_documented_where_it_stands() -> None:
    documented = documented_values()
    undocumented = [leaf for leaf in leaves(default_values()) if not covered(leaf, documented)]
    assert undocumented == []


def test_the_readme_s_table_has_every_value_with_its_default_and_nothing_else() -> None:
    documented = documented_values()
    table = readme_table()
    assert list(table) == list(documented)
    for path, (default, description) in table.items():
        assert description == documented[path]
        shown = value_at(path) if default != "…" else None
        assert default == "…" or json.loads(default) == shown, path


def test_the_schema_knows_every_value_and_no_other() -> None:
    """Beside what only a parent chart hands down, the `no` of YAML that has lost its quotes, and an old name."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = set(schema_paths(schema, schema)) - {"global", "enabled", "proxy.false", "config.defaultEnvironment"}
    for path in documented_values():
        assert any(each == path or each.startswith(f"{path}.") for each in known), path
    for each in known:
        assert covered(each, documented_values()), each


def default_values() -> Manifest:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert isinstance(values, dict)
    return values


def leaves(values: Manifest, prefix: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        path = f"{prefix}{key}"
        found += leaves(value, f"{path}.") if isinstance(value, dict) and value else [path]
    return found


def covered(path: str, documented: dict[str, str]) -> bool:
    """Documented itself, or part of a value that is documented as a whole."""
    return any(path == each or path.startswith(f"{each}.") for each in documented)


def documented_values() -> dict[str, str]:
    """Each value's path and its `# --` comment, in the order of the file."""
    lines = (CHART / "values.yaml").read_text().splitlines()
    root = yaml.compose("\n".join(lines))
    assert isinstance(root, yaml.MappingNode)
    return dict(_documented(root, lines, ""))


def _documented(node: yaml.MappingNode, lines: list[str], prefix: str) -> list[tuple[str, str]]:
    found = []
    for key, value in node.value:
        above = lines[key.start_mark.line - 1].strip()
        path = f"{prefix}{key.value}"
        if above.startswith("# -- "):
            found.append((path, above.removeprefix("# -- ")))
        elif isinstance(value, yaml.MappingNode):
            found += _documented(value, lines, f"{path}.")
    return found


def readme_table() -> dict[str, tuple[str, str]]:
    """Path → (default as JSON, description)."""
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (.+) \|$", (CHART / "README.md").read_text(), re.MULTILINE)
    assert len({path for path, *_ in rows}) == len(rows)
    return {path: (default, description) for path, default, description in rows}


def value_at(path: str) -> Any:
    found: Any = default_values()
    for key in path.split("."):
        found = found[key]
    return found


def schema_paths(schema: Manifest, root: Manifest, prefix: str = "") -> list[str]:
    found = []
    for key, below in schema.get("properties", {}).items():
        target = root["definitions"][below["$ref"].rsplit("/", 1)[1]] if "$ref" in below else below
        found += schema_paths(target, root, f"{prefix}{key}.") or [f"{prefix}{key}"]
    return found
