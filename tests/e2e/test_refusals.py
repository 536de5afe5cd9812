"""Namespaces that do not take our container: their Jobs run to their end all the same, and the reason is told.

Refused pods first, with the installation that all tests share; then an installation whose sidecar image cannot be
pulled, put right again at the end.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import cluster, installation
from tests.cluster.archive import Image, docker_archive
from tests.cronitor.stand_in import StandIn
from tests.e2e.conftest import API_KEY, TELEMETRY_KEY, flush_old_replicas
from tests.e2e.world import IMAGE, Json, World, container, cron_job, eventually, is_injected, outcome

MakeNamespace = Callable[..., str]

HEARD_SECONDS = 180.0
PAUSE = "docker.io/cronitor-k8s/pause-that-ends:1"
SIZED = container(script="sleep 1", resources={"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}})
"""Not Guaranteed: no CPU is asked for."""


def breaker_of(world: World, namespace: str) -> Json | None:
    """The namespace's breaker as it is published."""
    found = world.get("ConfigMap", installation.NAMESPACE, "cronitor-k8s-state") or {}
    breaker: Json | None = json.loads(found["data"]["state.json"]).get("breakers", {}).get(namespace)
    return breaker


def told(world: World, namespace: str, kind: str, name: str) -> dict[str, str]:
    """Reason and message of our Events on an object."""
    selector = f"involvedObject.kind={kind},involvedObject.name={name},reportingComponent=cronitor-k8s"
    return {one["reason"]: one["message"] for one in world.all("Event", namespace, fieldSelector=selector)}


def refusals(world: World, namespace: str, job: str) -> list[Json]:
    selector = f"involvedObject.kind=Job,involvedObject.name={job},reason=FailedCreate"
    return world.all("Event", namespace, fieldSelector=selector)


def exemption_of(world: World, job: Json) -> Json:
    found = world.get("Job", job["metadata"]["namespace"], job["metadata"]["name"]) or {"metadata": {}}
    parsed: Json = json.loads((found["metadata"].get("annotations") or {}).get("k8s.cronitor.io/exempt", "{}"))
    return parsed


def hears(cronitor: StandIn, job: Json) -> list[str]:
    """What Cronitor hears of the Job, when it has heard a verdict."""
    series = job["metadata"]["uid"]
    states = cronitor.wait_for(series, HEARD_SECONDS).states
    assert [found for found in cronitor.violations() if found.series == series] == []
    return states


def run(world: World, namespace: str, name: str, *containers: Json, **more: Any) -> Json:
    return world.run_now(world.create(cron_job(name, *containers, **more), namespace))


# --- refused pods ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def policy(world: World) -> Iterator[dict[str, str]]:
    """A policy that refuses our image in namespaces with the label that is given."""
    name = f"cronitor-e2e-{uuid.uuid4().hex[:6]}"
    labels = {"cronitor-k8s.test/policy": name}
    validation = {
        "expression": "!has(object.spec.initContainers)"
        " || object.spec.initContainers.all(c, !c.image.contains('cronitor-k8s/sidecar'))",
        "message": "only images of ours",
    }
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    world.create(
        {
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [validation],
            },
        }
    )
    selector = {"namespaceSelector": {"matchLabels": labels}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": selector}
    world.create({"kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding})
    yield labels
    world.delete("ValidatingAdmissionPolicyBinding", "", name)
    world.delete("ValidatingAdmissionPolicy", "", name)


def limit_range(world: World, namespace: str) -> None:
    """One that looks at the pod as a whole, which admission does not foresee."""
    item = {"type": "Pod", "maxLimitRequestRatio": {"memory": "1"}}
    world.create({"kind": "LimitRange", "metadata": {"name": "tight"}, "spec": {"limits": [item]}}, namespace)


def quota(world: World, namespace: str, memory: str) -> None:
    """Takes effect when the quota controller has first counted."""
    hard = {"requests.memory": memory}
    world.create({"kind": "ResourceQuota", "metadata": {"name": "tight"}, "spec": {"hard": hard}}, namespace)

    def counted() -> bool:
        found = world.get("ResourceQuota", namespace, "tight") or {}
        return bool((found.get("status") or {}).get("hard"))

    eventually(counted, f"the quota of {namespace} in force")


def policed(world: World, namespace: str) -> None:
    """Wait until the policy is in force."""
    spec = {"containers": [container()], "initContainers": [container("c", image="cronitor-k8s/sidecar")]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec}

    def refused() -> bool:
        try:
            world.kube.create(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", body)
        except Exception as error:
            return "422" in str(error) or "403" in str(error)
        return False

    eventually(refused, "the policy in force")


REFUSING = {
    "limit range": limit_range,
    "quota": lambda world, namespace: quota(world, namespace, "80Mi"),
    "policy": policed,
}


@pytest.mark.parametrize("how", REFUSING)
def test_a_job_whose_pod_is_refused_because_of_us_runs_and_the_reason_is_told(
    how: str, world: World, cronitor: StandIn, make_namespace: MakeNamespace, policy: dict[str, str]
) -> None:
    namespace = make_namespace(f"e2e-{how.replace(' ', '-')}", policy if how == "policy" else {})
    REFUSING[how](world, namespace)
    began = time.monotonic()
    job = run(world, namespace, "refused", SIZED)
    pod = world.pod_of(job)
    print(f"{how}: the pod was there {time.monotonic() - began:.1f} s after its Job")
    assert refusals(world, namespace, "refused-1"), "or this test shows nothing"
    assert not is_injected(pod)
    assert outcome(world.finished(job)) == "Complete"
    print(f"{how}: the Job was complete {time.monotonic() - began:.1f} s after it was made")
    eventually(lambda: breaker_of(world, namespace), f"the breaker of {namespace}")
    print(f"{how}: {breaker_of(world, namespace)}")
    stopped = {"CronitorJobExempted", "CronitorInjectionStopped"}
    eventually(lambda: stopped <= set(told(world, namespace, "Job", "refused-1")), "the reason on the Job")
    eventually(lambda: stopped <= set(told(world, namespace, "CronJob", "refused")), "the reason on the CronJob")
    assert exemption_of(world, job)["cause"] == "ours"
    next_job = run(world, namespace, "next", SIZED)
    assert not is_injected(world.pod_of(next_job))
    assert outcome(world.finished(next_job)) == "Complete"
    assert refusals(world, namespace, "next-1") == []
    assert exemption_of(world, next_job) == {}
    assert hears(cronitor, job) == hears(cronitor, next_job) == ["run", "complete"]


def test_another_namespace_is_none_the_worse_for_it(world: World, namespace: str) -> None:
    assert breaker_of(world, namespace) is None
    job = run(world, namespace, "next-door", SIZED)
    assert is_injected(world.pod_of(job))
    assert outcome(world.finished(job)) == "Complete"


def test_a_job_that_is_refused_without_us_too_is_tried_once_and_opens_nothing(
    world: World, make_namespace: MakeNamespace
) -> None:
    namespace = make_namespace("e2e-used-up")
    quota(world, namespace, "32Mi")
    job = run(world, namespace, "refused", SIZED)
    eventually(lambda: exemption_of(world, job).get("cause") == "other", "the conclusion that it was not us")
    seen = world.get("Job", namespace, "refused-1") or {}
    count = sum(one.get("count") or 1 for one in refusals(world, namespace, "refused-1"))
    eventually(
        lambda: sum(one.get("count") or 1 for one in refusals(world, namespace, "refused-1")) > count,
        "one more refusal",
    )
    after = world.get("Job", namespace, "refused-1") or {}
    assert after["metadata"]["annotations"] == seen["metadata"]["annotations"]
    assert breaker_of(world, namespace) is None
    assert set(told(world, namespace, "Job", "refused-1")) == {"CronitorJobExempted"}
    world.patch("ResourceQuota", namespace, "tight", {"spec": {"hard": {"requests.memory": "1Gi"}}})
    assert outcome(world.finished(job)) == "Complete"
    assert breaker_of(world, namespace) is None


# --- an image that cannot be pulled ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reinstall(world: World, cronitor: StandIn, url: str) -> Iterator[Callable[[Json], None]]:
    """Install with other values; at the end with those that all tests share."""

    def install(values: Json) -> None:
        ca = cronitor.ca_file.read_text()
        installation.install(url, api_key=API_KEY, telemetry_key=TELEMETRY_KEY, ca=ca, values=values)
        flush_old_replicas(world)

    yield install
    install({})


@pytest.fixture(scope="module")
def pause(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that does nothing until it is told to end, as the pause images of real nodes do."""
    script = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done"
    busybox = Path("/bin/busybox").read_bytes()
    image = Image(
        PAUSE, ["/sh", "-c", script], {"sh": busybox}, frozenset({"sh"}), {"bin/sleep": "../sh"}, {"bin": 0o755}
    )
    archive = tmp_path_factory.mktemp("pause") / "pause.tar"
    archive.write_bytes(docker_archive(image))
    cluster.load(archive)
    return PAUSE


def broken(pause: str) -> Json:
    image = {"repository": "docker.io/cronitor-k8s/no-such-sidecar", "tag": "1"}
    return {"sidecar": {"image": image}, "breaker": {"openSeconds": 20, "freeImages": [pause]}}


def test_a_pod_stuck_on_our_image_is_freed_and_injection_comes_back_by_itself(
    world: World, cronitor: StandIn, make_namespace: MakeNamespace, reinstall: Callable[[Json], None], pause: str
) -> None:
    namespace = make_namespace("e2e-no-image")
    reinstall(broken(pause))
    began = time.monotonic()
    job = run(world, namespace, "stuck", container(script="sleep 1"))
    assert is_injected(world.pod_of(job)), "or this test shows nothing"
    assert outcome(world.finished(job)) == "Complete"
    print(f"image: the Job was complete {time.monotonic() - began:.1f} s after it was made")
    (pod,) = world.pods_of(job)
    ours = pod["spec"]["initContainers"][0]
    assert (ours["name"], ours["image"]) == ("cronitor", pause)
    assert pod["spec"]["containers"][0]["image"] == IMAGE
    ended = pod["status"]["initContainerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 0, "the image that frees a pod ends when it is told to"
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    for kind, name in (("Job", "stuck-1"), ("CronJob", "stuck")):
        reasons = told(world, namespace, kind, name)
        assert {"CronitorPodFreed", "CronitorInjectionStopped"} <= set(reasons)
        assert "no-such-sidecar" in reasons["CronitorInjectionStopped"]
    breaker = breaker_of(world, namespace)
    print(f"image: {breaker}")
    assert breaker is not None
    assert hears(cronitor, job) == ["run", "complete"]

    reinstall({"breaker": {"openSeconds": 20, "freeImages": [pause]}})
    names = iter(range(1000))

    def injected() -> Json | None:
        one = run(world, namespace, f"later-{next(names)}", container(script="sleep 15"))
        return one if is_injected(world.pod_of(one)) else None

    later = eventually(injected, "an injected pod", pause=2)
    assert outcome(world.finished(later)) == "Complete"
    eventually(lambda: (breaker_of(world, namespace) or {}).get("standing") == "closed", "the breaker closed")
    assert "CronitorInjectionResumed" in told(world, namespace, "Job", later["metadata"]["name"])
    assert hears(cronitor, later) == ["run", "complete"]
