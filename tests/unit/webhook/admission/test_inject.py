"""The patch, applied: what the pod then is. Never what the patch's text is."""

import copy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest

from tests.unit.webhook.kubelet import sidecar_settings
from tests.unit.webhook.objects import CREATED_AT, JOB_UID, cron_job, job, pod
from webhook.admission.decide import Owners, is_injected
from webhook.admission.inject import MOUNT_PATH, patch
from webhook.admission.template import Proxy, Sidecar, Template
from webhook.annotations import Options
from webhook.monitor_identity import MonitorIdentity
from webhook.run_mark import RunMark

SIDECAR = Sidecar(
    image="registry.example/sidecar@sha256:0",
    image_pull_policy="IfNotPresent",
    image_pull_secrets=(),
    run_as_user=65532,
    resources={"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
    guaranteed_resources={"cpu": "100m", "memory": "64Mi"},
    ignore_containers=("istio-proxy", "linkerd-proxy"),
    stuck_seconds=120,
    unscheduled_seconds=600,
    log_level="info",
)
TEMPLATE = Template(SIDECAR, "https://cronitor.link", Proxy("", "", ""), "cronitor-sidecar")
IDENTITY = MonitorIdentity("monitor-key", "shop/backup", "prod")
ALL = frozenset({"run", "complete", "fail"})
ROOM = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}

Json = dict[str, Any]


def injected(
    given: Json,
    *,
    a_job: Json | None = None,
    options: Options | None = None,
    mark: RunMark | None = None,
    identity: MonitorIdentity = IDENTITY,
    told: frozenset[str] = ALL,
    resources: Json | None = None,
    template: Template = TEMPLATE,
) -> Json:
    """The pod after the patch; the one given is not touched."""
    before = copy.deepcopy(given)
    owners = Owners(a_job or job(), cron_job())
    operations = patch(given, owners, options or Options(), mark, identity, told, ROOM, template)
    assert given == before
    patched: Json = jsonpatch.apply_patch(given, operations)
    return patched


def with_sidecar(**changes: Any) -> Template:
    return replace(TEMPLATE, sidecar=replace(SIDECAR, **changes))


def ours(found: Json) -> Json:
    container: Json = found["spec"]["initContainers"][0]
    assert container["name"] == "cronitor"
    return container


def environment(found: Json) -> dict[str, str]:
    """What the container is told; the fields of the pod stand as `@<path>`."""
    return sidecar_settings(ours(found), lambda path: f"@{path}")


# --- where it goes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("init", [None, [], [{"name": "a"}], [{"name": "a"}, {"name": "b", "restartPolicy": "Always"}]])
def test_the_sidecar_is_the_first_init_container(init: list[Json] | None) -> None:
    given = pod() if init is None else pod(initContainers=init)
    found = injected(given)
    assert [container["name"] for container in found["spec"]["initContainers"]] == [
        "cronitor", *(container["name"] for container in init or ()),
    ]  # fmt: skip
    assert found["spec"]["containers"] == given["spec"]["containers"]


@pytest.mark.parametrize("volumes", [None, [], [{"name": "work", "emptyDir": {}}]])
def test_the_volume_is_added_to_those_of_the_pod(volumes: list[Json] | None) -> None:
    found = injected(pod() if volumes is None else pod(volumes=volumes))
    assert found["spec"]["volumes"][:-1] == (volumes or [])
    assert found["spec"]["volumes"][-1]["name"] == "cronitor"


def test_only_our_container_mounts_the_volume() -> None:
    found = injected(pod(initContainers=[{"name": "setup", "volumeMounts": [{"name": "work", "mountPath": "/w"}]}]))
    assert ours(found)["volumeMounts"] == [{"name": "cronitor", "mountPath": MOUNT_PATH, "readOnly": True}]
    others = [*found["spec"]["initContainers"][1:], *found["spec"]["containers"]]
    assert not [m for container in others for m in container.get("volumeMounts", ()) if m["name"] == "cronitor"]


def test_a_secret_that_is_not_there_does_not_keep_the_pod_from_starting() -> None:
    volume = injected(pod())["spec"]["volumes"][-1]
    assert volume["secret"] == {"secretName": "cronitor-sidecar", "optional": True}


@pytest.mark.parametrize("key", ["labels", "annotations"])
@pytest.mark.parametrize("there", ["missing", None, {}, {"app": "backup", "a/b~c": "x"}])
def test_labels_and_annotations_are_added_to_those_of_the_pod(key: str, there: Any) -> None:
    given = pod(metadata={key: there})
    if there == "missing":
        del given["metadata"][key]
        there = {}
    added = {
        "labels": {"k8s.cronitor.io/injected": "true"},
        "annotations": {"k8s.cronitor.io/sidecar-tells": "run,complete,fail"},
    }
    assert injected(given)["metadata"][key] == {**(there or {}), **added[key]}


@pytest.mark.parametrize(
    ("told", "annotation", "variable"),
    [
        (ALL, "run,complete,fail", "run,complete,fail"),
        (frozenset({"fail", "complete"}), "complete,fail", "complete,fail"),
        (frozenset({"complete"}), "complete", "complete"),
        (frozenset(), "none", None),
    ],
)
def test_who_speaks_is_written_on_the_pod_and_into_the_sidecar(
    told: frozenset[str], annotation: str, variable: str | None
) -> None:
    found = injected(pod(), told=told)
    assert found["metadata"]["annotations"]["k8s.cronitor.io/sidecar-tells"] == annotation
    assert environment(found).get("CRONITOR_TELLS") == variable


@pytest.mark.parametrize(
    ("there", "ours_too", "expected"),
    [
        (None, (), None),
        ([{"name": "theirs"}], (), ["theirs"]),
        (None, ("a", "b"), ["a", "b"]),
        ([], ("a",), ["a"]),
        ([{"name": "theirs"}], ("a",), ["theirs", "a"]),
        ([{"name": "a"}], ("a", "b"), ["a", "b"]),
        ([{"name": "a"}], ("a",), ["a"]),
    ],
)
def test_pull_secrets_are_added_where_they_are_missing(
    there: list[Json] | None, ours_too: tuple[str, ...], expected: list[str] | None
) -> None:
    given = pod() if there is None else pod(imagePullSecrets=there)
    found = injected(given, template=with_sidecar(image_pull_secrets=ours_too))
    names = [entry["name"] for entry in found["spec"].get("imagePullSecrets", ())]
    assert names == (expected or [])


def test_what_is_not_ours_stays_as_it_was() -> None:
    given = pod(
        initContainers=[{"name": "mesh", "restartPolicy": "Always", "aFieldOfTomorrow": {"x": [1, None]}}],
        anotherFieldOfTomorrow="kept",
        volumes=[{"name": "work", "emptyDir": {}}],
    )
    found = injected(given)
    del found["spec"]["initContainers"][0], found["spec"]["volumes"][-1]
    del found["metadata"]["annotations"], found["metadata"]["labels"]["k8s.cronitor.io/injected"]
    assert found == given


def test_a_pod_that_is_injected_says_so_to_the_next_call() -> None:
    assert not is_injected(pod())
    assert is_injected(injected(pod()))


# --- resources -----------------------------------------------------------------------------------------------------


def test_the_container_has_the_resources_that_fit_the_pod() -> None:
    assert ours(injected(pod()))["resources"] == ROOM


# --- the environment -------------------------------------------------------------------------------------------------


def test_the_environment_of_a_plain_pod() -> None:
    assert environment(injected(pod())) == {
        "CRONITOR_TELEMETRY_URL": "https://cronitor.link",
        "CRONITOR_MONITOR_KEY": "monitor-key",
        "CRONITOR_ENV": "prod",
        "CRONITOR_SERIES": JOB_UID,
        "CRONITOR_TELLS": "run,complete,fail",
        "CRONITOR_JOB_STARTED_AT": str(CREATED_AT),
        "CRONITOR_IGNORE_CONTAINERS": "istio-proxy,linkerd-proxy",
        "CRONITOR_POD_NAME": "@metadata.name",
        "CRONITOR_POD_NAMESPACE": "shop",
        "CRONITOR_NODE_NAME": "@spec.nodeName",
    }


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ({"a_job": job(activeDeadlineSeconds=600)}, "CRONITOR_JOB_DEADLINE_SECONDS", "600"),
        ({}, "CRONITOR_JOB_DEADLINE_SECONDS", None),
        ({"a_job": job(backoffLimit=0)}, "CRONITOR_BACKOFF_LIMIT", "0"),
        ({"a_job": job(backoffLimit=6)}, "CRONITOR_BACKOFF_LIMIT", None),
        ({"a_job": job(status={"failed": 2})}, "CRONITOR_FAILED_ATTEMPTS", "2"),
        # The Job controller makes the second pod before it has counted that the first has failed.
        ({"a_job": job(status={"active": 1})}, "CRONITOR_FAILED_ATTEMPTS", "1"),
        ({"a_job": job(status={"active": 1, "failed": 1})}, "CRONITOR_FAILED_ATTEMPTS", "2"),
        ({"a_job": job(status={"active": 1, "failed": 1}, podFailurePolicy={"rules": []})},
         "CRONITOR_FAILED_ATTEMPTS", "1"),
        ({"a_job": job(status={"failed": 1, "uncountedTerminatedPods": {"failed": ["x"]}})},
         "CRONITOR_FAILED_ATTEMPTS", "2"),
        ({"a_job": job(status={"startTime": None})}, "CRONITOR_JOB_STARTED_AT", None),
        ({"mark": RunMark("k", "n", start=1772366401.5)}, "CRONITOR_RUN_STARTED_AT", "1772366401.5"),
        ({"mark": RunMark("k", "n")}, "CRONITOR_RUN_STARTED_AT", None),
        ({}, "CRONITOR_RUN_STARTED_AT", None),
        ({"options": Options(containers=("app", "worker"))}, "CRONITOR_CONTAINERS", "app,worker"),
        ({}, "CRONITOR_CONTAINERS", None),
        ({"identity": MonitorIdentity("k", "n", "")}, "CRONITOR_ENV", None),
        ({"identity": MonitorIdentity("k", "n", "", logs_complete=True)}, "CRONITOR_LOG_COMPLETE", "true"),
        ({}, "CRONITOR_LOG_COMPLETE", None),
        ({"a_job": job(annotations={"cronjob.kubernetes.io/instantiate": "manual"})}, "CRONITOR_MANUAL", "true"),
        ({}, "CRONITOR_MANUAL", None),
        ({"template": replace(TEMPLATE, proxy=Proxy("http://p:1", "http://p:2", ".corp"))}, "HTTPS_PROXY", "http://p:1"),
        ({"template": replace(TEMPLATE, proxy=Proxy("http://p:1", "http://p:2", ".corp"))}, "HTTP_PROXY", "http://p:2"),
        ({"template": replace(TEMPLATE, proxy=Proxy("http://p:1", "http://p:2", ".corp"))}, "NO_PROXY", ".corp"),
        ({}, "HTTPS_PROXY", None),
        ({"template": with_sidecar(stuck_seconds=90)}, "CRONITOR_STUCK_SECONDS", "90"),
        ({"template": with_sidecar(stuck_seconds=0)}, "CRONITOR_STUCK_SECONDS", "0"),
        ({"template": with_sidecar(unscheduled_seconds=40)}, "CRONITOR_UNSCHEDULED_SECONDS", "40"),
        ({"template": with_sidecar(log_level="debug")}, "CRONITOR_LOG_LEVEL", "debug"),
    ],
)  # fmt: skip
def test_what_is_known_is_in_the_environment_and_what_is_not_is_left_out(
    given: Json, name: str, expected: str | None
) -> None:
    assert environment(injected(pod(), **given)).get(name) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"terminationGracePeriodSeconds": 5}, "5"),
        ({"terminationGracePeriodSeconds": 0}, "0"),
        ({"terminationGracePeriodSeconds": 30}, None),
        ({"terminationGracePeriodSeconds": None}, None),
    ],
)
def test_the_grace_period_is_the_pods(spec: Json, expected: str | None) -> None:
    assert environment(injected(pod(**spec))).get("CRONITOR_GRACE_SECONDS") == expected


@pytest.mark.parametrize(
    "text",
    [
        "$(CRONITOR_SERIES)",
        "price $5",
        "$$(CRONITOR_SERIES)",
        "$$$(CRONITOR_SERIES)$$",
        "a$",
        "$$",
        "$(",
        "$ü",
        "(x)",
        "plain",
    ],
)
def test_a_text_arrives_as_it_was_written_whatever_the_kubelet_expands(text: str) -> None:
    found = injected(pod(), identity=MonitorIdentity(text, "n", text))
    assert environment(found)["CRONITOR_MONITOR_KEY"] == text
    assert environment(found)["CRONITOR_ENV"] == text


def test_no_key_and_no_token_stand_in_the_pod() -> None:
    names = environment(injected(pod())).keys()
    assert not [name for name in names if "TOKEN" in name or "SECRET" in name or name.endswith("TELEMETRY_KEY")]
    assert all("secretKeyRef" not in str(variable) for variable in ours(injected(pod()))["env"])
