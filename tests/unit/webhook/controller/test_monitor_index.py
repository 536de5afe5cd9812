"""What CronJobs want at Cronitor, as they and their Namespaces change: only what is another one is passed on."""

import threading
from typing import Any, cast

import pytest

from tests.unit.webhook.objects import cron_job
from webhook.annotations import PREFIX, Options
from webhook.clients.informer import Informer
from webhook.controller.monitor_index import MonitorIndex
from webhook.controller.monitor_records import CronJobReference
from webhook.controller.monitors import MonitorDefaults
from webhook.levels import Levels

Json = dict[str, Any]

BACKUP = CronJobReference("shop", "backup", "11111111-aaaa")
UNREADABLE = "k8s.cronitor.io/grace-seconds: '5m' is ignored, it must be a whole number of 0 or more"


class Cache:
    """The CronJobs that the informer holds."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], Json] = {}

    def get(self, namespace: str, name: str) -> Json | None:
        return self.held.get((namespace, name))

    def in_namespace(self, namespace: str) -> list[Json]:
        return [found for (place, _), found in list(self.held.items()) if place == namespace]


class Cluster:
    """CronJobs and Namespaces that change, and an index of them; `told()` is what it has passed on since."""

    def __init__(self) -> None:
        self.cache, self.namespaces = Cache(), cast(dict[str, dict[str, str]], {"shop": {}, "lager": {}})
        self._told: list[str] = []
        self.index = MonitorIndex(
            cast(Informer, self.cache),
            lambda namespace: namespace in self.namespaces,
            Levels(Options(include=False), lambda namespace: self.namespaces.get(namespace)),
            MonitorDefaults(),
            lambda: self._told.append("changed"),
            lambda namespace, name: self._told.append(f"complained {namespace}/{name}"),
        )

    def apply(self, found: Json) -> None:
        metadata = found["metadata"]
        self.cache.held[metadata["namespace"], metadata["name"]] = found
        self.index.cron_job_changed("MODIFIED", found)

    def delete(self, found: Json) -> None:
        del self.cache.held[found["metadata"]["namespace"], found["metadata"]["name"]]
        self.index.cron_job_changed("DELETED", found)

    def annotate(self, namespace: str, **annotations: str) -> None:
        self.namespaces[namespace] = {PREFIX + key.replace("_", "-"): text for key, text in annotations.items()}
        self.index.namespace_changed(namespace)

    def unlabel(self, namespace: str) -> None:
        del self.namespaces[namespace]
        self.index.namespace_changed(namespace)

    def told(self) -> list[str]:
        told, self._told = self._told, []
        return told

    def wanted(self) -> dict[str, str]:
        """The monitors' names by key."""
        return {one.monitor.key: one.monitor.attributes["name"] for one in self.index.wanted()}

    def problems(self, namespace: str = "shop", name: str = "backup") -> list[str]:
        found = self.index.problems(namespace, name)
        return [] if found is None else [str(problem) for problem in found[1]]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


INCLUDED = cron_job(include="true")


def test_an_included_cron_job_wants_its_monitor(cluster: Cluster) -> None:
    made = {**INCLUDED, "metadata": {**INCLUDED["metadata"], "creationTimestamp": "2026-03-01T12:00:00Z"}}
    cluster.apply(made)
    (one,) = cluster.index.wanted()
    assert (one.cron_job, one.created, one.monitor.key) == (BACKUP, "2026-03-01T12:00:00Z", BACKUP.uid)
    assert cluster.told() == ["changed"]


@pytest.mark.parametrize(
    "other",
    [
        cron_job(include="false"),
        cron_job(exclude="true"),
        cron_job(),
        {**INCLUDED, "metadata": {**INCLUDED["metadata"], "deletionTimestamp": "2026-03-01T12:00:00Z"}},
    ],
    ids=["include: false", "excluded", "no annotation", "being deleted"],
)
def test_one_that_is_left_out_wants_none_and_is_told_once(cluster: Cluster, other: Json) -> None:
    cluster.apply(other)
    assert (cluster.wanted(), cluster.told()) == ({}, [])
    cluster.apply(INCLUDED)
    cluster.told()
    cluster.apply(other)
    cluster.apply(other)
    assert (cluster.wanted(), cluster.told()) == ({}, ["changed"])


def test_one_that_is_deleted_wants_none(cluster: Cluster) -> None:
    cluster.apply(INCLUDED)
    cluster.told()
    cluster.delete(INCLUDED)
    assert (cluster.wanted(), cluster.told()) == ({}, ["changed"])


def test_one_that_is_made_again_wants_its_own(cluster: Cluster) -> None:
    cluster.apply(INCLUDED)
    cluster.told()
    cluster.apply(cron_job(include="true", uid="33333333-cccc"))
    assert (cluster.wanted(), cluster.told()) == ({"33333333-cccc": "shop/backup"}, ["changed"])


@pytest.mark.parametrize("times", [1, 3])
def test_what_changes_no_monitor_is_not_passed_on(cluster: Cluster, times: int) -> None:
    cluster.apply(INCLUDED)
    cluster.told()
    for _ in range(times):
        cluster.apply({**INCLUDED, "status": {"lastScheduleTime": "2026-03-01T12:00:00Z"}})
        cluster.apply(cron_job(include="true", inject="false"))
    assert cluster.told() == []


@pytest.mark.parametrize(
    "spec", [{"schedule": "0 3 * * *"}, {"schedule": "* * * * *", "suspend": True}], ids=["schedule", "suspended"]
)
def test_what_changes_the_monitor_is(cluster: Cluster, spec: Json) -> None:
    cluster.apply(INCLUDED)
    cluster.told()
    cluster.apply({**INCLUDED, "spec": spec})
    (one,) = cluster.index.wanted()
    assert (one.monitor.attributes["schedule"], one.monitor.suspended) == (spec["schedule"], bool(spec.get("suspend")))
    assert cluster.told() == ["changed"]


# --- the Namespace ---------------------------------------------------------------------------------------------------


def test_a_namespace_without_the_label_has_no_monitors_and_no_problems(cluster: Cluster) -> None:
    cluster.apply(cron_job(include="true", grace_seconds="5m"))
    cluster.told()
    cluster.unlabel("shop")
    assert (cluster.wanted(), cluster.index.names()) == ({}, [])
    assert cluster.told() == ["changed", "complained shop/backup"]
    cluster.annotate("shop")
    assert (len(cluster.wanted()), cluster.index.names()) == (1, [("shop", "backup")])


def test_cron_jobs_that_were_there_before_the_label_are_taken_in_with_it(cluster: Cluster) -> None:
    cluster.unlabel("shop")
    cluster.apply(INCLUDED)
    assert cluster.told() == []
    cluster.annotate("shop")
    assert (cluster.wanted(), cluster.told()) == ({BACKUP.uid: "shop/backup"}, ["changed"])


def test_annotations_of_the_namespace_change_the_monitors_of_its_own_cron_jobs(cluster: Cluster) -> None:
    for namespace, uid in (("shop", "a"), ("lager", "b")):
        cluster.apply(cron_job(namespace=namespace, uid=uid))
    assert cluster.told() == []
    cluster.annotate("shop", include="true", name_prefix="none")
    assert (cluster.wanted(), cluster.told()) == ({"a": "backup"}, ["changed"])
    cluster.annotate("shop", include="true", name_prefix="none", inject="false")
    assert cluster.told() == [], "it means nothing to a monitor"


# --- what has no effect ----------------------------------------------------------------------------------------------


def test_problems_are_passed_on_when_they_are_others(cluster: Cluster) -> None:
    bad = cron_job(include="true", grace_seconds="5m")
    cluster.apply(bad)
    assert cluster.told() == ["changed", "complained shop/backup"]
    assert cluster.index.problems("shop", "backup") is not None
    assert (cluster.problems(), cluster.index.names()) == ([UNREADABLE], [("shop", "backup")])
    cluster.apply({**bad, "spec": {"schedule": "0 3 * * *"}})
    assert cluster.told() == ["changed"]
    cluster.apply({**INCLUDED, "spec": {"schedule": "0 3 * * *"}})
    assert (cluster.problems(), cluster.index.names()) == ([], [])
    assert cluster.told() == ["complained shop/backup"]


def test_one_that_is_left_out_hears_of_its_problems_too(cluster: Cluster) -> None:
    cluster.apply(cron_job(inclued="true"))
    assert cluster.problems() == ["k8s.cronitor.io/inclued: 'true' is ignored, no such key; did you mean include?"]
    assert cluster.told() == ["complained shop/backup"]


@pytest.mark.parametrize("include", ["true", "false"])
def test_what_nobody_knows_on_the_namespace_is_told_to_its_cron_jobs(cluster: Cluster, include: str) -> None:
    cluster.apply(cron_job(include=include))
    cluster.told()
    cluster.annotate("shop", tag="team-a", grace_seconds="x")
    assert sorted(cluster.problems()) == [
        "k8s.cronitor.io/grace-seconds of the Namespace: 'x' is ignored, it must be a whole number of 0 or more",
        "k8s.cronitor.io/tag of the Namespace: 'team-a' is ignored, no such key; did you mean tags?",
    ]
    assert cluster.told() == ["complained shop/backup"]


def test_of_one_that_is_not_there_nothing_is_known(cluster: Cluster) -> None:
    assert cluster.index.problems("shop", "backup") is None


# --- mistakes of ours ------------------------------------------------------------------------------------------------


BAD: Json = {**INCLUDED, "spec": None}
"""It cannot be read, as nothing that the API server lets pass should be."""


class TestOneThatCannotBeRead:
    def test_keeps_the_monitor_that_it_has(self, cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
        cluster.apply(INCLUDED)
        cluster.told()
        cluster.apply(BAD)
        assert (cluster.wanted(), cluster.index.unread(), cluster.told()) == ({BACKUP.uid: "shop/backup"}, [], [])
        assert "cron_job_not_read" in caplog.messages

    def test_is_known_for_it_where_it_has_none_until_it_is_read_or_gone(self, cluster: Cluster) -> None:
        cluster.apply(BAD)
        assert (cluster.wanted(), cluster.index.unread(), cluster.told()) == ({}, [("shop", "backup")], ["changed"])
        cluster.apply(INCLUDED)
        assert (cluster.index.unread(), cluster.told()) == ([], ["changed"])
        cluster.delete(INCLUDED)
        cluster.apply(BAD)
        cluster.told()
        cluster.delete(BAD)
        assert (cluster.index.unread(), cluster.told()) == ([], ["changed"])

    def test_keeps_none_of_its_namespace_from_being_read(self, cluster: Cluster) -> None:
        cluster.unlabel("shop")
        cluster.apply(BAD)
        cluster.apply(cron_job("later", uid="later", include="true"))
        cluster.annotate("shop")
        assert (cluster.wanted(), cluster.index.unread()) == ({"later": "shop/later"}, [("shop", "backup")])


# --- threads ---------------------------------------------------------------------------------------------------------


def test_a_thread_that_has_read_what_is_old_does_not_write_over_what_another_has_read_since(cluster: Cluster) -> None:
    """CronJobs and Namespaces are told by a thread each."""
    newer = {**INCLUDED, "spec": {"schedule": "0 3 * * *"}}
    other = threading.Thread(target=cluster.apply, args=(newer,))

    def read_slowly(namespace: str, name: str) -> Json | None:
        found = Cache.get(cluster.cache, namespace, name)
        cluster.cache.get = Cache.get.__get__(cluster.cache)  # type: ignore[method-assign]
        other.start()
        other.join(0.3)  # all of that where it has to wait for us, as it should; else it is done long before
        return found

    cluster.cache.held["shop", "backup"] = INCLUDED
    cluster.cache.get = read_slowly  # type: ignore[method-assign]
    cluster.annotate("shop")
    other.join(10)
    (one,) = cluster.index.wanted()
    assert one.monitor.attributes["schedule"] == "0 3 * * *"
    assert cluster.told() == ["changed", "changed"]


def test_two_threads_lose_no_cron_job(cluster: Cluster) -> None:
    found = [cron_job(f"job-{number}", uid=f"uid-{number}", include="true") for number in range(50)]

    def apply() -> None:
        for one in found:
            cluster.apply(one)

    def annotate() -> None:
        for number in range(50):
            cluster.annotate("shop", tags=str(number))

    threads = [threading.Thread(target=apply), threading.Thread(target=annotate)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    wanted = cluster.index.wanted()
    assert {one.monitor.key for one in wanted} == {f"uid-{number}" for number in range(50)}
    assert all("49" in one.monitor.attributes["tags"] for one in wanted)
