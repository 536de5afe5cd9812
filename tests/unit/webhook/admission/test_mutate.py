"""A review from its bytes to its answer: always allowed, whatever comes, and never with what went wrong inside."""

import copy
import hashlib
import io
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from tests.unit.webhook.api_server import ApiServer
from tests.unit.webhook.api_store import Fault
from tests.unit.webhook.kubelet import sidecar_settings
from tests.unit.webhook.objects import CREATED_AT, CRON_JOB_UID, JOB_UID, cron_job, job, owned_by, pod
from tests.unit.webhook.reviews import UID, admitted, response_of, review
from tests.unit.webhook.settings_document import settings
from webhook import annotations, exemption, run_mark
from webhook.admission.app import LARGEST_REVIEW_BYTES, create_app
from webhook.admission.decide import Owners, Reason, Skipped
from webhook.admission.mutate import Mutation
from webhook.admission.owners import OwnerLookup
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient
from webhook.controller.monitors import MonitorDefaults, desired
from webhook.levels import Levels
from webhook.run_mark import RunMark
from webhook.state import Breaker, SharedState, Standing

JOB = "/apis/batch/v1/namespaces/shop/jobs/backup-1"
CRON_JOB = "/apis/batch/v1/namespaces/shop/cronjobs/backup"
STATE = SharedState(frozenset({"shop"}))

Json = dict[str, Any]


def lookup(kube: KubeClient) -> OwnerLookup:
    """Without caches: every owner is read."""
    return OwnerLookup(kube, Informer(kube, Source("jobs", "")), Informer(kube, Source("cronjobs", "")))


def no_limits(_namespace: str) -> list[Json]:
    """No LimitRange anywhere."""
    return []


@pytest.fixture
def kept(api: ApiServer) -> None:
    api.put(JOB, job())
    api.put(CRON_JOB, cron_job(include="true"))


@pytest.fixture
def mutation(kube: KubeClient, kept: None) -> Mutation:
    return Mutation(settings(), lookup(kube), lambda: STATE, no_limits, clock=lambda: CREATED_AT)


@pytest.fixture
def http(mutation: Mutation) -> FlaskClient:
    return create_app(mutation, {"jobs": lambda: True}).test_client()


def sent(document: object) -> bytes:
    return json.dumps(document).encode()


class Counted:
    """How often each outcome has been counted since."""

    def __init__(self) -> None:
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        outcomes = [*(reason.value for reason in Reason), "injected"]
        name = "cronitor_admission_reviews_total"
        return {one: REGISTRY.get_sample_value(name, {"outcome": one}) or 0.0 for one in outcomes}

    def __call__(self) -> dict[str, int]:
        now = self._now()
        return {one: int(now[one] - before) for one, before in self._before.items() if now[one] != before}


@pytest.fixture
def counted() -> Counted:
    return Counted()


def environment(found: Json) -> dict[str, str]:
    return sidecar_settings(found["spec"]["initContainers"][0], lambda path: f"@{path}")


# --- who is injected -------------------------------------------------------------------------------------------------


def test_a_pod_of_an_included_cron_job_is_injected_and_counted(mutation: Mutation, counted: Counted) -> None:
    given = pod()
    found = admitted(given, mutation.answer(sent(review(given))))
    assert found["spec"]["initContainers"][0]["name"] == "cronitor"
    assert environment(found)["CRONITOR_MONITOR_KEY"] == CRON_JOB_UID
    assert counted() == {"injected": 1}


def test_a_second_call_for_the_same_pod_changes_nothing(mutation: Mutation, counted: Counted) -> None:
    given = pod()
    once = admitted(given, mutation.answer(sent(review(given))))
    assert "patch" not in response_of(mutation.answer(sent(review(once))))
    assert counted() == {"injected": 1, "already_injected": 1}


def test_a_second_call_changes_nothing_after_another_webhook_put_its_container_first(mutation: Mutation) -> None:
    given = pod()
    once = admitted(given, mutation.answer(sent(review(given))))
    once["spec"]["initContainers"].insert(0, {"name": "mesh-init"})
    assert "patch" not in response_of(mutation.answer(sent(review(once))))


def test_a_dry_run_is_answered_like_any_other(mutation: Mutation, api: ApiServer) -> None:
    given = pod()
    assert admitted(given, mutation.answer(sent(review(given, dryRun=True)))) != given
    assert {request.method for request in api.requests} == {"GET"}


def test_the_identity_is_that_of_the_annotations(mutation: Mutation, api: ApiServer) -> None:
    api.put(CRON_JOB, cron_job(include="true", key_inference="name", name="Nightly", env="dev"))
    given = pod()
    variables = environment(admitted(given, mutation.answer(sent(review(given)))))
    assert variables["CRONITOR_MONITOR_KEY"] == "c9e429b1798d0142b8b31e82c1f9da5d8e0c9420"
    assert variables["CRONITOR_ENV"] == "dev"


def test_an_open_run_keeps_the_identity_that_its_mark_has_frozen(mutation: Mutation, api: ApiServer) -> None:
    mark = RunMark("frozen-key", "shop/backup", "frozen-env", start=1772366401.0, run=True, job=JOB_UID)
    api.put(JOB, job(annotations={run_mark.ANNOTATION: run_mark.write(mark)}))
    api.put(CRON_JOB, cron_job(include="false", key="edited", env="edited"))
    given = pod()
    found = admitted(given, mutation.answer(sent(review(given))))
    variables = environment(found)
    assert (variables["CRONITOR_MONITOR_KEY"], variables["CRONITOR_ENV"]) == ("frozen-key", "frozen-env")
    assert found["metadata"]["annotations"]["k8s.cronitor.io/sidecar-tells"] == "complete,fail"


def test_an_open_run_whose_cron_job_has_gone_is_injected(mutation: Mutation, api: ApiServer) -> None:
    api.put(
        JOB, job(annotations={run_mark.ANNOTATION: run_mark.write(RunMark("frozen-key", "shop/backup", job=JOB_UID))})
    )
    api.delete(CRON_JOB)
    given = pod()
    variables = environment(admitted(given, mutation.answer(sent(review(given)))))
    assert variables["CRONITOR_MONITOR_KEY"] == "frozen-key"


def test_the_namespace_is_the_reviews_where_the_pod_has_none(kube: KubeClient, api: ApiServer, kept: None) -> None:
    mutation = Mutation(settings(), lookup(kube), lambda: STATE, no_limits)
    given = pod(metadata={"namespace": "elsewhere"})
    assert admitted(given, mutation.answer(sent(review(given, namespace="shop")))) != given


SKIPPED: list[tuple[str, Json, Json, Json, str]] = [
    ("no annotation", pod(), job(), cron_job(), "not_included"),
    ("include: false", pod(), job(), cron_job(include="false"), "not_included"),
    ("include: yes", pod(), job(), cron_job(include="yes"), "not_included"),
    ("excluded", pod(), job(), cron_job(include="true", exclude="true"), "excluded"),
    ("no Job", pod(metadata={"ownerReferences": []}), job(), cron_job(include="true"), "no_job_owner"),
    ("a bare Job", pod(), job(owner={}), cron_job(include="true"), "no_cronjob_owner"),
    ("another Job", pod(metadata={"ownerReferences": [owned_by("Job", "x", "u")]}), job(), cron_job(), "job_not_found"),
    ("another CronJob", pod(), job(), cron_job(uid="newer", include="true"), "cronjob_not_found"),
    ("crowd", pod(), job(parallelism=2), cron_job(include="true"), "crowd_job"),
    ("short deadline", pod(), job(activeDeadlineSeconds=10), cron_job(include="true"), "short_deadline"),
    ("windows", pod(os={"name": "windows"}), job(), cron_job(include="true"), "windows"),
    ("opted out", pod(), job(), cron_job(include="true", inject="false"), "opted_out"),
    ("our name", pod(containers=[{"name": "cronitor"}]), job(), cron_job(include="true"), "name_taken"),
]


@pytest.mark.parametrize(("a_pod", "a_job", "a_cron_job", "reason"), [row[1:] for row in SKIPPED],
                         ids=[row[0] for row in SKIPPED])  # fmt: skip
def test_a_pod_that_is_left_alone_is_counted_with_its_reason(
    kube: KubeClient, api: ApiServer, counted: Counted, a_pod: Json, a_job: Json, a_cron_job: Json, reason: str
) -> None:
    api.put(JOB, a_job)
    api.put(CRON_JOB, a_cron_job)
    mutation = Mutation(settings(), lookup(kube), lambda: STATE, no_limits)
    assert response_of(mutation.answer(sent(review(a_pod)))) == {"uid": UID, "allowed": True}
    assert counted() == {reason: 1}


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, SharedState(), "namespace_not_provisioned"),
        ({}, SharedState(frozenset({"lager"})), "namespace_not_provisioned"),
        ({"injection.enabled": False}, STATE, "injection_disabled"),
    ],
)
def test_the_charts_values_and_the_controllers_word_count(
    kube: KubeClient, kept: None, counted: Counted, changes: Json, state: SharedState, reason: str
) -> None:
    mutation = Mutation(settings(**changes), lookup(kube), lambda: state, lambda _: [])
    assert response_of(mutation.answer(sent(review(pod())))) == {"uid": UID, "allowed": True}
    assert counted() == {reason: 1}


def limit_range(**item: Any) -> Json:
    return {"metadata": {"name": "limits", "namespace": "shop"}, "spec": {"limits": [{"type": "Container", **item}]}}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"shop": [limit_range(max={"memory": "16Mi"})]}, "limit_range"),
        ({"shop": [limit_range(max={"memory": "1Gi"})]}, "injected"),
        ({"lager": [limit_range(max={"memory": "16Mi"})]}, "injected"),
    ],
)
def test_a_pod_that_a_limit_range_would_refuse_because_of_us_is_left_alone(
    kube: KubeClient, kept: None, counted: Counted, limits: Json, reason: str
) -> None:
    mutation = Mutation(settings(), lookup(kube), lambda: STATE, lambda namespace: limits.get(namespace, []))
    container = {"name": "app", "resources": {"requests": {"memory": "8Mi"}, "limits": {"memory": "8Mi"}}}
    response_of(mutation.answer(sent(review(pod(containers=[container])))))
    assert counted() == {reason: 1}


def test_a_mark_that_came_along_with_a_copied_manifest_is_none(mutation: Mutation, api: ApiServer) -> None:
    mark = RunMark("copied-key", "shop/other", verdict="complete", job="the-job-it-was-copied-from")
    api.put(JOB, job(annotations={run_mark.ANNOTATION: run_mark.write(mark)}))
    given = pod()
    found = admitted(given, mutation.answer(sent(review(given))))
    assert environment(found)["CRONITOR_MONITOR_KEY"] == CRON_JOB_UID
    assert environment(found)["CRONITOR_TELLS"] == "run,complete,fail"


def test_an_open_breaker_leaves_the_namespaces_pods_alone(kube: KubeClient, kept: None, counted: Counted) -> None:
    breaker = Breaker("ErrImagePull", 1.0, 2.0, 1.0)
    states = [SharedState(STATE.provisioned, {"shop": breaker}), SharedState(STATE.provisioned, {"lager": breaker})]
    mutation = Mutation(settings(), lookup(kube), lambda: states.pop(0), no_limits)
    assert "patch" not in response_of(mutation.answer(sent(review(pod()))))
    assert "patch" in response_of(mutation.answer(sent(review(pod()))))
    assert counted() == {"breaker_open": 1, "injected": 1}


def test_while_a_breaker_is_tried_only_pods_that_would_be_injected_use_up_what_may_be(
    kube: KubeClient, api: ApiServer, kept: None, counted: Counted
) -> None:
    trying = Breaker("ErrImagePull", 1.0, 2.0, 1.0, standing=Standing.TRYING)
    state = SharedState(STATE.provisioned, {"shop": trying})
    mutation = Mutation(settings(), lookup(kube), lambda: state, no_limits)
    api.put(CRON_JOB, cron_job(include="false"))
    mutation.answer(sent(review(pod())))
    api.put(CRON_JOB, cron_job(include="true"))
    for _ in range(3):
        mutation.answer(sent(review(pod())))
    assert counted() == {"not_included": 1, "injected": 1, "breaker_open": 2}


def test_the_pods_of_an_exempt_job_are_left_alone(mutation: Mutation, api: ApiServer, counted: Counted) -> None:
    written = exemption.write(exemption.Exemption(1.0, 1.0, JOB_UID))
    api.put(JOB, job(annotations={exemption.ANNOTATION: written}))
    assert "patch" not in response_of(mutation.answer(sent(review(pod()))))
    assert counted() == {"exempt": 1}


def test_a_dry_run_of_the_installation_reaches_the_sidecar(kube: KubeClient, kept: None, mutation: Mutation) -> None:
    given = pod()
    dry = Mutation(settings(dryRun=True), lookup(kube), lambda: STATE, no_limits)
    assert environment(admitted(given, dry.answer(sent(review(given)))))["CRONITOR_DRY_RUN"] == "true"
    assert "CRONITOR_DRY_RUN" not in environment(admitted(given, mutation.answer(sent(review(given)))))


def test_the_newest_word_of_the_controller_counts(kube: KubeClient, kept: None) -> None:
    states = [SharedState(), STATE]
    mutation = Mutation(settings(), lookup(kube), lambda: states.pop(0), lambda _: [])
    assert "patch" not in response_of(mutation.answer(sent(review(pod()))))
    assert "patch" in response_of(mutation.answer(sent(review(pod()))))


ON_NAMESPACE = {
    f"k8s.cronitor.io/{key}": text
    for key, text in {"include": "true", "env": "staging", "key-inference": "name", "name-prefix": "none"}.items()
}


def on_namespace(kube: KubeClient, given: Mapping[str, str], **changes: Any) -> Mutation:
    """With what the controller publishes of such a Namespace."""
    state = SharedState(frozenset({"shop"}), annotations={"shop": annotations.for_admission(given)})
    return Mutation(settings(**changes), lookup(kube), lambda: state, no_limits, clock=lambda: CREATED_AT)


@pytest.mark.parametrize("own", [{}, {"name": "Nightly"}, {"name_prefix": "x-"}, {"key_inference": "k8s"}, {"env": ""}])
@pytest.mark.parametrize("cluster", ["", "eu-1"])
def test_a_namespaces_annotations_and_the_cluster_give_the_identity_that_the_monitor_has(
    kube: KubeClient, api: ApiServer, own: dict[str, str], cluster: str
) -> None:
    api.put(JOB, job())
    api.put(CRON_JOB, cron_job(**own))
    given = pod()
    mutation = on_namespace(kube, ON_NAMESPACE, **{"config.clusterName": cluster, "config.environment": "prod"})
    variables = environment(admitted(given, mutation.answer(sent(review(given)))))
    levels = Levels(settings(**{"config.environment": "prod"}).default_options, lambda _namespace: ON_NAMESPACE)
    options = levels.of("shop", cron_job(**own)["metadata"]["annotations"])
    assert variables["CRONITOR_MONITOR_KEY"] == desired(cron_job(**own), options, MonitorDefaults(cluster)).monitor.key
    assert variables.get("CRONITOR_ENV") == (None if own == {"env": ""} else "staging")


def test_the_key_of_a_name_is_that_of_cluster_and_name(kube: KubeClient, api: ApiServer) -> None:
    api.put(JOB, job())
    api.put(CRON_JOB, cron_job())
    given = pod()
    mutation = on_namespace(kube, ON_NAMESPACE, **{"config.clusterName": "eu-1"})
    variables = environment(admitted(given, mutation.answer(sent(review(given)))))
    assert variables["CRONITOR_MONITOR_KEY"] == hashlib.sha1(b"eu-1/backup").hexdigest()


@pytest.mark.parametrize(
    ("given", "own", "outcome"),
    [
        ({"include": "true"}, {}, "injected"),
        ({"include": "true"}, {"include": "false"}, "not_included"),
        ({"include": "true", "inject": "false"}, {}, "opted_out"),
        ({"include": "true", "inject": "false"}, {"inject": "true"}, "injected"),
        ({"include": "yes"}, {}, "not_included"),
        ({}, {"include": "true"}, "injected"),
    ],
)
def test_a_namespaces_annotations_decide_where_the_cron_job_says_nothing(
    kube: KubeClient, api: ApiServer, counted: Counted, given: Json, own: Json, outcome: str
) -> None:
    api.put(JOB, job())
    api.put(CRON_JOB, cron_job(**own))
    mutation = on_namespace(kube, {f"k8s.cronitor.io/{key}": text for key, text in given.items()})
    mutation.answer(sent(review(pod())))
    assert counted() == {outcome: 1}


def test_a_completion_that_is_told_as_a_message_reaches_the_sidecar_by_annotation_and_mark(
    mutation: Mutation, api: ApiServer
) -> None:
    given = pod()
    api.put(CRON_JOB, cron_job(include="true", log_complete_event="true"))
    assert environment(admitted(given, mutation.answer(sent(review(given)))))["CRONITOR_LOG_COMPLETE"] == "true"
    mark = RunMark("key", "shop/backup", job=JOB_UID)
    api.put(JOB, job(annotations={run_mark.ANNOTATION: run_mark.write(mark)}))
    frozen = environment(admitted(given, mutation.answer(sent(review(given)))))
    assert "CRONITOR_LOG_COMPLETE" not in frozen, "an open run goes on as it began"


def test_with_the_default_include_a_cron_job_without_annotations_is_injected(kube: KubeClient, api: ApiServer) -> None:
    api.put(JOB, job())
    api.put(CRON_JOB, cron_job())
    mutation = Mutation(
        settings(**{"config.default": "include", "config.environment": "prod"}),
        lookup(kube),
        lambda: STATE,
        lambda _: [],
    )
    given = pod()
    assert environment(admitted(given, mutation.answer(sent(review(given)))))["CRONITOR_ENV"] == "prod"


# --- whatever comes --------------------------------------------------------------------------------------------------


def large_pod() -> Json:
    """3 MB, as much as the API server takes."""
    entries = [{"name": f"V{number}", "value": "x" * 1000} for number in range(3000)]
    return pod(containers=[{"name": "app", "image": "busybox:1.36", "env": entries}])


BAD: list[tuple[str, bytes, str, str]] = [
    ("nothing", b"", "", "unreadable_review"),
    ("half of it", sent(review(pod()))[:200], "", "unreadable_review"),
    ("no JSON", b"<html>", "", "unreadable_review"),
    ("no UTF-8", b"\xff\xfe\xfd", "", "unreadable_review"),
    ("null", b"null", "", "unreadable_review"),
    ("a list", b"[]", "", "unreadable_review"),
    ("too deep", b"[" * 200_000, "", "unreadable_review"),
    ("another kind", sent({**review(pod()), "kind": "Status"}), UID, "unreadable_review"),
    ("another version", sent({**review(pod()), "apiVersion": "admission.k8s.io/v1beta1"}), UID, "unreadable_review"),
    ("no pod", sent(review(None)), UID, "unreadable_review"),
    ("a pod without spec", sent(review({"metadata": {}})), UID, "unreadable_review"),
    ("a Job", sent(review(job(), kind={"group": "batch", "version": "v1", "kind": "Job"})), UID, "not_a_new_pod"),
    ("an update", sent(review(pod(), operation="UPDATE")), UID, "not_a_new_pod"),
    ("a deletion", sent(review(None, operation="DELETE")), UID, "not_a_new_pod"),
]


@pytest.mark.parametrize(("body", "uid", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_whatever_comes_is_allowed_with_its_uid(
    http: FlaskClient, counted: Counted, body: bytes, uid: str, reason: str
) -> None:
    answer = http.post("/mutate", data=body, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert response_of(answer.data) == {"uid": uid, "allowed": True}
    assert counted() == {reason: 1}


def of_cron_job(**annotations: str) -> Json:
    kind = {"group": "batch", "version": "v1", "kind": "CronJob"}
    return review(cron_job(**annotations), kind=kind, resource={**kind, "resource": "cronjobs"})


def test_what_has_no_effect_on_a_cron_job_is_warned_of_and_no_pods_are_counted(
    http: FlaskClient, api: ApiServer, counted: Counted
) -> None:
    answer = http.post("/warn", data=sent(of_cron_job(include="yes", grace_seconds="30")))
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    warning = 'k8s.cronitor.io/include: \'yes\' is ignored, it must be a boolean such as "true" or "false"'
    assert json.loads(answer.data)["response"] == {"uid": UID, "allowed": True, "warnings": [warning]}
    assert response_of(http.post("/warn", data=sent(of_cron_job(include="true"))).data) == {"uid": UID, "allowed": True}
    assert (counted(), api.requests) == ({}, []), "it asks nobody: whoever applies a CronJob waits for it"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", sent({"request": {"uid": UID, "object": None}})])
def test_whatever_comes_to_be_warned_of_is_allowed(http: FlaskClient, body: bytes) -> None:
    answer = http.post("/warn", data=body)
    assert answer.status_code == 200
    assert json.loads(answer.data)["response"]["allowed"] is True
    assert "warnings" not in json.loads(answer.data)["response"]


def test_a_pod_of_3_mb_is_injected_like_any_other(http: FlaskClient) -> None:
    given = large_pod()
    body = sent(review(given))
    assert len(body) > 3_000_000
    found = admitted(given, http.post("/mutate", data=body).data)
    assert found["spec"]["initContainers"][0]["name"] == "cronitor"
    assert found["spec"]["containers"] == given["spec"]["containers"]


ODD: list[Any] = [None, [], {}, "text", 7, [None], ["text"], [{}], {"a": None}]
PLACES = [
    "metadata.name",
    "metadata.generateName",
    "metadata.labels",
    "metadata.annotations",
    "metadata.ownerReferences",
    "spec.initContainers",
    "spec.containers",
    "spec.volumes",
    "spec.imagePullSecrets",
    "spec.securityContext",
    "spec.resources",
    "spec.nodeSelector",
    "spec.affinity",
    "spec.os",
    "spec.restartPolicy",
    "spec.activeDeadlineSeconds",
    "spec.terminationGracePeriodSeconds",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_pod_with_odd_types_is_allowed_and_a_patch_of_it_applies(mutation: Mutation, place: str) -> None:
    section, name = place.split(".")
    for odd in ODD:
        given = pod()
        given[section][name] = odd
        answer = mutation.answer(sent(review(copy.deepcopy(given))))
        assert response_of(answer)["uid"] == UID
        admitted(given, answer)


class Broken(OwnerLookup):
    """Fails as nobody foresaw."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def find(self, namespace: str, pod: Mapping[str, Any]) -> Owners | Skipped:
        raise self._error


@pytest.mark.parametrize("error", [RuntimeError("SECRET DETAIL"), RecursionError("SECRET DETAIL"), AssertionError()])
def test_an_exception_inside_is_logged_and_counted_and_not_told(
    error: Exception, counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    http = create_app(Mutation(settings(), Broken(error), lambda: STATE, no_limits), {}).test_client()
    answer = http.post("/mutate", data=sent(review(pod())))
    assert answer.status_code == 200
    assert response_of(answer.data) == {"uid": UID, "allowed": True}
    assert counted() == {"failed": 1}
    (record,) = [record for record in caplog.records if record.message == "review_failed"]
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_state_that_cannot_be_had_is_no_reason_to_refuse(kube: KubeClient, kept: None) -> None:
    def broken() -> SharedState:
        raise RuntimeError("no state")

    mutation = Mutation(settings(), lookup(kube), broken, lambda _: [])
    assert response_of(mutation.answer(sent(review(pod())))) == {"uid": UID, "allowed": True}


@pytest.mark.parametrize("fault", [Fault(500), Fault(403, "Forbidden"), Fault(200, body=b"[]"), Fault()], ids=str)
def test_an_api_server_that_fails_is_no_reason_to_refuse(mutation: Mutation, api: ApiServer, fault: Fault) -> None:
    api.fail("GET", fault, times=2)
    assert response_of(mutation.answer(sent(review(pod())))) == {"uid": UID, "allowed": True}


@pytest.mark.parametrize("place", ["metadata", "spec", "status"])
def test_a_job_with_odd_parts_is_no_reason_to_refuse(mutation: Mutation, api: ApiServer, place: str) -> None:
    odd = job()
    odd[place] = {"uid": odd["metadata"]["uid"]} if place == "metadata" else None
    api.fail(f"GET {JOB}", Fault(200, body=sent(odd)))
    assert response_of(mutation.answer(sent(review(pod()))))["uid"] == UID


# --- logs and routes -------------------------------------------------------------------------------------------------


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "webhook.admission.mutate"):
        yield caplog


def test_a_line_says_what_was_injected_and_of_which_run(mutation: Mutation, said: pytest.LogCaptureFixture) -> None:
    mutation.answer(sent(review(pod())))
    assert said.records == []  # the pod itself says as much
    said.set_level("DEBUG", "webhook.admission.mutate")
    mutation.answer(sent(review(pod())))
    (record,) = [record for record in said.records if record.message == "injected"]
    fields = record.__dict__
    assert (fields["namespace"], fields["cronjob"], fields["job"]) == ("shop", "backup", "backup-1")
    assert (fields["series"], fields["pod"]) == (job()["metadata"]["uid"], "backup-1-")
    assert fields["tells"] == "complete,fail,run"


def test_a_line_says_what_was_not_injected_and_why(
    mutation: Mutation, api: ApiServer, said: pytest.LogCaptureFixture
) -> None:
    api.put(JOB, job(parallelism=2))
    mutation.answer(sent(review(pod())))
    (record,) = [record for record in said.records if record.message == "not_injected"]
    assert (record.__dict__["reason"], record.__dict__["job"]) == ("crowd_job", "backup-1")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/mutate", 405), ("POST", "/other", 404)])
def test_there_is_nothing_else_to_call(http: FlaskClient, method: str, path: str, status: int) -> None:
    assert http.open(path, method=method).status_code == status


def test_a_review_that_comes_in_chunks_is_answered_all_the_same(http: FlaskClient) -> None:
    body = io.BytesIO(sent(review(pod())))
    answered = http.post("/mutate", input_stream=body, environ_overrides={"wsgi.input_terminated": True})
    assert "patch" in response_of(answered.data)


def test_what_is_too_long_is_not_even_read(http: FlaskClient) -> None:
    answered = http.post("/mutate", data=b"{}", environ_overrides={"CONTENT_LENGTH": str(LARGEST_REVIEW_BYTES + 1)})
    assert answered.status_code == 413


def test_health_is_told_beside_it(mutation: Mutation) -> None:
    filled = [False]
    http = create_app(mutation, {"jobs": lambda: True, "certificate": lambda: filled[0]}).test_client()
    assert http.get("/healthz").status_code == 200
    waiting = http.get("/readyz")
    assert (waiting.status_code, waiting.text) == (503, "waiting for: certificate\n")
    filled[0] = True
    assert http.get("/readyz").status_code == 200
    assert "cronitor_admission_reviews_total" in http.get("/metrics").text
