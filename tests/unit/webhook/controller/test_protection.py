"""Harm and what is done about it, through an API server: pods are freed, Jobs exempted, breakers opened and told."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.unit.webhook.api_server import PATIENCE, ApiServer
from tests.unit.webhook.api_store import Fault
from tests.unit.webhook.objects import CREATED_AT, CRON_JOB_UID, JOB_UID, cron_job, job, pod
from tests.unit.webhook.settings_document import settings
from webhook import exemption, run_mark, workloads
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient
from webhook.controller import breaker, plan
from webhook.controller.namespaces import NamespaceCaches, NamespaceKeeper
from webhook.controller.objects import OwnedObjects
from webhook.controller.plan import Wanted
from webhook.controller.protection import Protection
from webhook.controller.queue import Key
from webhook.errors import KubeError
from webhook.exemption import Cause, Exemption
from webhook.run_mark import RunMark
from webhook.state import Breaker, SharedState, Standing

Json = dict[str, Any]

WANTED = Wanted("cronitor-sidecar", "release-sidecar", "role-uid", {"telemetry-key": "key", "ca.crt": "CA"})
OWNER = "/apis/rbac.authorization.k8s.io/v1/clusterroles/release-sidecar"
SHOP = "/api/v1/namespaces/shop"
JOB = "/apis/batch/v1/namespaces/shop/jobs/backup-1"
CRON_JOB = "/apis/batch/v1/namespaces/shop/cronjobs/backup"
POD = f"{SHOP}/pods/backup-1-x"
HARM, BREAKER, STATE = Key("harm", "shop", "backup-1"), Key("breaker", "shop"), Key("state")
IMAGE, PAUSE, SECOND_PAUSE = "registry.example/sidecar:1", "registry.example/pause:3", "localhost/pause:latest"
LABELS = {"batch.kubernetes.io/job-name": "backup-1", "k8s.cronitor.io/injected": "true"}
NO_SUCH_IMAGE = {"waiting": {"reason": "InvalidImageName", "message": "not a name"}}
QUOTA = 'pods "backup-1-" is forbidden: exceeded quota: tight'


def now_text(seconds: float = 0.0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def stuck_pod(image: str = IMAGE, state: Json = NO_SUCH_IMAGE, **metadata: Any) -> Json:
    return pod(
        "backup-1-x",
        metadata={"labels": LABELS, "annotations": {"k8s.cronitor.io/sidecar-tells": "run,complete,fail"}, **metadata},
        status={"phase": "Pending", "initContainerStatuses": [{"name": "cronitor", "state": state, "restartCount": 0}]},
        initContainers=[{"name": "mesh"}, {"name": "cronitor", "image": image, "restartPolicy": "Always"}],
    )


class Replica:
    """The informers and the protection of one replica; keys that it queues are kept for the test to look at."""

    def __init__(self, api: ApiServer, kube: KubeClient, **changes: Any) -> None:
        self.api, self.settings = api, settings(**changes)
        self.queued: dict[Key, float] = {}
        self._lock = threading.Lock()
        named = "metadata.name=cronitor-sidecar"
        self.caches = NamespaceCaches(
            namespaces=Informer(kube, Source("namespaces", "/api/v1/namespaces")),
            service_accounts=Informer(kube, Source("serviceaccounts", "/api/v1/serviceaccounts", field_selector=named)),
            role_bindings=Informer(
                kube, Source("rolebindings", "/apis/rbac.authorization.k8s.io/v1/rolebindings", field_selector=named)
            ),
            secrets=Informer(kube, Source("secrets", "/api/v1/secrets", field_selector=named)),
            pods=Informer(kube, Source("pods", "/api/v1/pods", trim=workloads.trim_pod)),
        )
        self.jobs = Informer(kube, Source("jobs", "/apis/batch/v1/jobs", trim=workloads.trim_job))
        self.cron_jobs = Informer(kube, Source("cronjobs", "/apis/batch/v1/cronjobs", trim=workloads.trim_cron_job))
        api.put(OWNER, {"metadata": {"uid": WANTED.owner_uid}})
        objects = OwnedObjects(kube, OWNER, WANTED.owner_uid, lambda: None)
        self.keeper = NamespaceKeeper(kube, objects, self.caches, self.settings, WANTED)
        self.protection = Protection(
            kube,
            self.settings,
            jobs=self.jobs,
            cron_jobs=self.cron_jobs,
            caches=self.caches,
            namespaces=self.keeper,
            add=self._add,
        )
        before = api.watches
        for informer in self.informers:
            informer.start()
        for informer in self.informers:
            assert informer.wait_synced(PATIENCE)
        api.wait_for(lambda: api.watches == before + len(self.informers))

    @property
    def informers(self) -> tuple[Informer, ...]:
        caches = self.caches
        return (
            caches.namespaces,
            caches.service_accounts,
            caches.role_bindings,
            caches.secrets,
            caches.pods,
            self.jobs,
            self.cron_jobs,
            *self.protection.informers,
        )

    def _add(self, key: Key, delay: float) -> None:
        with self._lock:
            self.queued[key] = delay

    def take(self, key: Key) -> float:
        """The key's delay, as soon as it has been queued."""
        self.until(lambda: key in self.queued)
        with self._lock:
            return self.queued.pop(key)

    def until(self, holds: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"not seen; queued were {self.queued}"
            time.sleep(0.005)

    def put(self, path: str, body: Json) -> Json:
        """Write an object; returns when the caches have it."""
        stored = self.api.put(path, body)
        self.seen()
        return stored

    def seen(self) -> None:
        """Wait until the caches and all that they feed have dealt with what is there."""
        for informer in self.informers:
            version = str(self.api.bookmark(informer.source.path))  # whoever has it has dealt with all before it
            self.until(lambda informer=informer, version=version: informer._version == version)  # type: ignore[misc]

    def provision(self) -> None:
        self.put(SHOP, {"metadata": {"labels": {plan.INJECTION_LABEL: "enabled"}}})
        self.keeper.reconcile(Key("namespace", "shop"))
        self.seen()

    def refuse(self, at: float = 0.0, name: str = "refused", message: str = QUOTA) -> None:
        """The Job controller tells that it could not make a pod, `at` seconds from now."""
        about = {"kind": "Job", "name": "backup-1", "namespace": "shop", "uid": JOB_UID}
        event = {"reason": "FailedCreate", "involvedObject": about, "message": message, "lastTimestamp": now_text(at)}
        self.put(f"{SHOP}/events/{name}", event)

    def harm(self) -> float | None:
        again = self.protection.reconcilers["harm"].reconcile(HARM)
        self.seen()
        return again

    def breaker(self) -> float | None:
        return self.protection.reconcilers["breaker"].reconcile(BREAKER)

    @property
    def stands(self) -> Standing | None:
        known = self.protection.breakers().get("shop")
        return known.standing if known else None

    def told(self) -> set[tuple[str, str]]:
        """Kind of object and reason of each Event of ours."""
        events = self.api.answer_list("/api/v1/events", {})
        ours = [one for one in events if one.get("reportingComponent") == "cronitor-k8s"]
        return {(one["involvedObject"]["kind"], one["reason"]) for one in ours}

    def exempted(self) -> Exemption | None:
        return exemption.of_job(self.api.get(JOB) or {"metadata": {}})

    def patches(self) -> list[str]:
        return self.api.asked("PATCH")


Make = Callable[..., Replica]


@pytest.fixture
def make(api: ApiServer, kube: KubeClient) -> Iterator[Make]:
    made: list[Replica] = []

    def start(**changes: Any) -> Replica:
        replica = Replica(api, kube, **changes)
        made.append(replica)
        return replica

    yield start
    for replica in made:
        for informer in replica.informers:
            informer.stop()


@pytest.fixture
def replica(make: Make) -> Replica:
    return ready(make())


def ready(replica: Replica) -> Replica:
    """A provisioned namespace, with an included CronJob and its Job."""
    replica.provision()
    replica.put(CRON_JOB, cron_job(include="true"))
    replica.put(JOB, job())
    replica.api.requests.clear()
    replica.queued.clear()
    return replica


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# --- pods that are stuck ---------------------------------------------------------------------------------------------


def test_a_stuck_pod_is_freed_and_its_namespaces_breaker_opened_and_told(replica: Replica) -> None:
    before = counted("cronitor_pods_freed_total")
    replica.put(POD, stuck_pod())
    assert replica.take(HARM) == 0.0
    replica.harm()
    freed = replica.api.get(POD)
    assert freed is not None
    assert freed["spec"]["initContainers"][1] == {"name": "cronitor", "image": PAUSE, "restartPolicy": "Always"}
    assert freed["spec"]["initContainers"][0] == {"name": "mesh"}
    assert freed["metadata"]["annotations"] == {
        "k8s.cronitor.io/sidecar-tells": "none",
        "k8s.cronitor.io/freed": "true",
    }
    assert replica.stands is Standing.OPEN
    assert {STATE, BREAKER} <= set(replica.queued)
    assert replica.told() == {
        (kind, reason) for kind in ("Job", "CronJob") for reason in ("CronitorInjectionStopped", "CronitorPodFreed")
    }
    assert counted("cronitor_pods_freed_total") == before + 1
    assert counted("cronitor_breaker_open", namespace="shop") == 1


def test_only_our_container_of_the_pod_is_ever_patched(replica: Replica) -> None:
    before = replica.put(POD, stuck_pod())
    replica.harm()
    after = replica.api.get(POD)
    assert after is not None
    for found in (before, after):
        found["spec"]["initContainers"][1].pop("image")
        found["metadata"].pop("annotations")
        found["metadata"].pop("resourceVersion")
    assert after == before


def test_what_may_heal_is_given_some_seconds(replica: Replica) -> None:
    replica.put(POD, stuck_pod(state={"waiting": {"reason": "ErrImagePull"}}))
    replica.take(HARM)
    wait = replica.harm()
    assert wait is not None
    assert 0 < wait <= breaker.STUCK_SECONDS
    assert (replica.stands, replica.patches()) == (None, [])
    replica.put(POD, stuck_pod(state={"running": {"startedAt": now_text()}}))
    assert replica.harm() is None
    assert (replica.stands, replica.patches()) == (None, [])


def test_a_pod_that_the_first_image_does_not_free_gets_the_next_one_and_then_is_told_of(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "NEXT_IMAGE_SECONDS", 0.0)
    replica.put(POD, stuck_pod(image=PAUSE))
    replica.harm()
    freed = replica.api.get(POD)
    assert freed is not None
    assert freed["spec"]["initContainers"][1]["image"] == SECOND_PAUSE
    assert replica.stands is None, "that one of our freed pods is stuck says nothing about the sidecar"
    replica.harm()
    assert ("Job", "CronitorPodStuck") in replica.told()
    assert len(replica.patches()) == 1


def test_an_image_that_frees_gets_time_to_be_pulled(replica: Replica) -> None:
    replica.put(POD, stuck_pod())
    replica.harm()
    wait = replica.harm()  # the kubelet's status is still that of our own image
    assert wait is not None
    assert 0 < wait <= breaker.NEXT_IMAGE_SECONDS
    assert len(replica.patches()) == 1


def test_where_pods_are_not_to_be_freed_the_breaker_opens_all_the_same(make: Make) -> None:
    replica = ready(make(**{"breaker.freeStuckPods": False}))
    replica.put(POD, stuck_pod())
    replica.harm()
    assert replica.stands is Standing.OPEN
    assert replica.patches() == []
    assert ("Job", "CronitorPodStuck") in replica.told()


def test_a_pod_that_has_changed_meanwhile_is_not_patched(replica: Replica) -> None:
    replica.put(POD, stuck_pod())
    replica.caches.pods.stop()
    replica.api.put(POD, stuck_pod(image="somebody-s-own"))
    with pytest.raises(KubeError):
        replica.protection.reconcilers["harm"].reconcile(HARM)
    assert ("Job", "CronitorPodStuck") not in replica.told()


def test_a_pod_that_has_gone_is_no_trouble(replica: Replica) -> None:
    replica.put(POD, stuck_pod())
    replica.api.fail(f"PATCH {POD}", Fault(404, "NotFound"))
    replica.harm()
    assert replica.stands is Standing.OPEN


@pytest.mark.parametrize("fault", [Fault(403, "Forbidden"), Fault(422, "Invalid")], ids=str)
def test_a_pod_that_may_not_be_patched_is_told_of_and_tried_again(replica: Replica, fault: Fault) -> None:
    replica.put(POD, stuck_pod())
    replica.api.fail(f"PATCH {POD}", fault)
    with pytest.raises(KubeError):
        replica.harm()
    assert replica.stands is Standing.OPEN
    assert ("Job", "CronitorPodStuck") in replica.told()


def test_a_container_killed_for_memory_opens_the_breaker_and_its_pod_goes_on(replica: Replica) -> None:
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": now_text()}}
    given = stuck_pod(state={"running": {"startedAt": now_text()}})
    given["status"]["initContainerStatuses"][0] |= {"lastState": last, "restartCount": 1}
    replica.put(POD, given)
    replica.harm()
    assert replica.stands is Standing.OPEN
    assert replica.patches() == []


def test_events_that_cannot_be_written_stop_nothing(replica: Replica) -> None:
    before = counted("cronitor_events_failed_total")
    replica.put(POD, stuck_pod())
    replica.api.fail("POST /api/v1/namespaces/shop/events", Fault(500), times=4)
    replica.harm()
    assert (replica.stands, replica.told(), len(replica.patches())) == (Standing.OPEN, set(), 1)
    assert counted("cronitor_events_failed_total") == before + 4


# --- pods that are refused -------------------------------------------------------------------------------------------


def exempt(replica: Replica) -> None:
    replica.refuse()
    assert replica.take(HARM) == 0.0
    replica.harm()


def test_a_refused_job_is_exempted_once_and_told(replica: Replica) -> None:
    before = counted("cronitor_jobs_exempted_total")
    exempt(replica)
    found = replica.exempted()
    assert found is not None
    assert (found.job, found.cause) == (JOB_UID, Cause.UNKNOWN)
    assert replica.told() == {("Job", "CronitorJobExempted"), ("CronJob", "CronitorJobExempted")}
    assert counted("cronitor_jobs_exempted_total") == before + 1
    replica.refuse(1.0, "the-same-again")
    replica.harm()
    assert len(replica.patches()) == 1
    assert replica.stands is None


def test_if_its_pod_is_let_in_then_it_was_us(replica: Replica) -> None:
    exempt(replica)
    replica.put(POD, pod("backup-1-x", metadata={"creationTimestamp": now_text()}, status={"phase": "Pending"}))
    replica.take(HARM)
    replica.harm()
    assert replica.stands is Standing.OPEN
    assert replica.protection.breakers()["shop"].reason == f"pod refused: {QUOTA}"
    found = replica.exempted()
    assert found is not None
    assert found.cause is Cause.OURS
    assert ("CronJob", "CronitorInjectionStopped") in replica.told()
    before = len(replica.patches())
    replica.harm()
    assert len(replica.patches()) == before


def test_if_it_goes_on_then_it_was_not_us_and_the_job_is_not_touched_again(replica: Replica) -> None:
    exempt(replica)
    replica.refuse(5.0, "again")
    replica.harm()
    found = replica.exempted()
    assert found is not None
    assert found.cause is Cause.OTHER
    assert replica.stands is None
    before = len(replica.patches())
    replica.put(POD, pod("backup-1-x", metadata={"creationTimestamp": now_text(9.0)}, status={"phase": "Pending"}))
    replica.harm()
    assert (replica.stands, len(replica.patches())) == (None, before)


def test_a_new_leader_concludes_from_what_stands_on_the_job(make: Make, api: ApiServer) -> None:
    first = ready(make())
    exempt(first)
    second = make()
    assert HARM in second.protection.lead(SharedState())
    second.put(POD, pod("backup-1-x", metadata={"creationTimestamp": now_text()}, status={"phase": "Pending"}))
    second.harm()
    assert second.stands is Standing.OPEN


@pytest.mark.parametrize(
    ("what", "a_job", "a_cron_job"),
    [
        ("not included", job(), cron_job()),
        ("not to be injected", job(), cron_job(include="true", inject="false")),
        ("a short deadline", job(activeDeadlineSeconds=60), cron_job(include="true")),
        ("several pods", job(parallelism=2), cron_job(include="true")),
    ],
)
def test_a_job_that_goes_without_us_anyway_is_not_touched(
    replica: Replica, what: str, a_job: Json, a_cron_job: Json
) -> None:
    replica.put(CRON_JOB, a_cron_job)
    replica.put(JOB, a_job)
    replica.refuse()
    replica.harm()
    assert replica.patches() == [], what


def test_an_open_run_is_exempted_though_its_cron_job_has_gone(replica: Replica) -> None:
    mark = run_mark.write(RunMark(CRON_JOB_UID, "shop/backup", job=JOB_UID))
    replica.put(JOB, job(annotations={run_mark.ANNOTATION: mark}))
    replica.api.delete(CRON_JOB)
    replica.seen()
    replica.refuse()
    replica.harm()
    assert replica.exempted() is not None


def test_a_namespace_that_is_not_provisioned_has_nothing_to_do_with_us(make: Make) -> None:
    replica = make()
    replica.put(SHOP, {"metadata": {"labels": {plan.INJECTION_LABEL: "enabled"}}})
    replica.put(CRON_JOB, cron_job(include="true"))
    replica.put(JOB, job())
    replica.refuse()
    replica.harm()
    assert replica.patches() == []


def test_the_words_of_the_newest_refusal_can_be_asked_for(replica: Replica) -> None:
    assert replica.protection.refusal_of(JOB_UID) == ""
    replica.refuse(-9, "old", "older words")
    replica.refuse(0, "new", "newer words")
    assert replica.protection.refusal_of(JOB_UID) == "newer words"
    replica.api.delete(f"{SHOP}/events/new")
    replica.seen()
    assert replica.protection.refusal_of(JOB_UID) == "older words"


def test_a_job_controller_without_the_right_to_create_pods_is_no_refusal(replica: Replica) -> None:
    user = 'User "system:serviceaccount:kube-system:job-controller" cannot create resource "pods"'
    replica.refuse(0, "rights", f"Error creating: pods is forbidden: {user} in API group")
    assert replica.protection.refusal_of(JOB_UID) == ""


def test_only_refusals_of_jobs_are_watched(replica: Replica) -> None:
    about = {"kind": "Job", "name": "backup-1", "namespace": "shop", "uid": JOB_UID}
    replica.put(f"{SHOP}/events/other", {"reason": "BackoffLimitExceeded", "involvedObject": about})
    assert replica.protection.informers[0].all() == []


# --- the breaker -----------------------------------------------------------------------------------------------------


def load(replica: Replica, standing: Standing, *, until: float, times: int = 1) -> None:
    known = Breaker("why", CREATED_AT, until, time.time(), times, standing)
    replica.protection.lead(SharedState(frozenset({"shop"}), {"shop": known}))


def test_a_new_leader_goes_on_from_what_is_published(replica: Replica) -> None:
    known = Breaker("why", CREATED_AT, time.time() + 500, CREATED_AT, 2)
    assert BREAKER in replica.protection.lead(SharedState(frozenset({"shop"}), {"shop": known}))
    assert replica.protection.breakers() == {"shop": known}
    wait = replica.breaker()
    assert wait is not None
    assert 490 < wait <= 500
    assert replica.stands is Standing.OPEN


def test_when_its_time_is_over_it_is_tried_and_harm_opens_it_for_longer(replica: Replica) -> None:
    load(replica, Standing.OPEN, until=time.time() - 1)
    replica.breaker()
    assert replica.stands is Standing.TRYING
    assert STATE in replica.queued
    assert counted("cronitor_breaker_open", namespace="shop") == 0
    replica.put(POD, stuck_pod(creationTimestamp=now_text(1.0)))
    replica.harm()
    opened = replica.protection.breakers()["shop"]
    assert (opened.standing, opened.times) == (Standing.OPEN, 2)
    assert opened.until - opened.since == pytest.approx(1200)


def test_a_pod_of_before_does_not_open_it_again(replica: Replica) -> None:
    replica.put(POD, stuck_pod(creationTimestamp=now_text(-60)))
    load(replica, Standing.TRYING, until=time.time())
    replica.harm()
    assert replica.stands is Standing.TRYING
    assert len(replica.patches()) == 1, "it is freed all the same"


def test_a_pod_that_runs_well_closes_it_and_that_is_told(replica: Replica) -> None:
    load(replica, Standing.TRYING, until=time.time() - 60)
    running = {"running": {"startedAt": now_text(-2)}}
    replica.put(POD, stuck_pod(state=running, creationTimestamp=now_text(-30)))
    replica.take(BREAKER)
    wait = replica.breaker()
    assert wait is not None
    assert 0 < wait <= breaker.RUNS_WELL_SECONDS
    running["running"]["startedAt"] = now_text(-20)
    replica.put(POD, stuck_pod(state=running, creationTimestamp=now_text(-30)))
    replica.breaker()
    assert replica.stands is Standing.CLOSED
    assert replica.told() == {("Job", "CronitorInjectionResumed"), ("CronJob", "CronitorInjectionResumed")}


def test_a_closed_one_is_forgotten_in_the_end(replica: Replica) -> None:
    known = Breaker("why", CREATED_AT, CREATED_AT, CREATED_AT, 1, Standing.CLOSED)
    replica.protection.lead(SharedState(frozenset({"shop"}), {"shop": known}))
    assert replica.breaker() is None
    assert replica.protection.breakers() == {}
    assert REGISTRY.get_sample_value("cronitor_breaker_open", {"namespace": "shop"}) is None


def test_a_namespace_without_the_label_has_none(replica: Replica) -> None:
    load(replica, Standing.OPEN, until=time.time() + 500)
    replica.put(SHOP, {"metadata": {"labels": {}}})
    replica.take(BREAKER)
    assert replica.breaker() is None
    assert replica.protection.breakers() == {}


def test_switched_off_it_watches_nothing_and_publishes_nothing(make: Make) -> None:
    replica = ready(make(**{"breaker.enabled": False}))
    assert (replica.protection.informers, replica.protection.reconcilers) == ((), {})
    known = Breaker("why", CREATED_AT, time.time() + 500, CREATED_AT)
    assert replica.protection.lead(SharedState(frozenset({"shop"}), {"shop": known})) == set()
    assert replica.protection.breakers() == {}
    replica.put(POD, stuck_pod())
    assert replica.queued == {}
