"""The whole loop over a running API server: what changes is followed by what must follow, and only by who leads."""

import base64
import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.unit.webhook.api_server import PATIENCE, ApiServer
from tests.unit.webhook.api_store import target_of
from tests.unit.webhook.controller.conftest import LABELLED, OWNER, SETTINGS, WANTED, Telemetry
from tests.unit.webhook.controller.monitor_scene import Cronitor
from tests.unit.webhook.objects import container_status, cron_job, job, owned_by, pod, running
from webhook import health, run_mark, state
from webhook.clients.kube import KubeClient
from webhook.clients.lease import Earlier
from webhook.controller import plan
from webhook.controller.loop import Controller
from webhook.controller.namespace_keys import of_namespaces
from webhook.controller.objects import OwnedObjects
from webhook.controller.queue import Key
from webhook.errors import KeyRefused
from webhook.run_mark import RunMark

Json = dict[str, Any]

SHOP = "/api/v1/namespaces/shop"
SECRET = f"{SHOP}/secrets/cronitor-sidecar"
CONFIG_MAP = "/api/v1/namespaces/cronitor/configmaps/release-state"
JOB = "/apis/batch/v1/namespaces/shop/jobs/backup-1"
CRON_JOB = "/apis/batch/v1/namespaces/shop/cronjobs/backup"
KEY_SECRET = "cronitor-key"
POD = f"{SHOP}/pods/backup-1-x"


class Once:
    """A reconciler of a single key."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    def reconcile(self, key: Key) -> float | None:
        self.keys.append(key)
        return None


class Replica:
    def __init__(self, api: ApiServer, kube: KubeClient) -> None:
        self.api = api
        self.other = Once()
        api.put(OWNER, {"metadata": {"uid": WANTED.owner_uid}})
        objects = OwnedObjects(kube, OWNER, WANTED.owner_uid, lambda: None)
        self.cronitor = Cronitor()
        keys = of_namespaces(kube, KEY_SECRET)
        others = {"key": self.other}
        self.controller = Controller(kube, SETTINGS, WANTED, objects, Telemetry(), self.cronitor, keys, others)

    def start(self) -> None:
        self.controller.start_caches()
        for informer in self.controller._informers:
            assert informer.wait_synced(PATIENCE)
        self.api.wait_for(lambda: self.api.watches == len(self.controller._informers))

    def label(self) -> None:
        self.api.put(SHOP, {"metadata": {"labels": LABELLED}})

    def provisioned(self) -> None:
        """Wait until the namespace is published."""
        self.api.wait_for(lambda: state.read(self.api.get(CONFIG_MAP)).provisioned == {"shop"})

    def wait_for_mark(self, holds: Callable[[RunMark | None], bool]) -> None:
        self.api.wait_for(lambda: holds(run_mark.of_job(self.api.get(JOB) or {"metadata": {}})))

    def end(self) -> None:
        self.controller.queue.stop(PATIENCE)
        for informer in self.controller._informers:
            informer.stop()


@pytest.fixture
def replica(api: ApiServer, kube: KubeClient) -> Iterator[Replica]:
    made = Replica(api, kube)
    yield made
    made.end()


def writes(api: ApiServer) -> list[str]:
    return [one for one in api.asked() if not one.startswith(("GET", "WATCH"))]


def test_what_is_there_when_it_begins_to_lead_is_put_in_order(replica: Replica, api: ApiServer) -> None:
    replica.label()
    api.put(CRON_JOB, cron_job(include="true"))
    api.put(JOB, job())
    replica.start()
    replica.controller.lead(Earlier())
    replica.provisioned()
    replica.wait_for_mark(lambda mark: mark is not None)
    api.wait_for(lambda: replica.other.keys == [Key("key")])


def test_what_comes_later_is_followed(replica: Replica, api: ApiServer) -> None:
    replica.start()
    replica.controller.lead(Earlier())
    api.put(JOB, job())
    api.put(CRON_JOB, cron_job(include="true"))  # the Job's is seen before it
    replica.label()
    replica.provisioned()
    replica.wait_for_mark(lambda mark: mark is not None)
    given = pod(
        metadata={
            "labels": {"batch.kubernetes.io/job-name": "backup-1"},
            "ownerReferences": [owned_by("Job", "backup-1", job()["metadata"]["uid"])],
        },
        status={"containerStatuses": [container_status("app", running("2026-03-01T12:00:05Z"))]},
    )
    api.put(POD, given)
    replica.wait_for_mark(lambda mark: mark is not None and mark.start is not None)


def test_what_somebody_deletes_is_made_again(replica: Replica, api: ApiServer) -> None:
    replica.label()
    replica.start()
    replica.controller.lead(Earlier())
    replica.provisioned()
    api.delete(SECRET)
    api.wait_for(lambda: api.get(SECRET))
    api.delete(CONFIG_MAP)
    replica.provisioned()


def test_without_the_label_all_goes_when_the_last_injected_pod_has_ended(replica: Replica, api: ApiServer) -> None:
    labels = {"k8s.cronitor.io/injected": "true", "batch.kubernetes.io/job-name": "backup-1"}
    replica.label()
    api.put(POD, pod(metadata={"labels": labels}, status={"phase": "Running"}))
    replica.start()
    replica.controller.lead(Earlier())
    replica.provisioned()
    api.put(SHOP, {"metadata": {"labels": {}}})
    api.wait_for(lambda: state.read(api.get(CONFIG_MAP)).provisioned == frozenset())
    assert api.get(SECRET) is not None
    api.put(POD, pod(metadata={"labels": labels}, status={"phase": "Succeeded"}))
    api.wait_for(lambda: api.get(SECRET) is None)


def test_a_cron_jobs_monitor_follows_it_and_its_namespace(replica: Replica, api: ApiServer) -> None:
    replica.label()
    api.put(CRON_JOB, cron_job(include="true"))
    replica.start()
    replica.controller.lead(Earlier())

    def tags() -> list[list[str]]:
        return [sorted(one["tags"]) for one in replica.cronitor.monitors.values()]

    api.wait_for(lambda: tags() == [["kubernetes", "kubernetes-namespace:shop"]])
    annotations = {"k8s.cronitor.io/tags": "team-a"}
    api.put(SHOP, {"metadata": {"labels": LABELLED, "annotations": annotations}})
    api.wait_for(lambda: tags() == [["kubernetes", "kubernetes-namespace:shop", "team-a"]])
    api.put(CRON_JOB, {**cron_job(include="true"), "spec": {"schedule": "5 4 * * *"}})
    api.wait_for(lambda: [one["schedule"] for one in replica.cronitor.monitors.values()] == ["5 4 * * *"])
    assert [len(put) for put in replica.cronitor.puts] == [1, 1, 1]


def test_what_is_written_without_effect_is_told_on_the_cron_job(replica: Replica, api: ApiServer) -> None:
    replica.label()
    api.put(CRON_JOB, cron_job(include="maybe", grace_second="5"))
    replica.start()
    replica.controller.lead(Earlier())

    def ignored() -> list[str]:
        found = api.answer_list(f"{SHOP}/events", {})
        return sorted(one["message"] for one in found if one["reason"] == "AnnotationIgnored")

    api.wait_for(lambda: len(ignored()) == 2)
    assert ["grace-second" in text for text in ignored()] == [True, False]
    assert ["'maybe'" in text for text in ignored()] == [False, True]
    assert replica.cronitor.puts == []


def test_a_key_that_is_refused_for_monitors_is_said_beside_the_200(replica: Replica, api: ApiServer) -> None:
    def readyz() -> tuple[int, str]:
        checks = {"caches": lambda: replica.controller.synced}
        app = Flask("test")
        app.register_blueprint(health.blueprint(checks, replica.controller.details()))
        answer = app.test_client().get("/readyz")
        return answer.status_code, answer.text

    replica.label()
    api.put(CRON_JOB, cron_job(include="true"))
    replica.cronitor.failures = [KeyRefused(403, "no permission")]
    replica.start()
    assert readyz() == (200, "ok\n")
    replica.controller.lead(Earlier())
    api.wait_for(lambda: "monitors: " in readyz()[1])
    status, text = readyz()
    assert (status, text.splitlines()[0]) == (200, "ok"), "it keeps no pod from being ready"
    assert "403: no permission" in text
    assert "telemetry key" in text


def test_a_namespaces_own_key_reaches_its_secret(replica: Replica, api: ApiServer) -> None:
    replica.label()
    replica.start()
    replica.controller.lead(Earlier())
    replica.provisioned()

    def key() -> str:
        return plan.secret_text(api.get(SECRET), "telemetry-key")

    released = key()
    content = {"telemetry-key": base64.b64encode(b"the-shops-own-key").decode()}
    api.put(f"{SHOP}/secrets/{KEY_SECRET}", {"data": content})
    api.wait_for(lambda: key() == "the-shops-own-key")
    api.delete(f"{SHOP}/secrets/{KEY_SECRET}")
    api.wait_for(lambda: key() == released)


def test_who_does_not_lead_writes_nothing(replica: Replica, api: ApiServer) -> None:
    seen: queue.SimpleQueue[str] = queue.SimpleQueue()
    replica.controller._jobs.on_change(lambda kind, _found: seen.put(kind))
    replica.start()
    assert replica.controller.synced
    replica.label()
    api.put(CRON_JOB, cron_job(include="true"))
    api.put(JOB, job())
    assert seen.get(timeout=PATIENCE) == "ADDED"
    assert writes(api) == []
    assert replica.controller.queue._due == {}
    replica.controller.lead(Earlier())
    replica.provisioned()
    replica.wait_for_mark(lambda mark: mark is not None)


# --- what is queued --------------------------------------------------------------------------------------------------

JOB_KEY, SHOP_KEY, STATE_KEY = Key("job", "shop", "backup-1"), Key("namespace", "shop"), Key("state")


class Queued:
    """A replica whose queue only remembers; `after` does something and gives what that has queued."""

    def __init__(self, replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api, self.controller = replica.api, replica.controller
        monkeypatch.setattr(self.controller.queue, "start", lambda threads: None)
        replica.start()

    def taken(self) -> set[Key]:
        keys = set(self.controller.queue._due)
        self.controller.queue._due.clear()
        return keys

    def after(self, path: str, body: Json) -> set[Key]:
        self.taken()
        self.api.put(path, body)
        collection = target_of(path).collection
        (informer,) = [one for one in self.controller._informers if one.source.path == collection]
        version = str(self.api.bookmark(collection))  # whoever has it has dealt with all before it
        deadline = time.monotonic() + PATIENCE
        while informer._version != version:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        return self.taken()


@pytest.fixture
def queued(replica: Replica, api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Queued:
    api.put(CRON_JOB, cron_job(include="true"))
    api.put(JOB, job())
    replica.label()
    api.put("/api/v1/namespaces/left/secrets/cronitor-sidecar", {"metadata": {}})
    return Queued(replica, monkeypatch)


def test_who_does_not_lead_queues_nothing(queued: Queued) -> None:
    assert queued.after(CRON_JOB, cron_job(include="false")) == set()
    assert queued.after(POD, pod(metadata={"labels": {"batch.kubernetes.io/job-name": "backup-1"}})) == set()
    assert queued.taken() == set()


def test_who_begins_to_lead_queues_everything(queued: Queued) -> None:
    queued.controller.lead(Earlier())
    assert queued.taken() == {JOB_KEY, SHOP_KEY, Key("namespace", "left"), STATE_KEY, Key("key"), Key("monitors")}


def test_a_change_of_a_cron_jobs_status_queues_nothing_and_one_of_its_annotations_its_jobs(queued: Queued) -> None:
    queued.controller.lead(Earlier())
    scheduled = {**cron_job(include="true"), "status": {"lastScheduleTime": "2026-03-01T12:00:00Z"}}
    assert queued.after(CRON_JOB, scheduled) == set()
    assert queued.after(CRON_JOB, cron_job(include="false")) == {JOB_KEY, Key("monitors")}


def test_a_change_of_a_pod_queues_its_job_alone(queued: Queued) -> None:
    queued.controller.lead(Earlier())
    labels = {"batch.kubernetes.io/job-name": "backup-1"}
    given = pod(metadata={"labels": labels}, status={"phase": "Running"})
    assert queued.after(POD, given) == {JOB_KEY}
    of_another = {"labels": labels, "ownerReferences": [owned_by("Job", "unknown", "u")]}
    assert queued.after(f"{SHOP}/pods/other", pod(metadata=of_another)) == set()


def test_a_label_queues_the_namespace_its_jobs_and_what_is_published(queued: Queued) -> None:
    queued.controller.lead(Earlier())
    lager = "/apis/batch/v1/namespaces/lager/jobs"
    queued.after(f"{lager}/stock-1", job("stock-1", uid="j2", namespace="lager"))
    found = queued.after("/api/v1/namespaces/lager", {"metadata": {"labels": LABELLED}})
    assert found == {Key("namespace", "lager"), Key("job", "lager", "stock-1"), STATE_KEY}
