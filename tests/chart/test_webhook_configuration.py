"""Whom the API server asks admission about."""

from typing import Any

from tests.chart.helm import only, render
from webhook.admission.decide import INJECTED_LABEL


def webhook(namespace: str = "cronitor") -> dict[str, Any]:
    found, _ = only(render(namespace=namespace), "MutatingWebhookConfiguration")["webhooks"]
    return dict(found)


def warner(namespace: str = "cronitor") -> dict[str, Any]:
    _, found = only(render(namespace=namespace), "MutatingWebhookConfiguration")["webhooks"]
    return dict(found)


def test_cron_jobs_are_looked_at_for_warnings_and_never_kept_from_being_written() -> None:
    found = warner("ops")
    assert (found["failurePolicy"], found["timeoutSeconds"], found["sideEffects"]) == ("Ignore", 2, "None")
    assert found["clientConfig"]["service"] == {**webhook("ops")["clientConfig"]["service"], "path": "/warn"}
    assert found["namespaceSelector"] == webhook("ops")["namespaceSelector"]
    (rule,) = found["rules"]
    assert (rule["apiGroups"], rule["resources"], rule["operations"]) == (["batch"], ["cronjobs"], ["CREATE", "UPDATE"])
    (condition,) = found["matchConditions"]
    assert "startsWith('k8s.cronitor.io/')" in condition["expression"]


def test_it_can_never_block_a_pod_for_long() -> None:
    found = webhook()
    assert found["failurePolicy"] == "Ignore"
    assert found["timeoutSeconds"] == 5
    assert found["sideEffects"] == "None"
    assert found["admissionReviewVersions"] == ["v1"]
    assert found["reinvocationPolicy"] == "IfNeeded"
    assert found["matchPolicy"] == "Equivalent"


def test_it_is_asked_about_new_pods_only() -> None:
    assert webhook()["rules"] == [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["pods"],
            "scope": "Namespaced",
        }
    ]


def test_it_is_asked_in_labelled_namespaces_only_and_never_in_the_cluster_s_or_its_own() -> None:
    selector = webhook("ops")["namespaceSelector"]
    assert selector["matchLabels"] == {"k8s.cronitor.io/injection": "enabled"}
    (expression,) = selector["matchExpressions"]
    assert expression["key"] == "kubernetes.io/metadata.name"
    assert expression["operator"] == "NotIn"
    assert expression["values"] == ["kube-system", "kube-node-lease", "kube-public", "ops"]


def test_it_is_not_asked_again_about_a_pod_that_has_the_sidecar() -> None:
    (expression,) = webhook()["objectSelector"]["matchExpressions"]
    assert expression == {"key": INJECTED_LABEL, "operator": "NotIn", "values": ["true"]}


def test_it_is_asked_about_pods_of_jobs_only() -> None:
    (condition,) = webhook()["matchConditions"]
    guard, owned = condition["expression"].split(" && ", 1)
    assert guard == "has(object.metadata.ownerReferences)"
    assert owned == (
        "object.metadata.ownerReferences.exists(owner, owner.apiVersion == 'batch/v1' && owner.kind == 'Job')"
    )


def test_it_is_called_at_the_service_of_admission() -> None:
    manifests = render()
    service = only(manifests, "Service")
    client = webhook()["clientConfig"]
    assert client == {
        "service": {
            "name": service["metadata"]["name"],
            "namespace": "cronitor",
            "path": "/mutate",
            "port": 443,
        }
    }
    (port,) = service["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (443, "https")
