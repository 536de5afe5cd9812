"""What narrows the right to patch pods, where the cluster knows policies."""

import pytest

from tests.chart.helm import of_kind, only, render

KIND, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"


def test_it_looks_at_our_controller_alone_and_refuses_what_it_does_not_allow() -> None:
    manifests = render(release="prod", namespace="ops", policies=True)
    policy, binding = only(manifests, KIND), only(manifests, BINDING)
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"] == (
        "request.userInfo.username == 'system:serviceaccount:ops:prod-cronitor-k8s-controller'"
    )
    account = only(manifests, "ServiceAccount", "prod-cronitor-k8s-controller")
    assert account["metadata"]["namespace"] == "ops"
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}


def test_it_allows_the_images_that_are_given_for_our_container() -> None:
    policy = only(render({"breaker": {"freeImages": ["r.local/pause:1", "x"]}}, policies=True), KIND)
    assert any(
        """c.name == 'cronitor' && c.image in ["r.local/pause:1","x"]""" in " ".join(one["expression"].split())
        for one in policy["spec"]["validations"]
    )


@pytest.mark.parametrize("breaker", [{"enabled": False}, {"freeStuckPods": False}], ids=str)
def test_without_the_right_there_is_no_policy(breaker: dict[str, bool]) -> None:
    assert of_kind(render({"breaker": breaker}, policies=True), KIND) == []


def test_a_cluster_that_knows_no_policies_is_given_none() -> None:
    assert of_kind(render(), KIND) + of_kind(render(), BINDING) == []
