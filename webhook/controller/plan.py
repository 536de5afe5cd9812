"""What a labelled namespace needs for its sidecars, and what is to be done about it now. Pure.

A ServiceAccount, a RoleBinding that lets it watch pods, and a Secret with the telemetry key and a short-lived token of
that ServiceAccount, whose own claims say when it is to be renewed. All are level-triggered: a deleted or edited object
is seen as a difference like any other.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

Json = Mapping[str, Any]
JsonObject = dict[str, Any]

LABELS = {"app.kubernetes.io/managed-by": "cronitor-k8s", "app.kubernetes.io/name": "cronitor-k8s"}
INJECTION_LABEL = "k8s.cronitor.io/injection"
NEVER_LABELLED = frozenset({"kube-system", "kube-node-lease", "kube-public"})
CLEAN_UP_AGAIN_SECONDS = 60.0


class Act(Enum):
    """One thing to do in a namespace; WRITE_SECRET keeps a good token, RENEW_TOKEN asks for a new one."""

    WRITE_SERVICE_ACCOUNT = "write the ServiceAccount"
    WRITE_ROLE_BINDING = "write the RoleBinding"
    REPLACE_ROLE_BINDING = "replace the RoleBinding"
    WRITE_SECRET = "write the Secret"  # noqa: S105
    RENEW_TOKEN = "renew the token"  # noqa: S105
    DELETE_ALL = "delete all"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What every namespace gets. `secret_content` is what the Secret holds besides the token, as text by key."""

    name: str
    cluster_role: str
    owner_uid: str
    secret_content: Mapping[str, str]

    def with_key(self, telemetry_key: str) -> "Wanted":
        """The same with another telemetry key."""
        return replace(self, secret_content={**self.secret_content, "telemetry-key": telemetry_key})

    @property
    def owner_references(self) -> list[JsonObject]:
        return [owner_reference(self.cluster_role, self.owner_uid)]


@dataclass(frozen=True, slots=True)
class Found:
    """What is there. `labelled`: the namespace is there, carries the label and is not being deleted."""

    labelled: bool
    service_account: Json | None = None
    role_binding: Json | None = None
    secret: Json | None = None
    has_injected_pods: bool = False

    @property
    def objects(self) -> tuple[Json, ...]:
        return tuple(found for found in (self.service_account, self.role_binding, self.secret) if found is not None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in order; whether injected pods would work now; when to look again (seconds from now)."""

    acts: tuple[Act, ...] = ()
    provisioned: bool = False
    look_again: float | None = None


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a ServiceAccount token says of itself. Times are Unix seconds."""

    issued_at: float
    expires_at: float
    service_account_uid: str

    @property
    def half_life_at(self) -> float:
        return (self.issued_at + self.expires_at) / 2


def owner_reference(cluster_role: str, uid: str) -> JsonObject:
    """The owner of all that is made at run time: cluster-scoped owners are allowed, and `helm uninstall` deletes it."""
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": cluster_role, "uid": uid}


def plan(found: Found, wanted: Wanted, now: float) -> Plan:
    """What `found` lacks of `wanted` at `now` (Unix seconds)."""
    if not found.labelled:
        return _removal(found)
    acts = list(_role_acts(found, wanted))
    token = read_claims(secret_text(found.secret, "token"))
    fresh = token is not None and _is_usable(token, found) and now < token.half_life_at
    if not fresh:
        acts.append(Act.RENEW_TOKEN)
    elif not _secret_fits(found.secret, wanted):
        acts.append(Act.WRITE_SECRET)
    usable = token is not None and _is_usable(token, found) and now < token.expires_at
    provisioned = usable and found.role_binding is not None and bool(secret_text(found.secret, "telemetry-key"))
    look_again = token.half_life_at - now if token is not None and fresh else None
    return Plan(tuple(acts), provisioned, look_again)


def read_claims(token: str) -> TokenClaims | None:
    """The claims of a JWT, not verified (the API server does that); None for what is none."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return TokenClaims(
            issued_at=float(claims["iat"]),
            expires_at=float(claims["exp"]),
            service_account_uid=str(claims["kubernetes.io"]["serviceaccount"]["uid"]),
        )
    except (IndexError, KeyError, ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        return None


def secret_text(secret: Json | None, key: str) -> str:
    """One value of a Secret, decoded; '' where it is missing or no text."""
    try:
        return base64.b64decode(((secret or {}).get("data") or {})[key]).decode()
    except (KeyError, ValueError, TypeError):
        return ""


def service_account(wanted: Wanted) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(wanted),
        "automountServiceAccountToken": False,
    }


def role_binding(wanted: Wanted, namespace: str) -> JsonObject:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(wanted),
        "roleRef": _role_ref(wanted),
        "subjects": [{"kind": "ServiceAccount", "name": wanted.name, "namespace": namespace}],
    }


def secret(wanted: Wanted, token: str) -> JsonObject:
    """The Secret that the sidecars mount."""
    content = {**wanted.secret_content, "token": token}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": _metadata(wanted),
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in content.items()},
    }


def _removal(found: Found) -> Plan:
    if not any(is_ours(one) for one in found.objects):
        return Plan()
    if found.has_injected_pods:  # the last of them still reports; its end is seen, the time is a safety net
        return Plan(look_again=CLEAN_UP_AGAIN_SECONDS)
    return Plan((Act.DELETE_ALL,))


def _role_acts(found: Found, wanted: Wanted) -> list[Act]:
    acts = []
    if found.service_account is None or not _is_owned(found.service_account, wanted):
        acts.append(Act.WRITE_SERVICE_ACCOUNT)
    binding = found.role_binding
    if binding is None:
        acts.append(Act.WRITE_ROLE_BINDING)
    elif binding.get("roleRef") != _role_ref(wanted):  # cannot be changed in place
        acts.append(Act.REPLACE_ROLE_BINDING)
    elif not _is_owned(binding, wanted) or not _binds(binding, wanted):
        acts.append(Act.WRITE_ROLE_BINDING)
    return acts


def _binds(binding: Json, wanted: Wanted) -> bool:
    namespace = binding["metadata"].get("namespace")
    subject = {"kind": "ServiceAccount", "name": wanted.name, "namespace": namespace}
    return list(binding.get("subjects") or ()) == [subject]


def _secret_fits(secret: Json | None, wanted: Wanted) -> bool:
    if secret is None or not _is_owned(secret, wanted):
        return False
    keys = set(secret.get("data") or ()) - {"token"}
    return keys == set(wanted.secret_content) and all(
        secret_text(secret, key) == text for key, text in wanted.secret_content.items()
    )


def _is_usable(token: TokenClaims, found: Found) -> bool:
    account = found.service_account
    return account is not None and account["metadata"].get("uid") == token.service_account_uid


def is_ours(found: Json) -> bool:
    """Whether we made this object, of whatever release; somebody else's of the same name is left alone."""
    return ((found.get("metadata") or {}).get("labels") or {}).items() >= LABELS.items()


def _is_owned(found: Json, wanted: Wanted) -> bool:
    owners = found["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == wanted.owner_uid for owner in owners)


def _role_ref(wanted: Wanted) -> JsonObject:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": wanted.cluster_role}


def _metadata(wanted: Wanted) -> JsonObject:
    return {"name": wanted.name, "labels": dict(LABELS), "ownerReferences": wanted.owner_references}
