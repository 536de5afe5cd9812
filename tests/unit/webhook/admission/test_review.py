"""An admission review is read, or it is said what is wrong with it; its answer always allows."""

import base64
import json
from typing import Any

import pytest

from tests.unit.webhook.objects import pod
from tests.unit.webhook.reviews import UID, response_of, review
from webhook.admission.review import UnreadableReviewError, answer, read, uid_of

Json = dict[str, Any]


def as_bytes(document: object) -> bytes:
    return json.dumps(document).encode()


def test_a_review_of_a_new_pod_is_read() -> None:
    request = read(as_bytes(review(pod(metadata={"namespace": ""}))))
    assert (request.uid, request.namespace, request.is_new_pod) == (UID, "shop", True)
    assert request.pod == pod(metadata={"namespace": ""})


@pytest.mark.parametrize(
    "changed",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE", "object": None},
        {"operation": "CONNECT"},
        {"operation": None},
        {"subResource": "ephemeralcontainers"},
        {"subResource": "binding", "object": {"target": {}}},
        {"kind": {"group": "batch", "version": "v1", "kind": "Job"}},
        {"kind": {"group": "", "version": "v2", "kind": "Pod"}},
        {"kind": {"group": "", "version": "v1", "kind": "Service"}},
        {"kind": None},
        {"kind": {}},
    ],
    ids=str,
)
def test_what_is_no_new_pod_is_none_of_our_business(changed: Json) -> None:
    request = read(as_bytes(review(pod(), **changed)))
    assert (request.uid, request.is_new_pod) == (UID, False)


def with_spec(**spec: Any) -> Json:
    return review({"metadata": {}, "spec": spec})


def with_metadata(**metadata: Any) -> Json:
    return review({"metadata": metadata, "spec": {}})


# (document, whether its uid can still be told)
UNREADABLE: list[tuple[Any, bool]] = [
    (None, False),
    (7, False),
    ([], False),
    ("AdmissionReview", False),
    ({}, False),
    ({"request": None}, False),
    ({**review(pod()), "request": None}, False),
    ({**review(pod()), "request": []}, False),
    ({**review(pod()), "request": {"operation": "CREATE"}}, False),
    ({**review(pod()), "apiVersion": "admission.k8s.io/v1beta1"}, True),
    ({**review(pod()), "apiVersion": None}, True),
    ({**review(pod()), "kind": "Review"}, True),
    (review(pod(), kind="Pod"), True),
    (review(pod(), kind=["", "v1", "Pod"]), True),
    (review(None), True),
    (review([]), True),
    (review("pod"), True),
    (review([pod()]), True),
    (review({"metadata": {}}), True),
    (review({"spec": {}}), True),
    (review({"metadata": [], "spec": {}}), True),
    (review({"metadata": {}, "spec": []}), True),
    (review({"metadata": "x", "spec": "y"}), True),
    (with_metadata(labels=[]), True),
    (with_metadata(labels="x"), True),
    (with_metadata(annotations=[{}]), True),
    (with_spec(initContainers={}), True),
    (with_spec(initContainers="x"), True),
    (with_spec(initContainers=[None]), True),
    (with_spec(containers={"name": "x"}), True),
    (with_spec(containers=["app"]), True),
    (with_spec(volumes={}), True),
    (with_spec(volumes=[[]]), True),
    (with_spec(imagePullSecrets={"name": "x"}), True),
]


@pytest.mark.parametrize(("document", "uid_is_told"), UNREADABLE, ids=lambda item: str(item)[-60:])
def test_what_cannot_be_read_is_an_error_and_its_uid_is_told_if_it_can_be(document: Any, uid_is_told: bool) -> None:
    with pytest.raises(UnreadableReviewError):
        read(as_bytes(document))
    assert uid_of(as_bytes(document)) == (UID if uid_is_told else "")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe\x00", b"<html>", as_bytes(review(pod()))[:-20], b'{"request":' * 100_000, b"[" * 100_000],
    ids=lambda body: body[:20],
)
def test_a_body_that_is_not_json_is_an_error_without_its_content(body: bytes) -> None:
    with pytest.raises(UnreadableReviewError) as raised:
        read(body)
    assert len(str(raised.value)) < 100
    assert uid_of(body) == ""


@pytest.mark.parametrize(
    "given",
    [
        {"metadata": {}, "spec": {}},
        {"metadata": {"labels": None, "annotations": None}, "spec": {"initContainers": None, "volumes": None}},
        {"metadata": {"labels": {}, "annotations": {}}, "spec": {"initContainers": [], "containers": []}},
    ],
)
def test_what_is_missing_or_null_is_no_error(given: Json) -> None:
    assert read(as_bytes(review(given))).is_new_pod


def test_an_answer_allows_and_carries_the_patch_where_there_is_one() -> None:
    assert response_of(answer("u")) == {"uid": "u", "allowed": True}
    assert response_of(answer("u", [])) == {"uid": "u", "allowed": True}
    operations = [{"op": "add", "path": "/metadata/labels", "value": {"ü": "x"}}]
    response = response_of(answer("u", operations))
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == operations
