"""What the small API server keeps: objects, their versions and history; and what is asked of it."""

import base64
import json
import threading
import time
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """A path taken apart: the collection without namespace, and what of it is meant."""

    collection: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def target_of(path: str) -> Target:
    """`/apis/batch/v1/namespaces/shop/jobs/x` and the like."""
    parts = path.strip("/").split("/")
    size = 2 if parts[0] == "api" else 3
    prefix, rest = "/" + "/".join(parts[:size]), parts[size:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = [*rest, "", ""][:3]
    return Target(f"{prefix}/{resource}", namespace, name, subresource)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Json
    body: Any = None

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "1"

    def __str__(self) -> str:
        return f"{'WATCH' if self.is_watch else self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer other than the usual one. Without a status: the connection is cut; `held` waits for `release` first."""

    status: int | None = None
    reason: str = ""
    body: bytes | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history. `before` is the object as it was, if there was one."""

    version: int
    kind: str
    target: Target
    found: Json
    before: Json | None = None

    def as_seen_through(self, query: Json) -> str:
        """The kind of event that a watch with these selectors gets of it; '' for none."""
        if self.kind == "BOOKMARK":
            return self.kind
        is_in = self.kind != "DELETED" and selected(self.found, query)
        was_in = self.before is not None and selected(self.before, query)
        return {(True, True): "MODIFIED", (True, False): "ADDED", (False, True): "DELETED"}.get((is_in, was_in), "")


class Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(slots=True)
class Store:
    """The objects and their history; `changed` guards all of it and the watches' ends."""

    objects: dict[Target, Json] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    version: int = 100
    oldest: int = 0
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))

    def get(self, target: Target) -> Json:
        if (found := self.objects.get(target)) is None:
            raise Refused(404, "NotFound")
        return found

    def write(self, target: Target, body: Json) -> Json:
        """Store, as the API server would: with a version of its own, and with uid and creation time kept."""
        self.version += 1
        before = self.objects.get(target)
        stored = deepcopy(body)
        metadata = stored.setdefault("metadata", {})
        known = before["metadata"] if before else {}
        metadata |= {
            "name": target.name,
            **({"namespace": target.namespace} if target.namespace else {}),
            "uid": known.get("uid") or metadata.get("uid") or f"uid-{self.version}",
            "creationTimestamp": known.get("creationTimestamp")
            or metadata.get("creationTimestamp")
            or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "resourceVersion": str(self.version),
        }
        self.objects[target] = stored
        self._record("MODIFIED" if before else "ADDED", target, stored, before)
        return stored

    def remove(self, target: Target) -> Json:
        before = self.get(target)
        removed = deepcopy(before)
        del self.objects[target]
        self.version += 1
        removed["metadata"]["resourceVersion"] = str(self.version)
        self._record("DELETED", target, removed, before)
        return removed

    def _record(self, kind: str, target: Target, found: Json, before: Json | None) -> None:
        self.history.append(Change(self.version, kind, target, deepcopy(found), before))
        self.changed.notify_all()

    def listed(self, target: Target, query: Json) -> list[Json]:
        return [
            found
            for one, found in sorted(self.objects.items(), key=lambda item: (item[0].namespace, item[0].name))
            if in_collection(one, target) and selected(found, query)
        ]


def in_collection(one: Target, wanted: Target) -> bool:
    return one.collection == wanted.collection and wanted.namespace in ("", one.namespace)


def selected(found: Json, query: Json) -> bool:
    """The selectors in use here: a name, phases that are not, a label, or a label's value."""
    metadata = found["metadata"]
    label = query.get("labelSelector", "")
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, wanted = term.partition("=")
        known = {
            "metadata.name": metadata["name"],
            "status.phase": (found.get("status") or {}).get("phase"),
            "reason": found.get("reason"),
            "involvedObject.kind": (found.get("involvedObject") or {}).get("kind"),
        }
        if (known[path.rstrip("!")] == wanted) is path.endswith("!"):
            return False
    labels = metadata.get("labels") or {}
    name, equals, value = label.partition("=")
    return not label or (labels.get(name) == value if equals else name in labels)


def merged(found: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(found) if isinstance(found, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def token(uid: str, issued_at: float, seconds: float) -> str:
    """A ServiceAccount's token as far as its claims go."""
    claims = {"iat": issued_at, "exp": issued_at + seconds, "kubernetes.io": {"serviceaccount": {"uid": uid}}}
    parts: list[Json] = [{"alg": "none"}, claims, {}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def split(raw: str) -> tuple[str, Json]:
    """Path and query of a request line's target."""
    parts = urlsplit(raw)
    return parts.path, dict(parse_qsl(parts.query))
