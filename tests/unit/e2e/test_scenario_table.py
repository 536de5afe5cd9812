"""The table of shapes, as far as it can be looked at without a cluster: Kubernetes' rules, and who is injected."""

import re
from typing import Any

import pytest

from tests.e2e.scenarios.burst import BURST
from tests.e2e.scenarios.disturbances import DISTURBANCES
from tests.e2e.scenarios.shapes import Heard, Shape
from tests.e2e.scenarios.table import TABLE
from tests.e2e.world import Json
from webhook import annotations
from webhook.admission.decide import Owners, why_not

OTHERS = tuple(shape for disturbance in DISTURBANCES for shape in disturbance.shapes)
ALL = (*TABLE, BURST, *OTHERS)
LONGEST_NAME = 52
"""Of a CronJob: its Jobs' names are made of it."""


def job_of(shape: Shape) -> Json:
    template: Json = shape.manifest["spec"]["jobTemplate"]
    return {"metadata": {"name": f"{shape.name}-1", "uid": "uid"}, **template}


def pod_of(shape: Shape) -> dict[str, Any]:
    spec: dict[str, Any] = job_of(shape)["spec"]["template"]["spec"]
    return spec


def test_there_are_enough_of_them_and_each_has_its_name() -> None:
    assert len({shape.name.removesuffix("-alone").removesuffix("-injected") for shape in TABLE}) >= 45
    assert len({shape.name for shape in ALL}) == len(ALL)
    assert [shape.name for shape in ALL if len(shape.name) > LONGEST_NAME] == []


@pytest.mark.parametrize("shape", ALL, ids=lambda shape: shape.name)
def test_the_manifest_keeps_to_kubernetes_rules(shape: Shape) -> None:
    spec, pod = job_of(shape)["spec"], pod_of(shape)
    indexed = spec.get("completionMode") == "Indexed"
    never = pod["restartPolicy"] == "Never"
    policy = spec.get("podFailurePolicy")
    assert never or policy is None, "validateJobSpec: only Never is supported with a podFailurePolicy"
    assert indexed or not {"backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"} & spec.keys()
    assert never or "backoffLimitPerIndex" not in spec
    assert "backoffLimitPerIndex" in spec or "maxFailedIndexes" not in spec
    assert not indexed or "completions" in spec
    assert policy is None or spec.get("podReplacementPolicy", "Failed") == "Failed"
    names = {one["name"] for key in ("initContainers", "containers") for one in pod.get(key, ())}
    for rule in (policy or {"rules": ()})["rules"]:
        assert ("onExitCodes" in rule) != ("onPodConditions" in rule)
        assert rule["action"] != "FailIndex" or "backoffLimitPerIndex" in spec
        codes = rule.get("onExitCodes", {"values": [1]})
        assert codes.get("containerName", next(iter(names))) in names
        assert 0 not in codes["values"]
        assert codes["values"] == sorted(codes["values"])


@pytest.mark.parametrize("shape", ALL, ids=lambda shape: shape.name)
def test_what_counts_is_in_the_pod(shape: Shape) -> None:
    pod = pod_of(shape)
    names = {one["name"] for key in ("initContainers", "containers") for one in pod.get(key, ())}
    assert shape.counting <= names
    assert shape.counting


@pytest.mark.parametrize("shape", TABLE, ids=lambda shape: shape.name)
def test_its_pods_are_injected_as_admission_decides(shape: Shape) -> None:
    if not shape.labelled:
        assert shape.injected is False
        return
    options = annotations.read(shape.manifest["metadata"]["annotations"])
    owners = Owners(job_of(shape), shape.manifest)
    pod = {"metadata": {}, "spec": pod_of(shape)}
    reason = why_not(pod, owners, options, None, provisioned=True, enabled=True)
    assert (reason is None) is shape.injected, reason


@pytest.mark.parametrize("shape", ALL, ids=lambda shape: shape.name)
def test_what_is_heard_is_one_run_and_one_verdict_and_each_attempt_that_is_asked_for(shape: Shape) -> None:
    attempts = ["fail"] * len(shape.violates)
    is_corrected = shape.name == "retries-granted-in-mid-run"
    assert bool(attempts) == (is_corrected or shape.annotations.get("k8s.cronitor.io/alert-on") == "attempt")
    for heard in (shape.heard, *(one.heard for one in shape.later)):
        is_stuck = heard[:1] and heard[0].state == "fail"
        states = [one.state for one in (heard[1:] if is_stuck else heard)]
        ends = [["complete"], *([[]] if is_stuck else [["fail"]])]  # a failure after a stuck start is the same failure
        assert states in ([], *(["run", *attempts, *end] for end in ends))
        for one in heard:
            assert one.stamp
            assert (one.code == 0) == (one.state == "complete")
            _message_fits(one, "successPolicy" in shape.job)


def _message_fits(one: Heard, has_success_policy: bool) -> None:
    if isinstance(one.message, re.Pattern):
        assert one.state == "fail" or has_success_policy, "only failures leave something to luck"
    else:
        assert one.message or one.state == "run"
