"""Keeps each labelled namespace's ServiceAccount, RoleBinding and Secret as `plan` wants them."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webhook.admission.decide import INJECTED_LABEL
from webhook.clients.informer import Informer
from webhook.clients.kube import KubeClient
from webhook.controller import plan
from webhook.controller.objects import OwnedObjects
from webhook.controller.plan import Act, Found, Plan, Wanted
from webhook.controller.queue import Key
from webhook.errors import Forbidden, NotFound
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
    """Reconciles one namespace by its name. Safe for threads as long as one key is worked on by one at a time.

    `key_of` gives a namespace's own telemetry key, or ''.
    """

    def __init__(
        self,
        kube: KubeClient,
        objects: OwnedObjects,
        caches: NamespaceCaches,
        settings: Settings,
        wanted: Wanted,
        key_of: Callable[[str], str] = lambda _namespace: "",
    ) -> None:
        self._kube, self._objects, self._caches = kube, objects, caches
        self._settings, self._wanted, self._key_of = settings, wanted, key_of
        self.failing: set[str] = set()

    def reconcile(self, key: Key) -> float | None:
        namespace = key.namespace
        planned = self.planned(namespace)
        if not planned.acts:
            self.failing.discard(namespace)
            return planned.look_again
        if self._caches_are_behind(namespace, planned):
            return AFTER_WRITING_SECONDS
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
        return plan.plan(self._found(namespace), self._wanted_in(namespace), time.time())

    def _wanted_in(self, namespace: str) -> Wanted:
        """With the namespace's own telemetry key where it has one."""
        key = self._key_of(namespace)
        return self._wanted.with_key(key) if key else self._wanted

    def labelled(self) -> set[str]:
        """The namespaces that should have everything."""
        names = (found["metadata"]["name"] for found in self._caches.namespaces.all())
        return {name for name in names if self.is_labelled(name)}

    def is_labelled(self, namespace: str) -> bool:
        """Whether the namespace is there, carries the label, may be injected, and is not being deleted."""
        found = self._caches.namespaces.get("", namespace)
        return found is not None and self._counts_as_labelled(found)

    def _counts_as_labelled(self, namespace: Json) -> bool:
        metadata = namespace["metadata"]
        return (
            (metadata.get("labels") or {}).get(plan.INJECTION_LABEL) == "enabled"
            and not metadata.get("deletionTimestamp")
            and metadata["name"] not in plan.NEVER_LABELLED
            and metadata["name"] != self._settings.namespace
        )

    def annotations(self, namespace: str) -> dict[str, str] | None:
        """What is written on the Namespace, as far as it is there and labelled."""
        found = self._caches.namespaces.get("", namespace)
        return None if found is None else found["metadata"].get("annotations")

    def has_objects(self, namespace: str) -> bool:
        """Whether anything of ours is in the namespace."""
        caches, name = self._caches, self._wanted.name
        kinds = (caches.service_accounts, caches.role_bindings, caches.secrets)
        return any(kind.get(namespace, name) is not None for kind in kinds)

    def _found(self, namespace: str) -> Found:
        caches, name = self._caches, self._wanted.name
        labelled = self.is_labelled(namespace)
        return Found(
            labelled=labelled,
            service_account=caches.service_accounts.get(namespace, name),
            role_binding=caches.role_bindings.get(namespace, name),
            secret=caches.secrets.get(namespace, name),
            has_injected_pods=not labelled
            and self.has_objects(namespace)
            and any(is_live_injected(pod, namespace) for pod in caches.pods.all()),
        )

    def _do(self, act: Act, namespace: str) -> None:
        wanted, core = self._wanted_in(namespace), f"/api/v1/namespaces/{namespace}"
        bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
        match act:
            case Act.WRITE_SERVICE_ACCOUNT:
                self._objects.write(f"{core}/serviceaccounts", plan.service_account(wanted))
            case Act.WRITE_ROLE_BINDING:
                self._objects.write(bindings, plan.role_binding(wanted, namespace))
            case Act.REPLACE_ROLE_BINDING:
                self._delete(bindings, self._caches.role_bindings.get(namespace, wanted.name))
                self._objects.write(bindings, plan.role_binding(wanted, namespace))
            case Act.WRITE_SECRET:
                token = plan.secret_text(self._caches.secrets.get(namespace, wanted.name), "token")
                self._objects.write(f"{core}/secrets", plan.secret(wanted, token))
            case Act.RENEW_TOKEN:
                self._objects.write(f"{core}/secrets", plan.secret(wanted, self._new_token(namespace)))
            case Act.DELETE_ALL:
                caches = self._caches
                for collection, cache in (
                    (f"{core}/secrets", caches.secrets),
                    (bindings, caches.role_bindings),
                    (f"{core}/serviceaccounts", caches.service_accounts),
                ):
                    self._delete(collection, cache.get(namespace, wanted.name))

    def _caches_are_behind(self, namespace: str, planned: Plan) -> bool:
        """Whether what is planned would undo or repeat what the caches do not show yet."""
        if Act.DELETE_ALL in planned.acts:
            return self._still_needed(namespace)
        if planned.acts != (Act.RENEW_TOKEN,):
            return False
        token = plan.read_claims(plan.secret_text(self._caches.secrets.get(namespace, self._wanted.name), "token"))
        return token is not None and abs(time.time() - token.issued_at) < AFTER_WRITING_SECONDS

    def _still_needed(self, namespace: str) -> bool:
        """Ask the API server itself before anything is deleted: a running sidecar would lose its token for good."""
        try:
            if self._counts_as_labelled(self._kube.get(f"/api/v1/namespaces/{namespace}")):
                return True
        except NotFound:
            return False
        live = {
            "labelSelector": f"{INJECTED_LABEL}=true",
            "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed",
            "limit": "1",
        }
        return bool(self._kube.get(f"/api/v1/namespaces/{namespace}/pods", live).get("items"))

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

    def _delete(self, collection: str, found: Json | None) -> None:
        if found is not None and plan.is_ours(found):
            metadata = found["metadata"]
            self._objects.delete(f"{collection}/{metadata['name']}", metadata["uid"])


def is_live_injected(pod: Json, namespace: str) -> bool:
    """Whether this is an injected pod of the namespace that has not ended."""
    metadata = pod["metadata"]
    return (
        metadata.get("namespace") == namespace
        and (metadata.get("labels") or {}).get(INJECTED_LABEL) == "true"
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    )
