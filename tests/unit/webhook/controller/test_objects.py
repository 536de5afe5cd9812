"""What is written is owned by the release, exact in its content, and never somebody else's."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.webhook.api_server import ApiServer
from tests.unit.webhook.api_store import Fault, Request
from webhook.clients.kube import KubeClient
from webhook.controller.objects import ForeignObjectError, OwnedObjects
from webhook.controller.plan import LABELS
from webhook.errors import Conflict, KubeError

OWNER = "/apis/rbac.authorization.k8s.io/v1/clusterroles/release-sidecar"
SECRETS = "/api/v1/namespaces/shop/secrets"
SECRET = f"{SECRETS}/x"

Json = dict[str, Any]


def body(**entries: str) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "labels": dict(LABELS)}, "data": entries}


class Scene:
    def __init__(self, api: ApiServer, kube: KubeClient) -> None:
        self.api = api
        self.owner_changes = 0
        api.put(OWNER, {"metadata": {"uid": "owner-uid"}})
        self.objects = OwnedObjects(kube, OWNER, "owner-uid", self._owner_changed)

    def _owner_changed(self) -> None:
        self.owner_changes += 1

    def stored(self) -> Json:
        found = self.api.get(SECRET)
        assert found is not None
        return found


@pytest.fixture
def scene(api: ApiServer, kube: KubeClient) -> Scene:
    return Scene(api, kube)


def test_what_is_not_there_is_made(scene: Scene) -> None:
    scene.objects.write(SECRETS, body(a="1"))
    assert scene.stored()["data"] == {"a": "1"}
    assert scene.owner_changes == 0


def test_what_is_there_gets_the_same_content_and_keeps_what_we_say_nothing_of(scene: Scene) -> None:
    labels = {**LABELS, "theirs": "kept"}
    before = scene.api.put(SECRET, {**body(a="1", stale="2"), "metadata": {"labels": labels}, "type": "Opaque"})
    scene.objects.write(SECRETS, body(a="3", b="4"))
    after = scene.stored()
    assert after["data"] == {"a": "3", "b": "4"}
    assert (after["type"], after["metadata"]["labels"]) == ("Opaque", labels)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def test_what_is_not_ours_is_not_touched(scene: Scene) -> None:
    theirs = scene.api.put(SECRET, {"metadata": {"labels": {"app": "theirs"}}, "data": {"a": "1"}})
    with pytest.raises(ForeignObjectError, match=SECRET):
        scene.objects.write(SECRETS, body(a="2"))
    assert scene.stored() == theirs


def test_what_cannot_be_changed_is_made_anew(scene: Scene) -> None:
    before = scene.api.put(SECRET, {**body(a="1", stale="2"), "immutable": True})
    scene.api.fail("PATCH", Fault(422, "Invalid"))
    scene.objects.write(SECRETS, body(a="3"))
    assert scene.stored()["data"] == {"a": "3"}
    assert scene.stored()["metadata"]["uid"] != before["metadata"]["uid"]
    assert "immutable" not in scene.stored()


@pytest.mark.parametrize("fault", [Fault(409, "Conflict"), Fault(403, "Forbidden"), Fault(500)], ids=str)
def test_another_failure_is_no_reason_to_delete(scene: Scene, fault: Fault) -> None:
    scene.api.put(SECRET, body(a="1"))
    scene.api.fail("PATCH", fault)
    with pytest.raises(KubeError):
        scene.objects.write(SECRETS, body(a="2"))
    assert scene.stored()["data"] == {"a": "1"}
    assert scene.api.asked("DELETE") == []


def test_that_very_object_is_deleted(scene: Scene) -> None:
    uid = scene.api.put(SECRET, body())["metadata"]["uid"]
    scene.objects.delete(SECRET, uid)
    assert scene.api.get(SECRET) is None


def test_what_was_made_anew_under_the_name_is_not(scene: Scene) -> None:
    scene.api.put(SECRET, body())
    with pytest.raises(Conflict):
        scene.objects.delete(SECRET, "uid-of-another")
    assert scene.api.get(SECRET) is not None


def test_what_has_gone_already_is_no_failure(scene: Scene) -> None:
    scene.objects.delete(SECRET, "any")


Trouble = Callable[[ApiServer], object]


@pytest.mark.parametrize(
    "trouble", [lambda api: api.delete(OWNER), lambda api: api.fail(f"GET {OWNER}", Fault(500))], ids=["gone", "500"]
)
def test_without_an_owner_nothing_is_written(scene: Scene, trouble: Trouble) -> None:
    trouble(scene.api)
    with pytest.raises(KubeError):
        scene.objects.write(SECRETS, body())
    assert scene.api.get(SECRET) is None
    assert scene.owner_changes == 0


def test_an_owner_that_was_made_anew_is_told(scene: Scene) -> None:
    scene.api.delete(OWNER)
    scene.api.put(OWNER, {"metadata": {"uid": "newer"}})
    scene.objects.write(SECRETS, body())
    assert scene.owner_changes == 1


def test_an_object_that_another_replica_makes_at_the_same_moment_gets_our_content(scene: Scene) -> None:
    def other_replica(request: Request) -> None:
        if request.method == "POST":
            scene.api.put(SECRET, body(a="theirs"))

    scene.api.on_request = other_replica
    scene.objects.write(SECRETS, body(a="ours"))
    assert scene.stored()["data"] == {"a": "ours"}
