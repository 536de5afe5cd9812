"""The CA bundle in the MutatingWebhookConfiguration. Pure: a configuration goes in, a JSON patch comes out."""

import base64
from collections.abc import Mapping
from typing import Any


def has_webhooks(configuration: Mapping[str, Any] | None) -> bool:
    return configuration is not None and bool(configuration.get("webhooks"))


def publication(configuration: Mapping[str, Any], bundle: bytes) -> list[dict[str, Any]]:
    """The JSON patch that gives this bundle to every webhook; empty where all have it.

    It sets the resourceVersion that was read, which makes the API server answer 409 if the configuration has
    changed since (a `test` operation would be a 422, which says less).
    """
    encoded = base64.b64encode(bundle).decode("ascii")
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": encoded}
        for index, webhook in enumerate(configuration.get("webhooks") or [])
        if webhook.get("clientConfig", {}).get("caBundle") != encoded
    ]
    if not operations:
        return []
    version = configuration["metadata"]["resourceVersion"]
    return [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}, *operations]
