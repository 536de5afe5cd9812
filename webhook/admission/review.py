"""AdmissionReview in, AdmissionReview out (admission.k8s.io/v1). Pure.

Whatever comes, the answer is `allowed: true`: `failurePolicy: Ignore` covers errors and timeouts, not a refusal.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

API_VERSION = "admission.k8s.io/v1"


class UnreadableReviewError(Exception):
    """The request is no AdmissionReview of a version that we speak. The message says what is wrong, with no content."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a review asks. `pod` is the raw object; `is_new_pod` whether it is a Pod's CREATE at all."""

    uid: str
    namespace: str
    is_new_pod: bool
    pod: Mapping[str, Any]


def read(body: bytes) -> Request:
    """Raises UnreadableReviewError."""
    try:
        review = json.loads(body)
        request = review["request"]
        if review.get("apiVersion") != API_VERSION or review.get("kind") != "AdmissionReview":
            raise UnreadableReviewError("not an AdmissionReview of " + API_VERSION)
        pod = request.get("object") or {}
        kind = request.get("kind") or {}
        is_pod = (kind.get("group"), kind.get("version"), kind.get("kind")) == ("", "v1", "Pod")
        is_new = request.get("operation") == "CREATE" and not request.get("subResource")
        is_new_pod = is_pod and is_new
        if is_new_pod and not _is_shaped(pod):
            raise UnreadableReviewError("its object is not shaped like a Pod")
        return Request(
            uid=str(request["uid"]),
            # The pod's own may be empty at CREATE.
            namespace=str(request.get("namespace") or ""),
            is_new_pod=is_new_pod,
            pod=pod,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableReviewError(f"not an AdmissionReview: {type(error).__name__}") from None


def _is_shaped(pod: Mapping[str, Any]) -> bool:
    """Whether our patch would apply: one that does not is an error that `failurePolicy: Ignore` does not cover."""
    spec, metadata = pod.get("spec"), pod.get("metadata")
    if not isinstance(spec, dict) or not isinstance(metadata, dict):
        return False
    mappings = [metadata.get(key) for key in ("labels", "annotations")]
    lists = [spec.get(key) for key in ("initContainers", "containers", "volumes", "imagePullSecrets")]
    return all(one is None or isinstance(one, dict) for one in mappings) and all(
        one is None or (isinstance(one, list) and all(isinstance(entry, dict) for entry in one)) for one in lists
    )


def annotations_of(body: bytes) -> tuple[str, dict[str, str]]:
    """The uid of a review, and the annotations of the object that it is of. Raises UnreadableReviewError."""
    try:
        request = json.loads(body)["request"]
        found = (request["object"].get("metadata") or {}).get("annotations") or {}
        return str(request["uid"]), {str(key): str(text) for key, text in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableReviewError(f"not an AdmissionReview: {type(error).__name__}") from None


def answer(uid: str, patch: list[dict[str, Any]] | None = None, warnings: Sequence[str] = ()) -> bytes:
    """The review that allows the object, with `patch` where there is one, and with what the person is told."""
    response: dict[str, Any] = {"uid": uid, "allowed": True}
    if warnings:
        response["warnings"] = list(warnings)
    if patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(_compact(patch)).decode()
    return _compact({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response})


def _compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def uid_of(body: bytes) -> str:
    """The request's uid of a review that could not be read as one, if it can be told; else ''."""
    try:
        return str(json.loads(body)["request"]["uid"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
