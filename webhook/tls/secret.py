"""The TLS Secret as values and back. Pure; whatever stands in the Secret, reading it raises nothing.

Its type is kubernetes.io/tls. `tls.crt` and `tls.key` are the leaf in use, `ca.crt` the bundle to publish;
`next.crt` and `next.key` are the coming leaf while its authority is being published. Two annotations tell since when.
"""

import base64
import binascii
import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from webhook.tls.certificates import KeyPair, read_bundle, write_bundle

PUBLISHED_AT = "k8s.cronitor.io/tls-published-at"
SWITCHED_AT = "k8s.cronitor.io/tls-switched-at"

_LEAF = ("tls.crt", "tls.key")
_COMING = ("next.crt", "next.key")
_BUNDLE = "ca.crt"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contents:
    """What the Secret holds. The pairs are not verified; `authorities` are those of the bundle that can be read."""

    current: KeyPair
    coming: KeyPair | None
    authorities: tuple[x509.Certificate, ...]
    published_at: datetime | None = None
    switched_at: datetime | None = None
    # When the API server last stored a change of the object, by its own clock: the true time is not before it.
    stored_at: datetime | None = None


def read_secret(secret: Mapping[str, Any]) -> Contents:
    entries = _mapping(secret.get("data"))
    annotations = _mapping(_mapping(secret.get("metadata")).get("annotations"))
    coming = _pair(entries, _COMING)
    return Contents(
        current=_pair(entries, _LEAF),
        coming=coming if coming.certificate_pem or coming.key_pem else None,
        authorities=read_bundle(_decoded(entries, _BUNDLE)),
        published_at=_moment(annotations.get(PUBLISHED_AT)),
        switched_at=_moment(annotations.get(SWITCHED_AT)),
        stored_at=_stored_at(_mapping(secret.get("metadata"))),
    )


def new_secret(namespace: str, name: str) -> Json:
    """An empty Secret of ours, to be filled by `write_secret`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "cronitor-k8s"},
        },
    }


def write_secret(secret: Mapping[str, Any], contents: Contents) -> Json:
    """The Secret with these contents, all else in it left as it was (other labels, other keys, resourceVersion)."""
    written = copy.deepcopy(dict(secret))
    entries = dict(_mapping(written.get("data")))
    for keys, pair in ((_LEAF, contents.current), (_COMING, contents.coming)):
        for key in keys:
            entries.pop(key, None)
        if pair is not None:
            entries |= zip(keys, (_encoded(pair.certificate_pem), _encoded(pair.key_pem)), strict=True)
    entries[_BUNDLE] = _encoded(write_bundle(contents.authorities))
    written["data"] = entries
    metadata = dict(_mapping(written.get("metadata")))
    annotations = dict(_mapping(metadata.get("annotations")))
    for key, moment in ((PUBLISHED_AT, contents.published_at), (SWITCHED_AT, contents.switched_at)):
        annotations.pop(key, None)
        if moment is not None:
            annotations[key] = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata["annotations"] = annotations
    written["metadata"] = metadata
    return written


def with_owner(secret: Mapping[str, Any], cluster_role: Mapping[str, Any] | None) -> Json:
    """The Secret owned by this ClusterRole (beside other owners), or as it was if there is none to be had."""
    owned = copy.deepcopy(dict(secret))
    identity = _mapping(_mapping(cluster_role).get("metadata"))
    if not identity.get("uid"):
        return owned
    owner = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "name": identity["name"],
        "uid": identity["uid"],
    }
    others = owned["metadata"].get("ownerReferences") or []
    others = [other for other in others if (other.get("kind"), other.get("name")) != ("ClusterRole", owner["name"])]
    owned["metadata"]["ownerReferences"] = [*others, owner]
    return owned


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _pair(entries: Mapping[str, Any], keys: tuple[str, str]) -> KeyPair:
    return KeyPair(_decoded(entries, keys[0]), _decoded(entries, keys[1]))


def _decoded(entries: Mapping[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode(entries.get(key) or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        return b""


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _stored_at(metadata: Mapping[str, Any]) -> datetime | None:
    fields = metadata.get("managedFields")
    entries = fields if isinstance(fields, list) else []
    moments = [_moment(metadata.get("creationTimestamp"))]
    moments += [_moment(entry.get("time")) for entry in entries if isinstance(entry, Mapping)]
    return max((moment for moment in moments if moment is not None), default=None)


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
