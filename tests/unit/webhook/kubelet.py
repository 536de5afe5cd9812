"""What the kubelet makes of a container's `env`, and the settings that are packed into ours."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any


def expanded(text: str, known: Mapping[str, str]) -> str:
    """As the kubelet expands a value (k8s.io/kubernetes/third_party/forked/golang/expansion)."""

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return known.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", one, text)


def variables(container: Mapping[str, Any], field: Callable[[str], str]) -> dict[str, str]:
    """The environment of the container; `field` gives the value of a field of its pod."""
    given: dict[str, str] = {}
    for variable in container["env"]:
        path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        given[variable["name"]] = field(path) if path else expanded(variable["value"], given)
    return given


def sidecar_settings(container: Mapping[str, Any], field: Callable[[str], str]) -> dict[str, str]:
    """What our container is told, each under its own name."""
    given = variables(container, field)
    told: dict[str, str] = json.loads(given.pop("CRONITOR_SIDECAR_SETTINGS"))
    assert not told.keys() & given.keys()
    return {**given, **told}
