"""Who gets the sidecar and who does not; and that those who get it run as they would without."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cronitor.stand_in import StandIn
from tests.e2e.world import INCLUDE, Json, World, container, cron_job, eventually, is_injected, outcome

HEARD_SECONDS = 180.0
QUICK = container(script="exit 0")
EXCLUDE = {"k8s.cronitor.io/exclude": "true"}
EXIT_CODES = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [137]}}
NAMED = {**EXIT_CODES, "onExitCodes": {**EXIT_CODES["onExitCodes"], "containerName": "app"}}  # type: ignore[dict-item]


@dataclass(frozen=True, slots=True)
class Left:
    """A CronJob whose pods go without a sidecar; `told`: its runs are the controller's to tell."""

    name: str
    annotations: Mapping[str, str] = field(default_factory=lambda: dict(INCLUDE))
    job: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    labelled: bool = True
    told: bool = True


LEFT = (
    Left("unlabelled-namespace", labelled=False, told=False),
    Left("not-included", annotations={}, told=False),
    Left("include-false", annotations={"k8s.cronitor.io/include": "false"}, told=False),
    Left("include-unreadable", annotations={"k8s.cronitor.io/include": "yes"}, told=False),
    Left("excluded", annotations=INCLUDE | EXCLUDE, told=False),
    Left("opted-out", annotations=INCLUDE | {"k8s.cronitor.io/inject": "false"}),
    Left("parallel", job={"parallelism": 2}),
    Left("completions", job={"completions": 2}),
    Left("per-index", job={"completions": 1, "completionMode": "Indexed", "backoffLimitPerIndex": 1}),
    Left("short-job-deadline", job={"activeDeadlineSeconds": 60}),
    Left("short-pod-deadline", pod={"activeDeadlineSeconds": 60}),
    Left("restart-limit", job={"backoffLimit": 1}, pod={"restartPolicy": "OnFailure"}),
    Left("exit-code-policy", job={"podFailurePolicy": {"rules": [EXIT_CODES]}}),
)


@pytest.fixture(scope="module")
def left(world: World, namespace: str, make_namespace: Callable[..., str]) -> dict[str, Json]:
    unlabelled = make_namespace("e2e-unlabelled", injected=False)
    jobs = {}
    for one in LEFT:
        manifest = cron_job(one.name, QUICK, annotations=dict(one.annotations), job=dict(one.job), **one.pod)
        jobs[one.name] = world.run_now(world.create(manifest, namespace if one.labelled else unlabelled))
    return jobs


@pytest.mark.parametrize("one", LEFT, ids=lambda one: one.name)
def test_it_is_left_alone_and_runs(one: Left, world: World, cronitor: StandIn, left: dict[str, Json]) -> None:
    job = left[one.name]
    assert not is_injected(world.pod_of(job))
    assert outcome(world.finished(job)) == "Complete"
    if one.told:
        assert cronitor.wait_for(job["metadata"]["uid"], 120).states == ["run", "complete"]
    assert one.told or [run for run in cronitor.runs() if run.series == job["metadata"]["uid"]] == []


def test_a_bare_job_is_left_alone(world: World, namespace: str) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [QUICK]}}
    manifest = {"kind": "Job", "metadata": {"name": "bare", "annotations": INCLUDE}, "spec": {"template": template}}
    job = world.create(manifest, namespace)
    assert not is_injected(world.pod_of(job))
    assert outcome(world.finished(job)) == "Complete"


def test_a_deployments_pod_is_left_alone(world: World, namespace: str) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container(script="sleep 600")]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    manifest = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web"}, "spec": spec}
    world.create(manifest, namespace)
    pods = eventually(lambda: world.all("Pod", namespace, labelSelector="app=web"), "the Deployment's pod")
    assert not is_injected(pods[0])
    world.delete("Deployment", namespace, "web", propagationPolicy="Background")


def test_kube_system_is_left_alone_even_if_labelled(world: World) -> None:
    world.patch("Namespace", "", "kube-system", {"metadata": {"labels": {"k8s.cronitor.io/injection": "enabled"}}})
    made = world.create(cron_job("in-kube-system", QUICK), "kube-system")
    try:
        job = world.run_now(made)
        assert not is_injected(world.pod_of(job))
        assert outcome(world.finished(job)) == "Complete"
        assert world.get("Secret", "kube-system", "cronitor-sidecar") is None
    finally:
        world.delete("CronJob", "kube-system", "in-kube-system", propagationPolicy="Background")
        world.patch("Namespace", "", "kube-system", {"metadata": {"labels": {"k8s.cronitor.io/injection": None}}})


@dataclass(frozen=True, slots=True)
class Taken:
    """A CronJob whose pods get a sidecar and run with it. `check` looks at the pod."""

    name: str
    container: Json = field(default_factory=container)
    annotations: Mapping[str, str] = field(default_factory=lambda: dict(INCLUDE))
    job: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    limit_range: Mapping[str, Any] | None = None
    check: Callable[[Json], bool] = lambda pod: True


RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
OVERRIDE = INCLUDE | {"k8s.cronitor.io/inject": "true"}
GUARANTEED = {"limits": {"cpu": "50m", "memory": "32Mi"}}
TAKEN = (
    Taken(
        "restricted",
        container(securityContext=RESTRICTED),
        labels={"pod-security.kubernetes.io/enforce": "restricted"},
    ),
    Taken("as-root", pod={"securityContext": {"runAsUser": 0}}),
    Taken(
        "without-token",
        pod={"automountServiceAccountToken": False},
        check=lambda pod: not pod["spec"]["containers"][0].get("volumeMounts"),
    ),
    Taken("on-failure", pod={"restartPolicy": "OnFailure"}),
    Taken("host-network", pod={"hostNetwork": True}),
    Taken(
        "limit-range",
        limit_range={
            "type": "Container",
            "default": {"cpu": "200m", "memory": "64Mi"},
            "defaultRequest": {"cpu": "20m", "memory": "16Mi"},
            "max": {"cpu": "1", "memory": "256Mi"},
        },
    ),
    Taken(
        "narrow-limit-range",
        limit_range={
            "type": "Container",
            "default": {"cpu": "100m", "memory": "48Mi"},
            "defaultRequest": {"cpu": "50m", "memory": "48Mi"},
            "min": {"cpu": "50m", "memory": "16Mi"},
            "max": {"cpu": "200m", "memory": "64Mi"},
            "maxLimitRequestRatio": {"cpu": "2"},
        },
    ),
    Taken(
        "guaranteed",
        container(resources=GUARANTEED),
        check=lambda pod: pod["status"]["qosClass"] == "Guaranteed",
    ),
    Taken("best-effort", check=lambda pod: pod["status"]["qosClass"] == "BestEffort"),
    Taken("own-init-containers", pod={"initContainers": [container("setup", "exit 0")]}),
    Taken("shared-processes", pod={"shareProcessNamespace": True}),
    Taken("short-grace", pod={"terminationGracePeriodSeconds": 2}),
    Taken("deadline-overridden", annotations=OVERRIDE, job={"activeDeadlineSeconds": 200}),
    Taken("policy-of-one-container", job={"podFailurePolicy": {"rules": [NAMED]}}),
    Taken(
        "restart-limit-overridden", annotations=OVERRIDE, job={"backoffLimit": 1}, pod={"restartPolicy": "OnFailure"}
    ),
    Taken("policy-overridden", annotations=OVERRIDE, job={"podFailurePolicy": {"rules": [EXIT_CODES]}}),
)


@pytest.fixture(scope="module")
def taken(world: World, namespace: str, make_namespace: Callable[..., str]) -> dict[str, Json]:
    jobs = {}
    for one in TAKEN:
        place = make_namespace(f"e2e-{one.name}", dict(one.labels)) if one.labels or one.limit_range else namespace
        if one.limit_range:
            limits = {"kind": "LimitRange", "metadata": {"name": "limits"}, "spec": {"limits": [one.limit_range]}}
            world.create(limits, place)
        manifest = cron_job(one.name, one.container, annotations=dict(one.annotations), job=dict(one.job), **one.pod)
        jobs[one.name] = world.run_now(world.create(manifest, place))
    return jobs


@pytest.mark.parametrize("one", TAKEN, ids=lambda one: one.name)
def test_it_is_injected_runs_and_is_told(one: Taken, world: World, cronitor: StandIn, taken: dict[str, Json]) -> None:
    job = taken[one.name]
    assert is_injected(world.pod_of(job))
    run = cronitor.wait_for(job["metadata"]["uid"], HEARD_SECONDS)
    assert run.states == ["run", "complete"]
    assert outcome(world.finished(job)) == "Complete"
    (pod,) = world.pods_of(job)
    assert one.check(pod)
    (own,) = [status for status in pod["status"]["initContainerStatuses"] if status["name"] == "cronitor"]
    assert own["restartCount"] == 0
    assert own["state"]["terminated"]["exitCode"] == 0
    assert [found for found in cronitor.violations() if found.series == run.series] == []


def test_the_sidecar_mounts_its_own_token_and_nobody_else_does(world: World, namespace: str) -> None:
    job = world.run_now(world.create(cron_job("mounts"), namespace))
    pod = world.pod_of(job)
    mounts = {
        one["name"]: {mount["name"] for mount in one.get("volumeMounts") or ()}
        for one in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])
    }
    assert mounts["cronitor"] == {"cronitor"}
    assert "cronitor" not in mounts["app"]
