"""Our access to Kubernetes against a real API server: what a scripted one can only imitate."""

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client

from tests import cluster
from tests.e2e.world import eventually
from tests.installation import TEST_LABEL
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient, configuration
from webhook.clients.lease import OwnedLeaseLock, lead
from webhook.errors import AlreadyExists, Conflict, KubeError, NotFound

pytestmark = pytest.mark.cluster

Json = dict[str, Any]


@pytest.fixture(scope="module")
def kube() -> KubeClient:
    cluster.up()
    return KubeClient(configuration())


@pytest.fixture(scope="module")
def namespace(kube: KubeClient) -> Iterator[str]:
    name = f"api-{uuid.uuid4().hex[:6]}"
    metadata = {"name": name, "labels": {TEST_LABEL: "integration"}}
    kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    yield name
    kube.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def config_map(name: str, **content: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": content}


def test_answers_become_objects_and_errors_their_kind(kube: KubeClient, config_maps: str) -> None:
    made = kube.create(config_maps, config_map("one", a="1"))
    with pytest.raises(AlreadyExists):
        kube.create(config_maps, config_map("one"))
    stale = {"metadata": {"resourceVersion": "1"}, "data": {"a": "2"}}
    with pytest.raises(Conflict):
        kube.patch(f"{config_maps}/one", stale)
    fresh = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"a": "3"}}
    assert kube.patch(f"{config_maps}/one", fresh)["data"] == {"a": "3"}
    with pytest.raises(Conflict):
        kube.delete(f"{config_maps}/one", {"preconditions": {"uid": "another"}})
    kube.delete(f"{config_maps}/one", {"preconditions": {"uid": made["metadata"]["uid"]}})
    with pytest.raises(NotFound):
        kube.get(f"{config_maps}/one")
    with pytest.raises(KubeError) as refused:
        kube.create(config_maps, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "No Name"}})
    assert refused.value.status == 422


def test_an_informer_sees_what_was_there_and_what_changes(kube: KubeClient, config_maps: str) -> None:
    for number in range(3):
        kube.create(config_maps, config_map(f"seen-{number}", step="before"))
    told: list[tuple[str, str]] = []
    informer = Informer(kube, Source("configmaps", config_maps, field_selector="metadata.name!=kube-root-ca.crt"))
    informer.on_change(lambda kind, found: told.append((kind, found["metadata"]["name"])))
    informer.start()
    assert informer.wait_synced(60)
    assert {found["metadata"]["name"] for found in informer.all()} == {"seen-0", "seen-1", "seen-2"}
    told.clear()
    kube.patch(f"{config_maps}/seen-0", {"data": {"step": "after"}})
    kube.delete(f"{config_maps}/seen-1")
    kube.create(config_maps, config_map("seen-3"))
    eventually(lambda: len(told) >= 3, "three changes")
    informer.stop()
    assert told == [("MODIFIED", "seen-0"), ("DELETED", "seen-1"), ("ADDED", "seen-3")]


def test_a_version_that_is_too_old_is_listed_anew(kube: KubeClient, config_maps: str) -> None:
    informer = Informer(kube, Source("configmaps", config_maps))
    informer._version = "1"  # older than anything that etcd keeps of a cluster's start
    informer.start()
    eventually(lambda: informer.get(config_maps.split("/")[4], "kube-root-ca.crt"), "a list after the 410")
    informer.stop()


def test_of_two_one_leads_and_gives_the_lease_to_the_other(kube: KubeClient, namespace: str) -> None:
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "uid": uid_of(kube, namespace)}
    leading: dict[str, threading.Event] = {"a": threading.Event(), "b": threading.Event()}
    locks = {name: lock(name, namespace, owner, started=leading[name].set) for name in leading}
    locks["a"][1]()
    assert leading["a"].wait(60)
    locks["b"][1]()
    found = kube.get(f"{leases}/leader")
    assert found["spec"]["holderIdentity"] == "a"
    assert found["metadata"]["ownerReferences"][0]["uid"] == owner["uid"]
    assert not leading["b"].is_set()
    locks["a"][0].release()
    assert leading["b"].wait(60)
    assert kube.get(f"{leases}/leader")["spec"]["holderIdentity"] == "b"


def lock(
    name: str, namespace: str, owner: dict[str, str], started: Callable[[], None]
) -> tuple[OwnedLeaseLock, Callable[[], None]]:
    api_client = client.ApiClient(configuration())
    made = OwnedLeaseLock("leader", namespace, name, owner=owner, api_client=api_client, lost=lambda: None)
    thread = threading.Thread(target=lead, args=(made, started), daemon=True)
    return made, thread.start


def uid_of(kube: KubeClient, namespace: str) -> str:
    return str(kube.get(f"/api/v1/namespaces/{namespace}")["metadata"]["uid"])
