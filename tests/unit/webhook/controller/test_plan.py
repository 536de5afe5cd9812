"""What a labelled namespace lacks, as of a moment: a table of what is there and what is to be done."""

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.webhook.api_store import token
from webhook.controller import plan
from webhook.controller.plan import Act, Found, Plan, TokenClaims, Wanted, read_claims, secret_text

Json = dict[str, Any]

NOW = 1772366400.0
DAY = 86400.0
WANTED = Wanted("cronitor-sidecar", "release-sidecar", "role-uid", {"telemetry-key": "key", "ca.crt": "CA"})


def account(uid: str = "account-uid") -> Json:
    made = plan.service_account(WANTED)
    return {**made, "metadata": {**made["metadata"], "namespace": "shop", "uid": uid}}


def binding() -> Json:
    made = plan.role_binding(WANTED, "shop")
    return {**made, "metadata": {**made["metadata"], "namespace": "shop"}}


def secret(issued_at: float = NOW, seconds: float = DAY, uid: str = "account-uid") -> Json:
    return plan.secret(WANTED, token(uid, issued_at, seconds))


def found(**changes: Any) -> Found:
    """A namespace in which all is well, but for `changes`."""
    well: Json = {"labelled": True, "service_account": account(), "role_binding": binding(), "secret": secret()}
    return Found(**{**well, **changes})


def edited(made: Json, edit: Callable[[Json], object]) -> Json:
    copied = copy.deepcopy(made)
    edit(copied)
    return copied


ACCOUNT, BINDING, REPLACE = Act.WRITE_SERVICE_ACCOUNT, Act.WRITE_ROLE_BINDING, Act.REPLACE_ROLE_BINDING
SECRET, TOKEN = Act.WRITE_SECRET, Act.RENEW_TOKEN

# (what, what is there, what is to be done, whether injected pods would work meanwhile)
TABLE: list[tuple[str, Found, tuple[Act, ...], bool]] = [
    ("all is well", found(), (), True),
    ("nothing is there", Found(labelled=True), (ACCOUNT, BINDING, TOKEN), False),
    ("the ServiceAccount was deleted", found(service_account=None), (ACCOUNT, TOKEN), False),
    ("the ServiceAccount was made anew", found(service_account=account("newer")), (TOKEN,), False),
    ("the RoleBinding was deleted", found(role_binding=None), (BINDING,), False),
    ("the Secret was deleted", found(secret=None), (TOKEN,), False),
    ("the token is at half its life", found(secret=secret(NOW - DAY / 2)), (TOKEN,), True),
    ("the token is a second before", found(secret=secret(NOW - DAY / 2 + 1)), (), True),
    ("the token is past half its life", found(secret=secret(NOW - 0.9 * DAY)), (TOKEN,), True),
    ("the token ends now", found(secret=secret(NOW - DAY)), (TOKEN,), False),
    ("the token was issued in the future", found(secret=secret(NOW + 60)), (), True),
    ("the token is another account's", found(secret=secret(uid="other")), (TOKEN,), False),
    ("the token is no token", found(secret=plan.secret(WANTED, "x")), (TOKEN,), False),
    ("the token is empty", found(secret=plan.secret(WANTED, "")), (TOKEN,), False),
    ("the telemetry key has changed",
     found(secret=edited(secret(), lambda s: s["data"].update({"telemetry-key": "b2xk"}))), (SECRET,), True),
    ("the telemetry key is missing",
     found(secret=edited(secret(), lambda s: s["data"].pop("telemetry-key"))), (SECRET,), False),
    ("the telemetry key is empty",
     found(secret=edited(secret(), lambda s: s["data"].update({"telemetry-key": ""}))), (SECRET,), False),
    ("an entry is too many",
     found(secret=edited(secret(), lambda s: s["data"].update({"cronitor-ca.crt": "eA=="}))), (SECRET,), True),
    ("an entry is no base64",
     found(secret=edited(secret(), lambda s: s["data"].update({"ca.crt": "?"}))), (SECRET,), True),
    ("the Secret has no data", found(secret=edited(secret(), lambda s: s.pop("data"))), (TOKEN,), False),
    ("the Secret has lost its owner",
     found(secret=edited(secret(), lambda s: s["metadata"].pop("ownerReferences"))), (SECRET,), True),
    ("both a new key and half its life",
     found(secret=edited(secret(NOW - DAY / 2), lambda s: s["data"].update({"telemetry-key": "b2xk"}))),
     (TOKEN,), True),
    ("the ServiceAccount has another owner",
     found(service_account=edited(account(), lambda a: a["metadata"]["ownerReferences"][0].update(uid="old"))),
     (ACCOUNT,), True),
    ("the RoleBinding has lost its owner",
     found(role_binding=edited(binding(), lambda b: b["metadata"].pop("ownerReferences"))), (BINDING,), True),
    ("the RoleBinding binds nobody",
     found(role_binding=edited(binding(), lambda b: b.pop("subjects"))), (BINDING,), True),
    ("the RoleBinding binds somebody else too",
     found(role_binding=edited(binding(), lambda b: b["subjects"].append({"kind": "User", "name": "x"}))),
     (BINDING,), True),
    ("the RoleBinding gives another role",
     found(role_binding=edited(binding(), lambda b: b["roleRef"].update(name="admin"))), (REPLACE,), True),
    ("the RoleBinding gives another role to nobody",
     found(role_binding=edited(binding(), lambda b: b.update(subjects=[], roleRef={"kind": "Role", "name": "x"}))),
     (REPLACE,), True),
    ("injected pods are no matter while it is labelled", found(has_injected_pods=True), (), True),
]  # fmt: skip


@pytest.mark.parametrize(("given", "acts", "provisioned"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_is_to_be_done(given: Found, acts: tuple[Act, ...], provisioned: bool) -> None:
    planned = plan.plan(given, WANTED, NOW)
    assert (planned.acts, planned.provisioned) == (acts, provisioned)


def test_a_good_token_is_looked_at_again_when_half_its_life_is_over() -> None:
    assert plan.plan(found(secret=secret(NOW - 1000)), WANTED, NOW).look_again == DAY / 2 - 1000
    assert plan.plan(found(secret=secret(NOW - DAY / 2)), WANTED, NOW).look_again is None


@pytest.mark.parametrize("cluster_role", ["release-sidecar", "another"])
def test_a_release_with_other_names_replaces_what_the_binding_refers_to(cluster_role: str) -> None:
    wanted = Wanted(WANTED.name, cluster_role, WANTED.owner_uid, WANTED.secret_content)
    expected = () if cluster_role == "release-sidecar" else (REPLACE,)
    assert plan.plan(found(), wanted, NOW).acts == expected


THEIRS = {"metadata": {"name": "cronitor-sidecar", "namespace": "shop", "uid": "x", "labels": {"app": "theirs"}}}
REMOVAL: list[tuple[str, Found, Plan]] = [
    ("nothing is there", Found(labelled=False), Plan()),
    ("all of it", found(labelled=False), Plan((Act.DELETE_ALL,))),
    ("the Secret alone", Found(labelled=False, secret=secret()), Plan((Act.DELETE_ALL,))),
    ("expired", Found(labelled=False, secret=secret(NOW - 2 * DAY)), Plan((Act.DELETE_ALL,))),
    ("of an earlier release",
     Found(labelled=False, secret=edited(secret(), lambda s: s["metadata"]["ownerReferences"][0].update(uid="old"))),
     Plan((Act.DELETE_ALL,))),
    ("injected pods still run", found(labelled=False, has_injected_pods=True), Plan(look_again=60.0)),
    ("injected pods but nothing left", Found(labelled=False, has_injected_pods=True), Plan()),
    ("somebody else's of the same name", Found(labelled=False, service_account=THEIRS), Plan()),
    ("somebody else's without labels",
     Found(labelled=False, secret={"metadata": {"name": "cronitor-sidecar", "labels": None}}), Plan()),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in REMOVAL], ids=[row[0] for row in REMOVAL])
def test_without_the_label_what_is_ours_goes_when_the_last_injected_pod_has_ended(given: Found, expected: Plan) -> None:
    assert plan.plan(given, WANTED, NOW) == expected


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_the_claims_of_a_token_are_read() -> None:
    assert read_claims(token("u", NOW, 100)) == TokenClaims(NOW, NOW + 100, "u")
    assert TokenClaims(NOW, NOW + 100, "u").half_life_at == NOW + 50


def jwt(payload: bytes) -> str:
    return "e30." + base64.urlsafe_b64encode(payload).decode().rstrip("=") + ".x"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b.c",
        "..",
        "a.!!!!.c",
        "a.\u00fc.c",
        jwt(b""),
        jwt(b"[]"),
        jwt(b"7"),
        jwt(b"null"),
        jwt(b"{}"),
        jwt(b"\xff\xfe"),
        jwt(b'{"iat":1,"exp":2}'),
        jwt(b'{"iat":1,"exp":2,"kubernetes.io":{}}'),
        jwt(b'{"iat":1,"exp":2,"kubernetes.io":[]}'),
        jwt(b'{"iat":"soon","exp":2,"kubernetes.io":{"serviceaccount":{"uid":"u"}}}'),
        jwt(b'{"iat":null,"exp":2,"kubernetes.io":{"serviceaccount":{"uid":"u"}}}'),
        jwt(b'{"iat":1' + b"0" * 400 + b',"exp":2,"kubernetes.io":{"serviceaccount":{"uid":"u"}}}'),
        jwt(b"[" * 10_000),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_token_has_no_claims(text: str) -> None:
    assert read_claims(text) is None


@pytest.mark.parametrize(
    "broken",
    [None, {}, {"data": None}, {"data": {}}, {"data": {"a": "?"}}, {"data": {"a": "/w=="}}, {"data": {"a": None}}],
)
def test_an_entry_that_cannot_be_read_is_empty(broken: Json | None) -> None:
    assert secret_text(broken, "a") == ""


# --- what is made ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [account(), binding(), secret()])
def test_everything_made_goes_with_the_release(made: Json) -> None:
    assert made["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "name": "release-sidecar",
            "uid": "role-uid",
        }
    ]
    assert plan.is_ours(made)


def test_the_secret_holds_what_the_sidecar_mounts() -> None:
    made = secret()
    assert {key: secret_text(made, key) for key in made["data"]} == {
        "telemetry-key": "key", "ca.crt": "CA", "token": token("account-uid", NOW, DAY),
    }  # fmt: skip


def test_the_service_account_is_mounted_by_nobody_by_itself() -> None:
    assert account()["automountServiceAccountToken"] is False
