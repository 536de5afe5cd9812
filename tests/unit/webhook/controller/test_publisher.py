"""The ConfigMap that admission reads: always of all namespaces, and never flickering while something is repaired."""

from typing import Any

import pytest

from tests.unit.webhook.api_store import Fault, Request
from tests.unit.webhook.controller.conftest import WANTED, World
from webhook import state
from webhook.controller.objects import ForeignObjectError
from webhook.controller.plan import LABELS
from webhook.controller.publisher import REPAIR_SECONDS
from webhook.controller.queue import Key
from webhook.errors import KubeError
from webhook.state import Breaker, SharedState

STATE = Key("state")
CONFIG_MAPS = "/api/v1/namespaces/cronitor/configmaps"
CONFIG_MAP = f"{CONFIG_MAPS}/release-state"


def secret_of(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/cronitor-sidecar"


def provision(world: World, *namespaces: str) -> None:
    for namespace in namespaces:
        world.label(namespace)
        world.keeper.reconcile(Key("namespace", namespace))
    world.seen()
    world.api.requests.clear()


def published(world: World) -> set[str]:
    return set(state.read(world.api.get(CONFIG_MAP)).provisioned)


def publish(world: World) -> float | None:
    again = world.publisher.reconcile(STATE)
    world.seen()
    return again


def writes(world: World) -> list[str]:
    return [one for one in world.api.asked("configmaps") if not one.startswith(("GET", "WATCH"))]


def test_it_is_made_with_what_is_provisioned_and_goes_with_the_release(world: World) -> None:
    provision(world, "shop", "lager")
    world.label("new")
    assert publish(world) is None
    assert published(world) == {"shop", "lager"}
    made = world.api.get(CONFIG_MAP)
    assert made is not None
    assert made["metadata"]["ownerReferences"] == WANTED.owner_references


def test_with_no_namespace_it_says_that_there_is_none(world: World) -> None:
    publish(world)
    assert world.api.get(CONFIG_MAP) is not None
    assert published(world) == set()


def test_nothing_new_is_not_written(world: World) -> None:
    provision(world, "shop")
    publish(world)
    world.api.requests.clear()
    publish(world)
    assert writes(world) == []


def test_a_namespace_more_and_one_less_are_told(world: World) -> None:
    provision(world, "shop")
    publish(world)
    provision(world, "lager")
    publish(world)
    assert published(world) == {"shop", "lager"}
    world.unlabel("shop")
    assert publish(world) is None
    assert published(world) == {"lager"}
    assert [one for one in writes(world) if one.startswith("PATCH")] == [f"PATCH {CONFIG_MAP}"] * 2


@pytest.mark.parametrize("content", [{}, {state.KEY: "{"}, {state.KEY: '{"provisioned":["shop","gone"]}'}])
def test_what_somebody_writes_into_it_is_put_right(world: World, content: dict[str, str]) -> None:
    provision(world, "shop")
    world.put(CONFIG_MAP, {"metadata": {"labels": LABELS}, "data": content})
    publish(world)
    assert published(world) == {"shop"}


def test_it_is_made_again_when_somebody_deletes_it(world: World) -> None:
    provision(world, "shop")
    publish(world)
    world.delete(CONFIG_MAP)
    publish(world)
    assert published(world) == {"shop"}


def test_what_another_replica_made_meanwhile_is_put_right(world: World) -> None:
    provision(world, "shop")

    def other_replica(request: Request) -> None:
        if str(request) == f"POST {CONFIG_MAPS}":
            data = state.write(SharedState(frozenset({"old"})))
            world.api.put(CONFIG_MAP, {"metadata": {"labels": LABELS}, "data": data})

    world.api.on_request = other_replica
    publish(world)
    assert published(world) == {"shop"}


def test_a_namespace_stays_published_while_something_in_it_is_repaired(world: World) -> None:
    provision(world, "shop")
    publish(world)
    world.delete(secret_of("shop"))
    assert publish(world) == REPAIR_SECONDS
    assert published(world) == {"shop"}
    world.keeper.reconcile(Key("namespace", "shop"))
    world.seen()
    assert publish(world) is None
    assert published(world) == {"shop"}


def test_a_namespace_whose_repair_fails_is_not_published(world: World) -> None:
    provision(world, "shop", "lager")
    publish(world)
    world.delete(secret_of("shop"))
    assert publish(world) == REPAIR_SECONDS, "or nobody would look again: a failure changes nothing that is watched"
    world.api.fail("POST /api/v1/namespaces/shop/secrets", Fault(403, "Forbidden"))
    with pytest.raises(KubeError):
        world.keeper.reconcile(Key("namespace", "shop"))
    assert publish(world) is None
    assert published(world) == {"lager"}


def test_a_config_map_that_is_not_ours_is_left_alone(world: World) -> None:
    provision(world, "shop")
    theirs = world.put(CONFIG_MAP, {"data": {"theirs": "x"}})
    with pytest.raises(ForeignObjectError, match="not ours"):
        world.publisher.reconcile(STATE)
    assert world.api.get(CONFIG_MAP) == theirs


def test_a_new_leader_publishes_nothing_that_was_never_ready(world: World) -> None:
    world.label("shop")
    publish(world)
    assert published(world) == set()


@pytest.mark.parametrize("fault", [Fault(500), Fault(403, "Forbidden"), Fault()], ids=str)
def test_a_failure_is_raised(world: World, fault: Any) -> None:
    world.api.fail("POST", fault)
    with pytest.raises(KubeError):
        world.publisher.reconcile(STATE)


def test_breakers_are_published_with_it_and_what_stands_there_is_not_written_again(world: World) -> None:
    provision(world, "shop")
    world.breakers["shop"] = Breaker("ErrImagePull", 1.0, 601.0, 1.0)
    publish(world)
    publish(world)
    assert state.read(world.api.get(CONFIG_MAP)) == SharedState(frozenset({"shop"}), world.breakers)
    assert len(writes(world)) == 1
    world.breakers.clear()
    publish(world)
    assert state.read(world.api.get(CONFIG_MAP)).breakers == {}


def annotated(world: World, namespace: str, **annotations: str) -> None:
    given = {f"k8s.cronitor.io/{key.replace('_', '-')}": text for key, text in annotations.items()}
    world.label(namespace, annotations={**given, "somebody.example/env": "theirs"})


def annotations(world: World) -> Any:
    return state.read(world.api.get(CONFIG_MAP)).annotations


def test_what_is_written_on_namespaces_is_published_as_far_as_admission_needs_it(world: World) -> None:
    provision(world, "lager")
    annotated(world, "shop", include="true", env="prod", inject="false", id_inference="name", tags="a", note="b")
    publish(world)
    needed = {"include": "true", "env": "prod", "inject": "false", "id-inference": "name"}
    assert annotations(world) == {"shop": {f"k8s.cronitor.io/{key}": text for key, text in needed.items()}}
    assert published(world) == {"lager"}, "it is there before the first pod can be injected"


def test_what_changes_on_a_namespace_is_told_and_nothing_else(world: World) -> None:
    annotated(world, "shop", env="prod", tags="a")
    publish(world)
    world.api.requests.clear()
    annotated(world, "shop", env="prod", tags="b")
    publish(world)
    assert writes(world) == []
    annotated(world, "shop", env="x" * 300, include="true")
    publish(world)
    assert annotations(world) == {"shop": {"k8s.cronitor.io/include": "true"}}, "longer than the ConfigMap has room for"
    world.unlabel("shop")
    publish(world)
    assert annotations(world) == {}
