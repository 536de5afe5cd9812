"""The cache against a real API server over HTTP: list, watch, and every way in which either breaks off."""

import threading
from typing import Any

import pytest

from tests.unit.webhook.api_server import PATIENCE, ApiServer
from tests.unit.webhook.api_store import Fault
from tests.unit.webhook.conftest import Watch
from webhook.clients import informer as module
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient

PODS = "/api/v1/pods"
SOURCE = Source("pods", PODS)

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest pause that there is, each time."""
    monkeypatch.setattr(module, "SLOWEST_RETRY_SECONDS", 0.1)


def path_of(name: str, namespace: str = "shop") -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def a_pod(phase: str = "Pending", **labels: str) -> Json:
    return {"metadata": {"labels": labels}, "status": {"phase": phase}}


def names(informer: Informer) -> list[str]:
    return sorted(found["metadata"]["name"] for found in informer.all())


def lists(api: ApiServer) -> list[Json]:
    return [request.query for request in api.requests if request.method == "GET" and not request.is_watch]


def watches(api: ApiServer) -> list[Json]:
    return [request.query for request in api.requests if request.is_watch]


# --- list ------------------------------------------------------------------------------------------------------------


def test_it_is_synced_once_the_list_is_in_the_cache(kube: KubeClient, api: ApiServer, watch: Watch) -> None:
    api.put(path_of("a"), a_pod())
    api.fail(f"GET {PODS}", Fault(held=True))
    watcher = watch(SOURCE, ready=False)
    api.wait_for(lambda: lists(api))
    assert not watcher.informer.synced
    assert watcher.informer.all() == []
    api.release()
    assert watcher.informer.wait_synced(PATIENCE)
    assert watcher.informer.get("shop", "a") is not None
    assert watcher.informer.get("other", "a") is None


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
def test_a_list_comes_in_pages(api: ApiServer, watch: Watch, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(module, "PAGE_SIZE", 2)
    for number in range(count):
        api.put(path_of(f"p{number}"), a_pod())
    watcher = watch(SOURCE)
    assert names(watcher.informer) == [f"p{number}" for number in range(count)]
    assert len(lists(api)) == max(1, -(-count // 2))
    assert sorted(watcher.next() for _ in range(count)) == [("ADDED", f"p{number}") for number in range(count)]


def test_selectors_go_along_with_list_and_watch(api: ApiServer, watch: Watch) -> None:
    api.put(path_of("a", "shop"), a_pod(app="x"))
    api.put(path_of("b", "shop"), a_pod())
    watcher = watch(Source("pods", PODS, label_selector="app=x", field_selector="metadata.name=a"))
    assert names(watcher.informer) == ["a"]
    for query in (lists(api)[0], watches(api)[0]):
        assert (query["labelSelector"], query["fieldSelector"]) == ("app=x", "metadata.name=a")


def test_the_watch_begins_where_the_list_ended_and_asks_for_bookmarks(api: ApiServer, watch: Watch) -> None:
    api.put(path_of("a"), a_pod())
    watch(SOURCE)
    (query,) = watches(api)
    assert query["resourceVersion"] == str(api.store.version)
    assert query["allowWatchBookmarks"] == "true"
    assert int(query["timeoutSeconds"]) >= 300


@pytest.mark.parametrize("fault", [Fault(500), Fault(403, "Forbidden"), Fault(), Fault(200, body=b"<html>")], ids=str)
def test_a_list_that_fails_is_tried_again(
    api: ApiServer, watch: Watch, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(path_of("a"), a_pod())
    api.fail(f"GET {PODS}", fault, times=2 if fault.status else 4)
    assert names(watch(SOURCE).informer) == ["a"]
    assert pauses(caplog) == [1, 2]


def test_a_list_whose_next_page_is_too_old_begins_anew(
    api: ApiServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE_SIZE", 1)
    for name in ("a", "b"):
        api.put(path_of(name), a_pod())
    api.fail(lambda request: "continue" in request.query, Fault(410, "Expired"))
    assert names(watch(SOURCE).informer) == ["a", "b"]
    assert ["continue" in query for query in lists(api)] == [False, True, False, True]


# --- watch -----------------------------------------------------------------------------------------------------------


def test_changes_come_in_order_and_are_in_the_cache(api: ApiServer, watch: Watch) -> None:
    watcher = watch(SOURCE)
    api.put(path_of("a"), a_pod())
    api.put(path_of("a"), a_pod("Running"))
    api.put(path_of("b"), a_pod())
    assert [watcher.next() for _ in range(3)] == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b")]
    found = watcher.informer.get("shop", "a")
    assert found is not None
    assert found["status"]["phase"] == "Running"
    api.delete(path_of("a"))
    assert watcher.next() == ("DELETED", "a")
    assert names(watcher.informer) == ["b"]


def test_a_deletion_carries_the_last_state(api: ApiServer, watch: Watch) -> None:
    api.put(path_of("a"), a_pod())
    watcher = watch(SOURCE)
    watcher.next()
    api.put(path_of("a"), a_pod("Succeeded"))
    api.delete(path_of("a"))
    watcher.next()
    kind, last = watcher.changes.get(timeout=PATIENCE)
    assert (kind, last["status"]["phase"]) == ("DELETED", "Succeeded")


def test_an_object_that_trims_to_nothing_is_not_kept(api: ApiServer, watch: Watch) -> None:
    api.put(path_of("a"), a_pod("Running"))
    api.put(path_of("done"), a_pod("Succeeded"))

    def running(found: Json) -> Json | None:
        return found if found["status"]["phase"] != "Succeeded" else None

    watcher = watch(Source("pods", PODS, trim=running))
    assert (watcher.next(), names(watcher.informer)) == (("ADDED", "a"), ["a"])
    api.put(path_of("also-done"), a_pod("Succeeded"))
    api.put(path_of("a"), a_pod("Succeeded"))
    assert watcher.next() == ("DELETED", "a")
    assert watcher.informer.all() == []
    api.delete(path_of("a"))
    api.put(path_of("b"), a_pod())
    assert watcher.next() == ("ADDED", "b")


def test_what_is_kept_is_the_trimmed_object(api: ApiServer, watch: Watch) -> None:
    api.put(path_of("a"), a_pod("Running"))
    watcher = watch(Source("pods", PODS, trim=lambda found: {"metadata": found["metadata"]}))
    found = watcher.informer.get("shop", "a")
    assert found is not None
    assert set(found) == {"metadata"}


def test_a_handler_that_fails_stops_neither_the_watch_nor_the_other_handlers(
    kube: KubeClient, api: ApiServer, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(path_of("a"), a_pod())
    failing, both = Informer(kube, SOURCE), threading.Semaphore(0)

    def fail(_kind: str, _found: Json) -> None:
        raise RuntimeError("out of luck")

    failing.on_change(fail)
    failing.on_change(lambda _kind, _found: both.release())
    failing.start()
    assert both.acquire(timeout=PATIENCE)
    api.wait_for(lambda: api.watches)
    api.put(path_of("b"), a_pod())
    assert both.acquire(timeout=PATIENCE)
    assert names(failing) == ["a", "b"]
    failing.stop()
    assert "informer_handler_failed" in caplog.messages


def test_a_change_that_trimming_takes_away_is_told_to_nobody(api: ApiServer, watch: Watch) -> None:
    api.put(path_of("a"), a_pod())

    def phase_alone(found: Json) -> Json:
        return {"metadata": found["metadata"], "status": {"phase": found["status"]["phase"]}}

    watcher = watch(Source("pods", PODS, trim=phase_alone))
    watcher.next()
    newest = api.put(path_of("a"), {**a_pod(), "spec": {"nodeName": "n"}})
    api.put(path_of("b"), a_pod())
    assert watcher.next() == ("ADDED", "b")
    found = watcher.informer.get("shop", "a")
    assert found is not None
    assert found["metadata"]["resourceVersion"] == newest["metadata"]["resourceVersion"], "it is kept all the same"


def test_objects_of_a_namespace_are_found(api: ApiServer, watch: Watch) -> None:
    api.put(path_of("a", "shop"), a_pod())
    api.put(path_of("b", "lager"), a_pod())
    informer = watch(SOURCE).informer
    assert [found["metadata"]["name"] for found in informer.in_namespace("lager")] == ["b"]
    assert informer.in_namespace("nowhere") == []


# --- interruptions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abrupt", [False, True])
def test_a_connection_that_ends_is_taken_up_where_it_was(api: ApiServer, watch: Watch, abrupt: bool) -> None:
    watcher = watch(SOURCE)
    api.put(path_of("a"), a_pod())
    watcher.next()
    version = api.store.version
    api.end_watches(abrupt=abrupt)
    api.put(path_of("b"), a_pod())
    assert watcher.next() == ("ADDED", "b")
    assert len(lists(api)) == 1
    assert watches(api)[1]["resourceVersion"] == str(version)


def test_a_bookmark_moves_on_the_version_at_which_a_watch_is_taken_up(api: ApiServer, watch: Watch) -> None:
    watcher = watch(SOURCE)
    version = api.bookmark(PODS)
    api.put(path_of("a"), a_pod())
    watcher.next()
    api.end_watches()
    api.wait_for(lambda: len(watches(api)) == 2)
    assert int(watches(api)[1]["resourceVersion"]) > version
    assert names(watcher.informer) == ["a"]


def test_a_bookmark_alone_is_enough_to_outlive_what_the_api_server_forgets(api: ApiServer, watch: Watch) -> None:
    watcher = watch(SOURCE)
    api.put("/api/v1/namespaces/shop/secrets/x", {})  # somebody else's changes: this watch hears nothing of them
    version = api.bookmark(PODS)
    api.end_watches()  # what was told has been read by then
    api.wait_for(lambda: len(watches(api)) == 2)
    assert watches(api)[1]["resourceVersion"] == str(version)
    assert watcher.changes.empty()


def test_a_version_that_is_too_old_lists_anew_and_tells_what_vanished(api: ApiServer, watch: Watch) -> None:
    for name in ("kept", "changed", "vanished"):
        api.put(path_of(name), a_pod())
    watcher = watch(SOURCE)
    for _ in range(3):
        watcher.next()
    with api.store.changed:
        api.end_watches()
        api.delete(path_of("vanished"))
        api.put(path_of("changed"), a_pod("Running"))
        api.put(path_of("new"), a_pod())
        api.forget()
    changes = {watcher.next() for _ in range(3)}
    assert changes == {("VANISHED", "vanished"), ("MODIFIED", "changed"), ("ADDED", "new")}
    assert names(watcher.informer) == ["changed", "kept", "new"]
    assert len(lists(api)) == 2
    assert watcher.changes.empty()


def test_what_was_deleted_and_made_again_meanwhile_is_told_as_both(api: ApiServer, watch: Watch) -> None:
    api.put(path_of("a"), a_pod())
    watcher = watch(SOURCE)
    watcher.next()
    with api.store.changed:
        api.end_watches()
        api.delete(path_of("a"))
        api.put(path_of("a"), a_pod())
        api.forget()
    assert [watcher.next(), watcher.next()] == [("VANISHED", "a"), ("ADDED", "a")]
    assert names(watcher.informer) == ["a"]


def test_a_watch_that_has_grown_silent_is_opened_again_and_that_is_no_failure(
    api: ApiServer, watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.02)
    monkeypatch.setattr(module, "SHORTEST_WATCH_SECONDS", 0.0)
    watcher = watch(SOURCE)
    api.wait_for(lambda: api.watches >= 3)
    api.put(path_of("a"), a_pod())
    assert watcher.next() == ("ADDED", "a")
    assert len(lists(api)) == 1
    assert pauses(caplog) == []


def test_a_watch_that_lasted_makes_the_failures_before_it_forgotten(
    api: ApiServer, watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SHORTEST_WATCH_SECONDS", 0.0)
    api.fail(f"WATCH {PODS}", Fault(500), times=2)
    watch(SOURCE)
    assert pauses(caplog) == [1, 2]
    api.fail(f"WATCH {PODS}", Fault(500))
    api.end_watches()  # without a single event in it
    wait_for_watch(api, 2)
    assert pauses(caplog) == [1, 2, 1]


@pytest.mark.parametrize("fault", [Fault(410, "Expired"), Fault(410, "Gone")], ids=str)
def test_a_watch_that_is_refused_as_too_old_lists_anew(api: ApiServer, watch: Watch, fault: Fault) -> None:
    api.fail(f"WATCH {PODS}", fault)
    watcher = watch(SOURCE)
    assert len(lists(api)) == 2
    assert watcher.changes.empty()


def test_a_version_that_has_grown_too_old_is_no_failure(
    api: ApiServer, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch(SOURCE)
    api.fail(f"WATCH {PODS}", Fault(410, "Expired"))
    api.end_watches()
    wait_for_watch(api, 1)
    api.wait_for(lambda: len(lists(api)) == 2)
    assert pauses(caplog) == [1], "only that after the watch that was closed at once"


def test_versions_that_are_always_too_old_are_asked_for_with_pauses(
    api: ApiServer, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    api.fail(f"WATCH {PODS}", Fault(410, "Expired"), times=3)
    watch(SOURCE)
    assert pauses(caplog) == [1, 2, 3]


def pauses(caplog: pytest.LogCaptureFixture) -> list[int]:
    """Of each pause that was made, the failures in a row before it."""
    return [record.__dict__["failures"] for record in caplog.records if record.message == "informer_retries"]


def wait_for_watch(api: ApiServer, number: int) -> None:
    api.wait_for(lambda: api.watches == number)


def test_a_watch_that_closes_at_once_is_retried_with_pauses(
    api: ApiServer, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = watch(SOURCE)
    for number in range(3):
        api.end_watches()
        wait_for_watch(api, number + 2)
    assert pauses(caplog) == [1, 2, 3]
    assert {record.__dict__["error"] for record in caplog.records} == {"the watch was closed at once"}
    api.put(path_of("a"), a_pod())
    watcher.next()
    api.end_watches()
    wait_for_watch(api, 5)
    assert pauses(caplog) == [1, 2, 3, 1]
    assert len(lists(api)) == 1


@pytest.mark.parametrize("fault", [Fault(403, "Forbidden"), Fault(500), Fault(200, body=b"<html>\n"), Fault()], ids=str)
def test_a_watch_that_fails_is_retried_from_the_same_version(
    api: ApiServer, watch: Watch, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    api.fail(f"WATCH {PODS}", fault, times=2 if fault.status else 4)
    watcher = watch(SOURCE)
    assert len(lists(api)) == 1
    assert len({query["resourceVersion"] for query in watches(api)}) == 1
    assert pauses(caplog) == [1, 2]
    api.put(path_of("a"), a_pod())
    assert watcher.next() == ("ADDED", "a")


def test_an_error_in_the_watch_that_is_not_about_its_version_resumes_it(api: ApiServer, watch: Watch) -> None:
    line = b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd is busy"}}\n'
    api.fail(f"WATCH {PODS}", Fault(200, body=line))
    watch(SOURCE)
    assert len(lists(api)) == 1


def test_what_changed_while_nobody_could_watch_is_told(api: ApiServer, watch: Watch) -> None:
    watcher = watch(SOURCE)
    api.fail(f"WATCH {PODS}", Fault(), times=4)
    with api.store.changed:
        api.end_watches(abrupt=True)
        api.put(path_of("a"), a_pod())
        api.put(path_of("a"), a_pod("Running"))
        api.delete(path_of("a"))
    assert [watcher.next() for _ in range(3)] == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert len(lists(api)) == 1


def test_after_stop_it_asks_for_nothing_more(kube: KubeClient, api: ApiServer) -> None:
    stopped = Informer(kube, SOURCE)
    thread = threading.Thread(target=stopped.run)
    thread.start()
    api.wait_for(lambda: api.watches)
    stopped.stop()
    api.end_watches()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(api.requests) == 2
