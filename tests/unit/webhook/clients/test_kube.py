"""Requests to the API server as they go over the wire, and the error that each answer becomes."""

import json
from typing import Any

import pytest
import urllib3

from tests.unit.webhook.api_server import ApiServer
from tests.unit.webhook.api_store import Fault
from webhook import errors
from webhook.clients.kube import JSON_PATCH, KubeClient, configuration

CONFIG_MAPS = "/api/v1/namespaces/shop/configmaps"
CONFIG_MAP = f"{CONFIG_MAPS}/x"
TOKEN = "t0ken-0123456789"


def config_map(**entries: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": entries}


def test_an_object_is_created_read_replaced_and_deleted(kube: KubeClient) -> None:
    created = kube.create(CONFIG_MAPS, config_map(a="1"))
    assert kube.get(CONFIG_MAP) == created
    replaced = kube.replace(CONFIG_MAP, {**created, "data": {"b": "2"}})
    assert (replaced["data"], replaced["metadata"]["uid"]) == ({"b": "2"}, created["metadata"]["uid"])
    kube.delete(CONFIG_MAP)
    with pytest.raises(errors.NotFound):
        kube.get(CONFIG_MAP)


def test_a_merge_patch_and_a_json_patch_go_by_their_content_type(kube: KubeClient) -> None:
    kube.create(CONFIG_MAPS, config_map(a="1", b="2"))
    assert kube.patch(CONFIG_MAP, {"data": {"a": None, "c": "3"}})["data"] == {"b": "2", "c": "3"}
    operations = [{"op": "remove", "path": "/data/b"}]
    assert kube.patch(CONFIG_MAP, operations, content_type=JSON_PATCH)["data"] == {"c": "3"}


def test_a_query_goes_along(kube: KubeClient, api: ApiServer) -> None:
    kube.get(CONFIG_MAPS, {"labelSelector": "a=b,c", "limit": "5"})
    assert api.requests[-1].query == {"labelSelector": "a=b,c", "limit": "5"}


def test_who_comes_second_is_told_by_a_conflict_of_its_own_kind(kube: KubeClient) -> None:
    created = kube.create(CONFIG_MAPS, config_map())
    with pytest.raises(errors.AlreadyExists) as twice:
        kube.create(CONFIG_MAPS, config_map())
    assert not isinstance(twice.value, errors.Conflict)
    kube.replace(CONFIG_MAP, {**created, "data": {"a": "1"}})
    with pytest.raises(errors.Conflict) as stale:
        kube.replace(CONFIG_MAP, {**created, "data": {"a": "2"}})
    assert (stale.value.status, stale.value.reason) == (409, "Conflict")


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "AlreadyExists", errors.AlreadyExists),
        (409, "Conflict", errors.Conflict),
        (410, "Expired", errors.Gone),
        (422, "Invalid", errors.KubeError),
        (429, "TooManyRequests", errors.KubeError),
        (500, "InternalError", errors.KubeError),
    ],
)
def test_a_status_becomes_its_error(
    kube: KubeClient, api: ApiServer, status: int, reason: str, kind: type[errors.KubeError]
) -> None:
    api.fail("GET", Fault(status, reason))
    with pytest.raises(errors.KubeError) as raised:
        kube.get(CONFIG_MAP)
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.reason) == (status, reason)
    assert str(raised.value) == f"GET {CONFIG_MAP}: {status} {reason}"


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b"null", b"\xff"])
def test_an_error_that_no_api_server_wrote_is_one_all_the_same(kube: KubeClient, api: ApiServer, body: bytes) -> None:
    api.fail("GET", Fault(502, body=body))
    with pytest.raises(errors.KubeError) as raised:
        kube.get(CONFIG_MAP)
    assert raised.value.status == 502


def test_a_connection_that_is_cut_is_an_error_without_a_status(kube: KubeClient, api: ApiServer) -> None:
    api.fail("GET", Fault(), times=2)
    with pytest.raises(errors.KubeError) as raised:
        kube.get(CONFIG_MAP)
    assert raised.value.status is None
    assert raised.value.reason == "ProtocolError"


def test_what_only_reads_is_asked_again_once_where_a_kept_connection_was_dropped(
    kube: KubeClient, api: ApiServer
) -> None:
    api.put(CONFIG_MAP, config_map(a="1"))
    api.fail("GET", Fault())
    assert kube.get(CONFIG_MAP)["data"] == {"a": "1"}
    assert len(api.asked("GET")) == 2


def test_what_writes_is_not_sent_twice(kube: KubeClient, api: ApiServer) -> None:
    api.fail("POST", Fault())
    with pytest.raises(errors.KubeError):
        kube.create(CONFIG_MAPS, config_map())
    assert api.asked("POST") == [f"POST {CONFIG_MAPS}"]


def test_an_answer_that_does_not_come_is_not_waited_for(kube: KubeClient, api: ApiServer) -> None:
    api.fail("GET", Fault(held=True))
    with pytest.raises(errors.KubeError) as raised:
        kube.get(CONFIG_MAP, timeout=0.05)
    assert raised.value.reason == "ReadTimeoutError"


def test_nobody_there_is_an_error() -> None:
    with ApiServer() as gone:
        kube = gone.client()
    with pytest.raises(errors.KubeError) as raised:
        kube.get(CONFIG_MAP)
    assert raised.value.status is None


def test_an_answer_that_is_not_json_is_an_error(kube: KubeClient, api: ApiServer) -> None:
    api.fail("GET", Fault(200, body=b"<html>"))
    with pytest.raises(errors.KubeError, match="not JSON"):
        kube.get(CONFIG_MAP)


def test_a_stream_gives_whole_lines_and_ends_in_good_order(kube: KubeClient, api: ApiServer) -> None:
    api.put(CONFIG_MAP, config_map(a="1"))
    api.put(CONFIG_MAP, config_map(a="ü" * 1000))
    lines = kube.stream(CONFIG_MAPS, {"watch": "1", "resourceVersion": "0"}, 5.0)
    assert [json.loads(next(lines))["type"] for _ in range(2)] == ["ADDED", "MODIFIED"]
    api.end_watches()
    assert list(lines) == []


def test_a_stream_that_is_cut_is_an_error_and_its_last_half_line_is_not_given(kube: KubeClient, api: ApiServer) -> None:
    api.put(CONFIG_MAP, config_map())
    lines = kube.stream(CONFIG_MAPS, {"watch": "1", "resourceVersion": "0"}, 5.0)
    assert json.loads(next(lines))["type"] == "ADDED"
    api.end_watches(abrupt=True)
    with pytest.raises(errors.KubeError):
        next(lines)


def test_a_stream_that_has_grown_silent_ends(kube: KubeClient, api: ApiServer) -> None:
    api.put(CONFIG_MAP, config_map())
    lines = list(kube.stream(CONFIG_MAPS, {"watch": "1", "resourceVersion": "0"}, 0.05))
    assert [json.loads(line)["type"] for line in lines] == ["ADDED"]


@pytest.mark.parametrize(("status", "kind"), [(403, errors.Forbidden), (410, errors.Gone), (500, errors.KubeError)])
def test_a_stream_that_is_refused_is_the_error_of_its_status(
    kube: KubeClient, api: ApiServer, status: int, kind: type[errors.KubeError]
) -> None:
    api.fail("WATCH", Fault(status, "Because"))
    with pytest.raises(kind):
        next(kube.stream(CONFIG_MAPS, {"watch": "1"}, 5.0))


def test_the_token_is_the_newest_and_shows_in_no_error(api: ApiServer) -> None:
    loaded = api.configuration
    tokens = ["first", TOKEN]

    def renew(changed: Any) -> None:
        changed.api_key["authorization"] = f"Bearer {tokens.pop(0)}"

    loaded.api_key["authorization"] = ""
    loaded.refresh_api_key_hook = renew
    kube = KubeClient(loaded)
    seen: list[str] = []
    api.on_headers = lambda headers: seen.append(headers["authorization"])
    kube.get(CONFIG_MAPS)
    api.fail("GET", Fault(500))
    with pytest.raises(errors.KubeError) as raised:
        kube.get(CONFIG_MAP)
    assert seen == ["Bearer first", f"Bearer {TOKEN}"]
    assert TOKEN not in str(raised.value)
    assert TOKEN not in repr(raised.value)


def test_outside_a_cluster_the_kubectl_context_counts(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": "https://api.example:6443"}}],
                "users": [{"name": "u", "user": {"token": TOKEN}}],
            }
        )
    )
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    loaded = configuration()
    assert loaded.host == "https://api.example:6443"
    assert isinstance(KubeClient(loaded)._connections, urllib3.PoolManager)
