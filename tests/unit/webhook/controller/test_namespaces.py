"""A labelled namespace gets what its sidecars need, keeps it, and is rid of it when the label has gone."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.webhook.api_store import Fault, Request, token
from tests.unit.webhook.controller.conftest import LABELLED, SETTINGS, WANTED, World
from tests.unit.webhook.objects import pod
from webhook.controller import plan
from webhook.controller.namespaces import AFTER_WRITING_SECONDS
from webhook.controller.objects import ForeignObjectError
from webhook.controller.plan import read_claims, secret_text
from webhook.controller.queue import Key
from webhook.errors import Conflict, KubeError

Json = dict[str, Any]

SHOP = Key("namespace", "shop")
CORE = "/api/v1/namespaces/shop"
ACCOUNT = f"{CORE}/serviceaccounts/cronitor-sidecar"
SECRET = f"{CORE}/secrets/cronitor-sidecar"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings"
BINDING = f"{BINDINGS}/cronitor-sidecar"
OBJECTS = [ACCOUNT, BINDING, SECRET]
EVERYTHING = [
    f"POST {CORE}/serviceaccounts",
    f"POST {BINDINGS}",
    f"POST {ACCOUNT}/token",
    f"POST {CORE}/secrets",
]


def provisioned(world: World, namespace: str = "shop") -> None:
    """The namespace with all it needs, and the caches that know it."""
    world.label(namespace)
    world.keeper.reconcile(Key("namespace", namespace))
    world.seen()
    world.api.requests.clear()


def written(world: World) -> list[str]:
    return [one for one in world.api.asked() if not one.startswith(("GET", "WATCH"))]


def secret_in(world: World) -> Json:
    found = world.api.get(SECRET)
    assert found is not None
    return found


def edit(world: World, path: str, change: Callable[[Json], object]) -> None:
    found = world.api.get(path)
    assert found is not None
    change(found)
    world.put(path, found)


def test_a_labelled_namespace_gets_everything(world: World) -> None:
    world.label("shop")
    assert not world.keeper.planned("shop").provisioned
    assert world.keeper.reconcile(SHOP) == AFTER_WRITING_SECONDS
    assert written(world) == EVERYTHING
    world.seen()
    planned = world.keeper.planned("shop")
    assert (planned.acts, planned.provisioned) == ((), True)


def test_the_token_is_one_of_that_account_and_short_lived(world: World) -> None:
    provisioned(world)
    account = world.api.get(ACCOUNT)
    claims = read_claims(secret_text(secret_in(world), "token"))
    assert account is not None
    assert claims is not None
    assert claims.service_account_uid == account["metadata"]["uid"]
    assert claims.expires_at - claims.issued_at == SETTINGS.token_seconds


def test_a_namespace_in_which_all_is_well_is_looked_at_again_at_half_the_tokens_life(world: World) -> None:
    provisioned(world)
    again = world.keeper.reconcile(SHOP)
    assert again is not None
    assert 0 < again <= SETTINGS.token_seconds / 2
    assert written(world) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (ACCOUNT, [EVERYTHING[0], EVERYTHING[2], EVERYTHING[3], f"PATCH {SECRET}"]),
        (BINDING, [EVERYTHING[1]]),
        (SECRET, EVERYTHING[2:]),
    ],
)
def test_what_somebody_deletes_is_made_again(world: World, path: str, expected: list[str]) -> None:
    provisioned(world)
    world.delete(path)
    world.keeper.reconcile(SHOP)
    assert written(world) == expected
    world.seen()
    assert world.keeper.planned("shop").acts == ()


def test_a_token_at_half_its_life_is_renewed_and_nothing_else_is_touched(world: World) -> None:
    provisioned(world)
    account = world.api.get(ACCOUNT)
    assert account is not None
    old = token(account["metadata"]["uid"], time.time() - 60_000, 86_400)
    edit(world, SECRET, lambda secret: secret.update(plan.secret(WANTED, old)))
    assert world.keeper.planned("shop").provisioned
    world.keeper.reconcile(SHOP)
    assert written(world) == [f"POST {ACCOUNT}/token", f"POST {CORE}/secrets", f"PATCH {SECRET}"]
    renewed = read_claims(secret_text(secret_in(world), "token"))
    assert renewed is not None
    assert renewed.issued_at > time.time() - 1000
    world.seen()
    assert world.keeper.planned("shop").acts == ()


def test_another_telemetry_key_is_written_with_the_token_that_is_there(world: World) -> None:
    provisioned(world)
    before = secret_text(secret_in(world), "token")
    edit(world, SECRET, lambda secret: secret["data"].update({"telemetry-key": "b2xk", "stale": "eA=="}))
    world.keeper.reconcile(SHOP)
    assert {key: secret_text(secret_in(world), key) for key in secret_in(world)["data"]} == {
        "telemetry-key": "key",
        "ca.crt": "CA",
        "token": before,
    }
    assert f"POST {ACCOUNT}/token" not in written(world)


def test_a_binding_to_another_role_is_replaced(world: World) -> None:
    provisioned(world)
    edit(world, BINDING, lambda binding: binding["roleRef"].update(name="admin"))
    world.keeper.reconcile(SHOP)
    assert written(world) == [f"DELETE {BINDING}", f"POST {BINDINGS}"]
    found = world.api.get(BINDING)
    assert found is not None
    assert found["roleRef"]["name"] == "release-sidecar"


def test_a_binding_of_others_is_brought_back_to_ours_alone(world: World) -> None:
    provisioned(world)
    edit(world, BINDING, lambda binding: binding["subjects"].append({"kind": "User", "name": "x"}))
    world.keeper.reconcile(SHOP)
    found = world.api.get(BINDING)
    assert found is not None
    assert [subject["name"] for subject in found["subjects"]] == ["cronitor-sidecar"]


def test_what_another_replica_has_made_meanwhile_is_brought_to_the_same_content(world: World) -> None:
    world.label("shop")

    def other_replica(request: Request) -> None:
        if str(request) == f"POST {CORE}/secrets":
            labels = {**plan.LABELS, "theirs": "kept"}
            world.api.put(SECRET, {"metadata": {"labels": labels}, "data": {"stale": "eA=="}})

    world.api.on_request = other_replica
    world.keeper.reconcile(SHOP)
    assert set(secret_in(world)["data"]) == {"telemetry-key", "ca.crt", "token"}
    assert secret_in(world)["metadata"]["ownerReferences"] == WANTED.owner_references
    assert secret_in(world)["metadata"]["labels"]["theirs"] == "kept"


@pytest.mark.parametrize("path", OBJECTS)
def test_what_somebody_else_made_under_our_name_is_not_taken_over(world: World, path: str) -> None:
    world.label("shop")
    theirs = world.put(path, {"metadata": {"labels": {"app": "theirs"}}, "data": {"password": "eA=="}})
    with pytest.raises(ForeignObjectError, match=f"{path} is there and not ours"):
        world.keeper.reconcile(SHOP)
    assert world.api.get(path) == theirs
    assert world.keeper.failing == {"shop"}
    world.seen()
    assert not world.keeper.planned("shop").provisioned


# --- who is not provisioned ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["kube-system", "kube-node-lease", "kube-public", "cronitor"])
def test_some_namespaces_never_get_anything_whatever_their_labels(world: World, namespace: str) -> None:
    world.label(namespace)
    assert world.keeper.reconcile(Key("namespace", namespace)) is None
    assert written(world) == []
    assert world.keeper.labelled() == set()


def test_a_namespace_without_the_label_gets_nothing(world: World) -> None:
    world.unlabel("shop")
    assert world.keeper.reconcile(SHOP) is None
    assert written(world) == []


def test_a_namespace_that_is_being_deleted_gets_nothing(world: World) -> None:
    world.label("shop", deletionTimestamp="2026-03-01T12:00:00Z")
    assert world.keeper.reconcile(SHOP) is None
    assert written(world) == []


def test_a_refusal_because_the_namespace_is_being_deleted_is_no_failure(world: World) -> None:
    world.label("shop")

    def being_deleted(request: Request) -> None:
        if request.method == "POST":
            world.label("shop", deletionTimestamp="2026-03-01T12:00:00Z")

    world.api.on_request = being_deleted
    world.api.fail(f"POST {CORE}/serviceaccounts", Fault(403, "Forbidden"))
    assert world.keeper.reconcile(SHOP) is None
    assert world.keeper.failing == set()


@pytest.mark.parametrize("fault", [Fault(403, "Forbidden"), Fault(500), Fault()], ids=str)
def test_a_failure_is_raised_and_remembered_until_it_has_passed(world: World, fault: Fault) -> None:
    world.label("shop")
    world.api.fail(f"POST {CORE}/secrets", fault)
    with pytest.raises(KubeError):
        world.keeper.reconcile(SHOP)
    assert world.keeper.failing == {"shop"}
    world.seen()
    world.keeper.reconcile(SHOP)
    world.seen()
    world.keeper.reconcile(SHOP)
    assert world.keeper.failing == set()
    assert world.keeper.planned("shop").provisioned


# --- clean-up --------------------------------------------------------------------------------------------------------

INJECTED = {"k8s.cronitor.io/injected": "true"}


def put_pod(world: World, phase: str, *, namespace: str = "shop", labels: dict[str, str] | None = None) -> None:
    given = pod("p", metadata={"labels": INJECTED if labels is None else labels}, status={"phase": phase})
    world.put(f"/api/v1/namespaces/{namespace}/pods/p", given)


def test_without_the_label_everything_goes(world: World) -> None:
    provisioned(world)
    world.unlabel("shop")
    world.keeper.reconcile(SHOP)
    assert set(written(world)) == {f"DELETE {path}" for path in OBJECTS}
    world.seen()
    assert world.keeper.reconcile(SHOP) is None


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown"])
def test_it_waits_for_the_last_injected_pod_to_end(world: World, phase: str) -> None:
    provisioned(world)
    put_pod(world, phase)
    world.unlabel("shop")
    assert world.keeper.reconcile(SHOP) == plan.CLEAN_UP_AGAIN_SECONDS
    assert written(world) == []
    put_pod(world, "Succeeded")
    world.keeper.reconcile(SHOP)
    assert len(written(world)) == 3


@pytest.mark.parametrize(
    "given", [{"phase": "Running", "labels": {}}, {"phase": "Running", "namespace": "lager"}, {"phase": "Failed"}]
)
def test_it_waits_for_no_other_pod(world: World, given: Json) -> None:
    provisioned(world)
    put_pod(world, **given)
    world.unlabel("shop")
    world.keeper.reconcile(SHOP)
    assert len(written(world)) == 3


def behind_the_caches(world: World, change: Callable[[], object]) -> None:
    """Let something happen of which the caches do not know yet when it is decided to delete."""

    def on_request(request: Request) -> None:
        if str(request) == f"GET {CORE}":
            change()

    world.api.on_request = on_request


def test_nothing_is_deleted_where_the_label_is_back_though_the_caches_do_not_show_it(world: World) -> None:
    provisioned(world)
    world.unlabel("shop")
    behind_the_caches(world, lambda: world.api.put(CORE, {"metadata": {"labels": LABELLED}}))
    assert world.keeper.reconcile(SHOP) == AFTER_WRITING_SECONDS
    assert written(world) == []


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown"])
def test_nothing_is_deleted_under_an_injected_pod_that_the_caches_do_not_show(world: World, phase: str) -> None:
    provisioned(world)
    world.unlabel("shop")
    given = pod("p", metadata={"labels": INJECTED}, status={"phase": phase})
    behind_the_caches(world, lambda: world.api.put(f"{CORE}/pods/p", given))
    assert world.keeper.reconcile(SHOP) == AFTER_WRITING_SECONDS
    assert written(world) == []


@pytest.mark.parametrize("fault", [Fault(500), Fault(403, "Forbidden")], ids=str)
@pytest.mark.parametrize("asked", [CORE, f"{CORE}/pods"])
def test_nothing_is_deleted_where_the_api_server_cannot_be_asked(world: World, asked: str, fault: Fault) -> None:
    provisioned(world)
    world.unlabel("shop")
    world.api.fail(lambda request: str(request) == f"GET {asked}", fault)
    with pytest.raises(KubeError):
        world.keeper.reconcile(SHOP)
    assert written(world) == []


def test_in_a_namespace_that_is_being_deleted_nothing_is_waited_for(world: World) -> None:
    provisioned(world)
    world.label("shop", deletionTimestamp="2026-03-01T12:00:00Z")
    world.keeper.reconcile(SHOP)
    assert set(written(world)) == {f"DELETE {path}" for path in OBJECTS}


@pytest.mark.parametrize("namespace", ["kube-system", "cronitor"])
def test_what_is_left_in_a_namespace_that_may_not_be_labelled_is_deleted_whatever_its_label(
    world: World, namespace: str
) -> None:
    left = f"/api/v1/namespaces/{namespace}/secrets/cronitor-sidecar"
    world.put(left, plan.secret(WANTED, "x"))
    world.label(namespace)
    world.keeper.reconcile(Key("namespace", namespace))
    assert written(world) == [f"DELETE {left}"]


def test_what_is_left_in_a_namespace_that_has_gone_is_no_reason_to_wait(world: World) -> None:
    provisioned(world)
    world.delete(CORE)
    world.keeper.reconcile(SHOP)
    assert len(written(world)) == 3


def test_what_was_made_anew_under_our_name_meanwhile_is_not_deleted(world: World) -> None:
    provisioned(world)
    world.unlabel("shop")

    def made_anew() -> None:
        world.api.delete(SECRET)
        world.api.put(SECRET, {"metadata": {"labels": {"app": "theirs"}}})

    world.api.on_request = lambda request: made_anew() if str(request) == f"DELETE {SECRET}" else None
    with pytest.raises(Conflict):
        world.keeper.reconcile(SHOP)
    assert secret_in(world)["metadata"]["labels"] == {"app": "theirs"}


def test_what_has_gone_already_is_no_failure(world: World) -> None:
    provisioned(world)
    world.unlabel("shop")
    world.api.fail(f"DELETE {SECRET}", Fault(404, "NotFound"))
    world.keeper.reconcile(SHOP)
    assert len(written(world)) == 3


def test_what_somebody_else_made_under_our_name_is_left_alone(world: World) -> None:
    theirs = {"metadata": {"labels": {"app": "theirs"}}}
    world.put(ACCOUNT, theirs)
    assert world.keeper.reconcile(SHOP) is None
    world.put(SECRET, plan.secret(WANTED, "x"))
    world.keeper.reconcile(SHOP)
    assert written(world) == [f"DELETE {SECRET}"]
    assert world.api.get(ACCOUNT) is not None


def test_a_namespace_that_gets_its_label_back_is_provisioned_again(world: World) -> None:
    provisioned(world)
    world.unlabel("shop")
    world.keeper.reconcile(SHOP)
    world.seen()
    world.label("shop")
    world.keeper.reconcile(SHOP)
    world.seen()
    assert world.keeper.planned("shop").provisioned
