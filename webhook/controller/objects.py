"""Writes and deletes what the controller makes in namespaces: owned by the release, and never somebody else's."""

import logging
from collections.abc import Callable
from typing import Any

from webhook.clients.kube import KubeClient
from webhook.controller.plan import is_ours
from webhook.errors import AlreadyExists, CronitorK8sError, KubeError, NotFound

UNPROCESSABLE = 422

log = logging.getLogger(__name__)

Json = dict[str, Any]


class ForeignObjectError(CronitorK8sError):
    """An object of the name that we use is there, and is not ours."""


class OwnedObjects:
    """`owner_path` is the ClusterRole that owns everything, `owner_uid` what it was at start.

    If it has gone the release is being removed, and nothing is written any more. If another has taken its place, what
    names the old one would be garbage-collected as fast as we write it: `owner_changed` is called.
    """

    def __init__(self, kube: KubeClient, owner_path: str, owner_uid: str, owner_changed: Callable[[], None]) -> None:
        self._kube, self._owner_path, self._owner_uid = kube, owner_path, owner_uid
        self._owner_changed = owner_changed

    def write(self, collection: str, body: Json) -> None:
        """Create the object, or bring the one that is there to the same content. Raises ForeignObjectError."""
        self._check_owner()
        path = f"{collection}/{body['metadata']['name']}"
        try:
            self._kube.create(collection, body)
        except AlreadyExists:
            found = self._kube.get(path)
            if not is_ours(found):
                raise ForeignObjectError(f"{path} is there and not ours: it is left alone") from None
            if "data" in body:  # a merge patch removes only what it names
                body = {**body, "data": {**dict.fromkeys(found.get("data") or {}), **body["data"]}}
            self._bring(path, collection, found, body)

    def delete(self, path: str, uid: str) -> None:
        """Delete that very object."""
        try:
            self._kube.delete(path, {"preconditions": {"uid": uid}})
        except NotFound:
            log.debug("already_gone", extra={"path": path})

    def _bring(self, path: str, collection: str, found: Json, body: Json) -> None:
        try:
            self._kube.patch(path, body)
        except KubeError as error:
            if error.status != UNPROCESSABLE:
                raise
            # Immutable, or of another type: only a new one can be right.
            self.delete(path, found["metadata"]["uid"])
            kept = {key: value for key, value in (body.get("data") or {}).items() if value is not None}
            self._kube.create(collection, {**body, **({"data": kept} if "data" in body else {})})

    def _check_owner(self) -> None:
        if self._kube.get(self._owner_path)["metadata"]["uid"] != self._owner_uid:
            self._owner_changed()
