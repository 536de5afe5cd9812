"""An API server in memory, as far as the keeper sees it: resourceVersions, conflicts, and its own clock's stamps."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonpatch

from webhook.errors import AlreadyExists, Conflict, KubeError, NotFound
from webhook.tls.keeper import TlsNames

Json = dict[str, Any]
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = TlsNames("cronitor", "release-tls", "release-admission", "release", "release-sidecar")
SECRETS = "/api/v1/namespaces/cronitor/secrets"
SECRET = f"{SECRETS}/release-tls"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/release"
OWNER = "/apis/rbac.authorization.k8s.io/v1/clusterroles/release-sidecar"


class Api:
    """`on_call` is called before each request takes effect and again after: it may raise, or do other requests."""

    def __init__(self, *, webhooks: int = 2) -> None:
        self.now = START
        self.objects: dict[str, Json] = {}
        self.writes: list[str] = []
        self.published: list[tuple[datetime, bytes]] = []
        self.on_call: Callable[[str, str, str], None] = lambda method, path, phase: None
        self._version = 0
        if webhooks:
            self.install(webhooks)
        self.put(OWNER, {"metadata": {"name": "release-sidecar", "uid": "uid-of-the-cluster-role"}})

    def install(self, webhooks: int = 2) -> None:
        """The webhook configuration as the chart makes it: without a caBundle."""
        entries = [{"name": f"w{n}.example.org", "clientConfig": {"service": {"name": "x"}}} for n in range(webhooks)]
        self.put(CONFIGURATION, {"metadata": {"name": "release"}, "webhooks": entries})

    def put(self, path: str, body: Json) -> Json:
        """Store an object without further ado, as somebody else would."""
        stored = _copied(body)
        before = self.objects.get(path, {}).get("metadata", {})
        stamp = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._version += 1
        stored["metadata"] |= {
            "resourceVersion": str(self._version),
            "creationTimestamp": before.get("creationTimestamp", stamp),
            "managedFields": [{"manager": "test", "operation": "Update", "time": stamp}],
        }
        self.objects[path] = stored
        if path == CONFIGURATION and (bundle := self.bundle()):
            self.published.append((self.now, bundle))
        return _copied(stored)

    def bundle(self) -> bytes:
        """What the webhooks' calls are verified with; all webhooks have the same."""
        found = {webhook["clientConfig"].get("caBundle", "") for webhook in self.objects[CONFIGURATION]["webhooks"]}
        assert len(found) == 1
        return base64.b64decode(found.pop())

    def bundle_as_of(self, moment: datetime) -> bytes | None:
        """What an API server verifies with that has not heard of anything since."""
        return next((bundle for when, bundle in reversed(self.published) if when <= moment), None)

    def secret_entry(self, key: str) -> bytes:
        return base64.b64decode(self.objects[SECRET]["data"][key])

    def pass_time(self, **time: float) -> None:
        self.now += timedelta(**time)

    # What the keeper calls.

    def get(self, path: str, /) -> Json:
        return self._call("get", path, lambda: self._stored(path))

    def create(self, path: str, body: Json, /) -> Json:
        def take_effect() -> Json:
            target = f"{path}/{body['metadata']['name']}"
            if target in self.objects:
                raise AlreadyExists("POST: 409 AlreadyExists", status=409, reason="AlreadyExists")
            return self._write("create", target, body)

        return self._call("create", path, take_effect)

    def replace(self, path: str, body: Json, /) -> Json:
        def take_effect() -> Json:
            self._check_version(path, body)
            return self._write("replace", path, body)

        return self._call("replace", path, take_effect)

    def patch(self, path: str, body: list[Json], /, *, content_type: str) -> Json:
        def take_effect() -> Json:
            assert content_type == "application/json-patch+json"
            try:
                patched = jsonpatch.apply_patch(self._stored(path), body)
            except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
                raise KubeError("PATCH: 422 Invalid", status=422, reason="Invalid") from None
            self._check_version(path, patched)
            return self._write("patch", path, patched)

        return self._call("patch", path, take_effect)

    def _call(self, method: str, path: str, take_effect: Callable[[], Json]) -> Json:
        self.on_call(method, path, "before")
        answer = take_effect()
        self.on_call(method, path, "after")
        return answer

    def _stored(self, path: str) -> Json:
        if path not in self.objects:
            raise NotFound(f"{path}: 404 NotFound", status=404, reason="NotFound")
        return _copied(self.objects[path])

    def _check_version(self, path: str, body: Json) -> None:
        if self._stored(path)["metadata"]["resourceVersion"] != body["metadata"].get("resourceVersion"):
            raise Conflict(f"{path}: 409 Conflict", status=409, reason="Conflict")

    def _write(self, verb: str, path: str, body: Json) -> Json:
        self.writes.append(f"{verb} {path.rsplit('/', 1)[1]}")
        return self.put(path, body)


def _copied(body: Json) -> Json:
    copy: Json = json.loads(json.dumps(body))
    return copy
