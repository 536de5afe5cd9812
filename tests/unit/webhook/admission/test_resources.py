"""Requests and limits of our container: the pod keeps its class, and no LimitRange refuses it because of us."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.webhook.objects import pod
from webhook.admission.resources import quantity, resources

Json = dict[str, Any]

NORMAL: Json = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}
GUARANTEED: Json = {"cpu": "100m", "memory": "64Mi"}
SAME: Json = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}

EQUAL = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
LIMITS_ALONE = {"limits": {"cpu": "1", "memory": "1Gi"}}
SPELLED_OTHERWISE = {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
WITH_STORAGE = {"requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}, **LIMITS_ALONE}
UNEQUAL = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
REQUESTS_ALONE = {"requests": {"cpu": "1"}}
NO_CPU = {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}}
ZERO = {"requests": {"cpu": "0"}, "limits": {"cpu": "0"}}


def found(
    *containers: Json | None, init: tuple[Json | None, ...] = (), limits: tuple[Json, ...] = (), **spec: Any
) -> Any:
    def named(given: tuple[Json | None, ...]) -> list[Json]:
        return [{"name": f"c{n}", **({"resources": one} if one else {})} for n, one in enumerate(given)]

    given = pod(containers=named(containers), initContainers=named(init), **spec)
    ranges = [{"spec": {"limits": [item]}} for item in limits]
    return resources(given, NORMAL, GUARANTEED, ranges)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0), ("1", 1), (2, 2), ("0.5", Decimal("0.5")), ("100m", Decimal("0.1")), ("250u", Decimal("0.00025")),
        ("1n", Decimal("0.000000001")), ("1k", 1000), ("1M", 10**6), ("1G", 10**9), ("1Ki", 1024), ("1.5Gi", 3 * 2**29),
        ("1Ei", 2**60),
        ("1e3", 1000), ("1E3", 1000), ("1E", 10**18), ("", None), ("x", None), ("Mi", None), (None, None),
    ],
)  # fmt: skip
def test_quantities_are_kubernetes_own(text: object, expected: int | Decimal | None) -> None:
    assert quantity(text) == expected


@pytest.mark.parametrize(
    "containers", [(EQUAL,), (LIMITS_ALONE,), (SPELLED_OTHERWISE,), (WITH_STORAGE,), (EQUAL, EQUAL)]
)
def test_a_guaranteed_pod_stays_guaranteed(containers: tuple[Json, ...]) -> None:
    assert found(*containers) == SAME
    assert found(*containers, init=(EQUAL,)) == SAME


@pytest.mark.parametrize("containers", [(UNEQUAL,), (REQUESTS_ALONE,), (NO_CPU,), (EQUAL, None), (EQUAL, NO_CPU)])
def test_a_burstable_pod_gets_what_the_chart_says(containers: tuple[Json, ...]) -> None:
    given = found(*containers)
    assert given["requests"]["cpu"] == "10m"
    assert given["requests"]["memory"] == "32Mi"
    assert given["limits"]["memory"] == "128Mi"


def test_an_init_container_without_limits_makes_a_pod_burstable() -> None:
    assert found(EQUAL, init=(None,)) == NORMAL


@pytest.mark.parametrize("containers", [(None,), ({},), (ZERO,), (None, None)])
def test_a_best_effort_pod_stays_so(containers: tuple[Json | None, ...]) -> None:
    assert found(*containers) == {}


def test_a_pod_with_a_budget_of_its_own_is_not_asked_for_more() -> None:
    assert found(None, resources=EQUAL) == {}
    assert found(EQUAL, resources=EQUAL) == {}


def test_where_every_container_has_a_cpu_limit_ours_has_one() -> None:
    """A quota on `limits.cpu` refuses a pod of which any container has none."""
    assert found(UNEQUAL)["limits"]["cpu"] == "100m"
    assert "cpu" not in found(UNEQUAL, NO_CPU)["limits"]


def container_limits(**item: Any) -> Json:
    return {"type": "Container", **item}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"max": {"memory": "1Gi"}}, NORMAL),
        ({"max": {"memory": "100Mi"}}, {"requests": NORMAL["requests"], "limits": {"memory": "100Mi"}}),
        ({"max": {"memory": "32Mi"}}, {"requests": NORMAL["requests"], "limits": {"memory": "32Mi"}}),
        ({"max": {"memory": "31Mi"}}, None),
        ({"min": {"memory": "64Mi"}}, {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}),
        ({"min": {"memory": "256Mi"}}, {"requests": {"cpu": "10m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}}),
        ({"min": {"cpu": "50m"}}, {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}),
        ({"max": {"cpu": "200m"}},
         {"requests": NORMAL["requests"], "limits": {"memory": "128Mi", "cpu": "200m"}}),
        ({"max": {"cpu": "200m"}, "default": {"cpu": "50m"}},
         {"requests": NORMAL["requests"], "limits": {"memory": "128Mi", "cpu": "50m"}}),
        ({"maxLimitRequestRatio": {"memory": "2"}},
         {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}),
        ({"defaultRequest": {"memory": "1Gi"}}, NORMAL),
    ],
    ids=str,
)  # fmt: skip
def test_a_burstable_pod_fits_the_limit_range_of_its_namespace(item: Json, expected: Json | None) -> None:
    assert found(NO_CPU, init=(None,), limits=(container_limits(**item),)) == expected


@pytest.mark.parametrize(
    ("item", "cpu", "memory"),
    [
        ({"max": {"cpu": "50m"}}, "50m", "64Mi"),
        ({"min": {"cpu": "200m", "memory": "128Mi"}}, "200m", "128Mi"),
        ({"maxLimitRequestRatio": {"cpu": "1"}}, "100m", "64Mi"),
        ({"max": {"memory": "48Mi"}}, "100m", "48Mi"),
    ],
    ids=str,
)
def test_a_guaranteed_pod_fits_too_and_stays_guaranteed(item: Json, cpu: str, memory: str) -> None:
    amounts = {"cpu": cpu, "memory": memory}
    assert found(EQUAL, limits=(container_limits(**item),)) == {"requests": amounts, "limits": amounts}


def test_a_guaranteed_pod_with_too_little_room_is_left_alone() -> None:
    assert found(EQUAL, limits=(container_limits(max={"memory": "16Mi"}),)) is None


@pytest.mark.parametrize(("most", "fits"), [("2Gi", True), ("1152Mi", True), ("1151Mi", False), ("1Gi", False)])
def test_a_limit_of_the_whole_pod_must_have_room_for_ours(most: str, fits: bool) -> None:
    item = {"type": "Pod", "max": {"memory": most}}
    assert (found(NO_CPU, limits=(item,)) is not None) is fits


@pytest.mark.parametrize(
    "item", [{"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}, {"type": "Container"}, {}]
)
def test_a_limit_of_something_else_is_nothing_to_us(item: Json) -> None:
    assert found(UNEQUAL, init=(None,), limits=(item,)) == NORMAL


def test_every_limit_range_counts() -> None:
    both = (container_limits(max={"memory": "100Mi"}), container_limits(min={"memory": "64Mi"}))
    assert found(NO_CPU, init=(None,), limits=both) == {
        "requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "100Mi"},
    }  # fmt: skip
