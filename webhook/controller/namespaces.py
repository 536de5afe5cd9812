"""Keeps each labelled namespace's ServiceAccount, RoleBinding and Secret as `plan` wants them."""

import logging
import time
from dataclasses import dataclass
from typing import Any

from webhook.clients.informer import Informer
from webhook.clients.kube import KubeClient
from webhook.controller import plan
from webhook.controller.plan import Act, Found, Plan, Wanted
from webhook.controller.queue import Key
from webhook.errors import AlreadyExists, Forbidden, NotFound
from webhook.settings import Settings

AFTER_WRITING_SECONDS = 2.0
"""The caches show what was written within that; looked at once more in case that they did not say so."""

log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NamespaceCaches:
    """`pods` holds at least the injected ones."""

    namespaces: Informer
    service_accounts: Informer
    role_bindings: Informer
    secrets: Informer
    pods: Informer


class NamespaceKeeper:
    """Reconciles one namespace by its name. Safe for threads as long as one key is worked on by one at a time."""

    def __init__(self, kube: KubeClient, caches: NamespaceCaches, settings: Settings, wanted: Wanted) -> None:
        self._kube, self._caches, self._settings, self._wanted = kube, caches, settings, wanted
        self.failing: set[str] = set()

    def reconcile(self, key: Key) -> float | None:
        namespace = key.namespace
        planned = self.planned(namespace)
        if not planned.acts:
            self.failing.discard(namespace)
            return planned.look_again
        try:
            for act in planned.acts:
                self._do(act, namespace)
                log.info("namespace_changed", extra={"namespace": namespace, "act": act.value})
        except Forbidden as error:
            if not self._found(namespace).labelled:
                return None  # it is being deleted
            self.failing.add(namespace)
            raise error
        except Exception:
            self.failing.add(namespace)
            raise
        self.failing.discard(namespace)
        return AFTER_WRITING_SECONDS

    def planned(self, namespace: str) -> Plan:
        """What is to be done now, by the caches."""
        return plan.plan(self._found(namespace), self._wanted, time.time())

    def labelled(self) -> set[str]:
        """The namespaces that should have everything."""
        names = (found["metadata"]["name"] for found in self._caches.namespaces.all())
        return {name for name in names if self._found(name).labelled}

    def _found(self, namespace: str) -> Found:
        caches, name = self._caches, self._wanted.name
        found = caches.namespaces.get("", namespace)
        allowed = namespace not in plan.NEVER_LABELLED and namespace != self._settings.namespace
        labelled = found is not None and allowed and not found["metadata"].get("deletionTimestamp")
        return Found(
            labelled=labelled,
            service_account=caches.service_accounts.get(namespace, name),
            role_binding=caches.role_bindings.get(namespace, name),
            secret=caches.secrets.get(namespace, name),
            has_injected_pods=not labelled and any(is_live_injected(pod, namespace) for pod in caches.pods.all()),
        )

    def _do(self, act: Act, namespace: str) -> None:
        wanted, core = self._wanted, f"/api/v1/namespaces/{namespace}"
        bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
        match act:
            case Act.WRITE_SERVICE_ACCOUNT:
                self._write(f"{core}/serviceaccounts", plan.service_account(wanted))
            case Act.WRITE_ROLE_BINDING:
                self._write(bindings, plan.role_binding(wanted, namespace))
            case Act.REPLACE_ROLE_BINDING:
                self._delete(f"{bindings}/{wanted.name}")
                self._write(bindings, plan.role_binding(wanted, namespace))
            case Act.WRITE_SECRET:
                token = plan.secret_text(self._caches.secrets.get(namespace, wanted.name), "token")
                self._write(f"{core}/secrets", plan.secret(wanted, token))
            case Act.RENEW_TOKEN:
                self._write(f"{core}/secrets", plan.secret(wanted, self._new_token(namespace)))
            case Act.DELETE_ALL:
                for path in (f"{core}/secrets", bindings, f"{core}/serviceaccounts"):
                    self._delete(f"{path}/{wanted.name}")

    def _new_token(self, namespace: str) -> str:
        answer = self._kube.create(
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{self._wanted.name}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": self._settings.token_seconds},
            },
        )
        return str(answer["status"]["token"])

    def _write(self, collection: str, body: Json) -> None:
        """Create the object, or bring the one that is there to the same content."""
        try:
            self._kube.create(collection, body)
        except AlreadyExists:
            stale = self._kube.get(f"{collection}/{body['metadata']['name']}").get("data") or {}
            if "data" in body:  # a merge patch removes only what it names
                body = {**body, "data": {**dict.fromkeys(stale), **body["data"]}}
            self._kube.patch(f"{collection}/{body['metadata']['name']}", body)

    def _delete(self, path: str) -> None:
        try:
            self._kube.delete(path)
        except NotFound:
            log.debug("already_gone", extra={"path": path})


def is_live_injected(pod: Json, namespace: str) -> bool:
    """Whether this is an injected pod of the namespace that has not ended."""
    metadata = pod["metadata"]
    return (
        metadata.get("namespace") == namespace
        and (metadata.get("labels") or {}).get("k8s.cronitor.io/injected") == "true"
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    )
