"""What the controller knows and admission needs, as it stands in the release's ConfigMap. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "state.json"


@dataclass(frozen=True, slots=True)
class SharedState:
    """`provisioned`: labelled namespaces that have all that an injected pod needs."""

    provisioned: frozenset[str] = frozenset()


def write(state: SharedState) -> dict[str, str]:
    """The ConfigMap's `data`."""
    return {KEY: json.dumps({"provisioned": sorted(state.provisioned)}, separators=(",", ":"))}


def read(config_map: Mapping[str, Any] | None) -> SharedState:
    """The state in a ConfigMap; an empty one where it is missing or cannot be read, so that nothing is injected."""
    try:
        parsed = json.loads(((config_map or {}).get("data") or {})[KEY])
        return SharedState(frozenset(map(str, parsed["provisioned"])))
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return SharedState()
