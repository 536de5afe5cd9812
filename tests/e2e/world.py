"""The real cluster as the end-to-end tests speak to it: objects in, objects out, and waiting for what must come."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.installation import NAMESPACE, TEST_LABEL
from webhook.clients.kube import KubeClient, configuration
from webhook.errors import AlreadyExists, Conflict, Forbidden, NotFound

Json = dict[str, Any]
T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""How long to wait for what must come: generous, so that only what never comes fails."""
IMAGE = "docker.io/library/busybox:1.36"
INCLUDE = {"k8s.cronitor.io/include": "true"}
INJECTION = {"k8s.cronitor.io/injection": "enabled"}

_COLLECTIONS = {
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "LimitRange": "/api/v1/namespaces/{}/limitranges",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "Event": "/api/v1/namespaces/{}/events",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
}
_API_VERSIONS = {
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "ValidatingAdmissionPolicy": "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io/v1",
}


def eventually(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS, pause: float = 0.1) -> T:
    """The first thing that `look` gives which is true; fails with `what` if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"did not come within {seconds:g} s: {what}"
        time.sleep(pause)


class World:
    """One connection to the API server, and the words the tests use for what is behind it."""

    def __init__(self) -> None:
        self.kube = KubeClient(configuration())

    def create(self, manifest: Json, namespace: str = "") -> Json:
        kind = manifest["kind"]
        body = {"apiVersion": _API_VERSIONS.get(kind, "v1"), **manifest}
        return self.kube.create(_COLLECTIONS[kind].format(namespace), body)

    def dry_run_pod(self, namespace: str = "e2e-dry-run") -> None:
        """Have admission called once, for a pod that no Job stands behind and that is never made."""
        with contextlib.suppress(AlreadyExists):
            self.create(
                {"kind": "Namespace", "metadata": {"name": namespace, "labels": {TEST_LABEL: "e2e", **INJECTION}}}
            )
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "nobody", "uid": "none"}
        metadata = {"generateName": "dry-run-", "ownerReferences": [owner]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container()]}}
        try:
            self.kube.create(_COLLECTIONS["Pod"].format(namespace) + "?dryRun=All", body)
        except Forbidden:
            return  # the namespace has no default ServiceAccount yet

    def would_inject(self, job: Json) -> bool:
        """Whether each replica of admission, asked by itself, injects a pod of this Job."""
        metadata = job["metadata"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
        request = {
            "uid": "asked",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": metadata["namespace"],
            "object": {"metadata": {"ownerReferences": [{**owner, "controller": True}]},
                       "spec": {"containers": [container()]}},
        }  # fmt: skip
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/https:{{}}:8443/proxy/mutate"
        names = [pod["metadata"]["name"] for pod in self.our_pods("admission")]
        return bool(names) and all("patch" in self.kube.create(path.format(name), review)["response"] for name in names)

    def gated_pod(self, job: Json, name: str) -> Json:
        """A real pod of this Job that is never scheduled: for what concerns admission alone, by the hundred."""
        metadata = job["metadata"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
        spec = {"containers": [container()], "restartPolicy": "Never", "schedulingGates": [{"name": "cronitor/test"}]}
        manifest = {"kind": "Pod", "metadata": {"name": name, "ownerReferences": [owner]}, "spec": spec}
        return self.create(manifest, metadata["namespace"])

    def scale(self, deployment: str, replicas: int) -> None:
        """Scale one of our Deployments and wait until it is so."""
        self.patch("Deployment", NAMESPACE, deployment, {"spec": {"replicas": replicas}})

        def scaled() -> bool:
            status = (self.get("Deployment", NAMESPACE, deployment) or {})["status"]
            return (status.get("readyReplicas", 0), status.get("replicas", 0)) == (replicas, replicas)

        eventually(scaled, f"{deployment} with {replicas} replicas")

    def our_pods(self, component: str) -> list[Json]:
        """The pods of our Deployment that are not on their way out."""
        pods = self.all("Pod", NAMESPACE, labelSelector=f"app.kubernetes.io/component={component}")
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        try:
            return self.kube.get(f"{_COLLECTIONS[kind].format(namespace)}/{name}")
        except NotFound:
            return None

    def all(self, kind: str, namespace: str = "", **query: str) -> list[Json]:
        found: list[Json] = self.kube.get(_COLLECTIONS[kind].format(namespace), query)["items"]
        return found

    def patch(self, kind: str, namespace: str, name: str, patch: Json) -> Json:
        return self.kube.patch(f"{_COLLECTIONS[kind].format(namespace)}/{name}", patch)

    def delete(self, kind: str, namespace: str, name: str, **options: Any) -> None:
        try:
            self.kube.delete(f"{_COLLECTIONS[kind].format(namespace)}/{name}", options or None)
        except (NotFound, Conflict):
            return

    def run_now(self, cron_job: Json, name: str = "", annotations: dict[str, str] | None = None) -> Json:
        """A Job of this CronJob, as its own schedule would make it."""
        metadata = cron_job["metadata"]
        owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": metadata["name"], "uid": metadata["uid"]}
        template = cron_job["spec"]["jobTemplate"]
        made = {
            "name": name or f"{metadata['name']}-1",
            "ownerReferences": [{**owner, "controller": True}],
            "labels": (template.get("metadata") or {}).get("labels") or {},
            "annotations": annotations or {},
        }
        return self.create({"kind": "Job", "metadata": made, "spec": template["spec"]}, metadata["namespace"])

    def pods_of(self, job: Json) -> list[Json]:
        metadata = job["metadata"]
        return self.all("Pod", metadata["namespace"], labelSelector=f"batch.kubernetes.io/job-name={metadata['name']}")

    def pod_of(self, job: Json) -> Json:
        """The Job's first pod, as soon as there is one."""
        return eventually(lambda: self.pods_of(job), f"a pod of {job['metadata']['name']}")[0]

    def finished(self, job: Json) -> Json:
        """The Job when it has its terminal condition."""
        metadata = job["metadata"]

        def look() -> Json | None:
            found = self.get("Job", metadata["namespace"], metadata["name"])
            return found if found and outcome(found) else None

        return eventually(look, f"the end of Job {metadata['namespace']}/{metadata['name']}")

    def provisioned(self, namespace: str) -> bool:
        """Whether admission has been told that pods of this namespace may be injected."""
        found = self.get("ConfigMap", NAMESPACE, "cronitor-k8s-state")
        return bool(found) and f'"{namespace}"' in str((found or {}).get("data"))


def outcome(job: Json) -> str:
    """`Complete`, `Failed`, or '' for a Job that goes on."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((c["type"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"), "")


def is_injected(pod: Json) -> bool:
    names = [container["name"] for container in pod["spec"].get("initContainers") or ()]
    return "cronitor" in names


def container(name: str = "app", script: str = "sleep 1", **more: Any) -> Json:
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **more}


def cron_job(
    name: str,
    *containers: Json,
    annotations: dict[str, str] | None = None,
    schedule: str = "0 0 1 1 *",
    job: Json | None = None,
    **pod: Any,
) -> Json:
    """A CronJob that includes itself, `Never` restarts, and otherwise has Kubernetes' defaults."""
    template = {"restartPolicy": "Never", "containers": list(containers) or [container()], **pod}
    return {
        "kind": "CronJob",
        "metadata": {"name": name, "annotations": INCLUDE if annotations is None else annotations},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": {**(job or {}), "template": {"spec": template}}}},
    }
