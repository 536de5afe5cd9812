"""Builds admission reviews as the API server sends them."""

import base64
import json
from typing import Any

import jsonpatch

Json = dict[str, Any]
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


def review(pod: Any, *, namespace: str = "shop", **request: Any) -> Json:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": namespace,
            "userInfo": {"username": "system:serviceaccount:kube-system:job-controller"},
            "object": pod,
            "oldObject": None,
            "dryRun": False,
            **request,
        },
    }


def response_of(answer: bytes) -> Json:
    """What is answered, after what must be so in every answer."""
    document = json.loads(answer)
    assert (document["apiVersion"], document["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: Json = document["response"]
    assert response["allowed"] is True
    assert ("patch" in response) == ("patchType" in response)
    assert set(response) <= {"uid", "allowed", "patch", "patchType"}
    return response


def admitted(pod: Json, answer: bytes) -> Json:
    """The pod as the API server then has it."""
    response = response_of(answer)
    if "patch" not in response:
        return pod
    assert response["patchType"] == "JSONPatch"
    patched: Json = jsonpatch.apply_patch(pod, json.loads(base64.b64decode(response["patch"])))
    return patched
