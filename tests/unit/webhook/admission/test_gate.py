"""The breaker at admission: none gets through while it is open, a few while it is tried."""

from webhook.admission.gate import TRIAL_SECONDS, Gate
from webhook.state import Breaker, Standing


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def breakers(standing: Standing, *namespaces: str) -> dict[str, Breaker]:
    return {name: Breaker("why", 1.0, 2.0, 1.0, 1, standing) for name in namespaces or ("shop",)}


def test_without_a_breaker_and_with_a_closed_one_everybody_gets_through() -> None:
    gate = Gate()
    assert all(gate.lets_through("shop", {}) for _ in range(5))
    assert all(gate.lets_through("shop", breakers(Standing.CLOSED)) for _ in range(5))


def test_an_open_one_holds_for_its_own_namespace_alone() -> None:
    gate = Gate()
    assert not gate.lets_through("shop", breakers(Standing.OPEN))
    assert gate.lets_through("lager", breakers(Standing.OPEN))


def test_while_it_is_tried_one_pod_gets_through_at_a_time() -> None:
    clock = Clock()
    gate = Gate(clock)
    tried = breakers(Standing.TRYING, "shop", "lager")
    assert [gate.lets_through("shop", tried) for _ in range(3)] == [True, False, False]
    assert gate.lets_through("lager", tried)
    clock.now += TRIAL_SECONDS - 0.1
    assert not gate.lets_through("shop", tried)
    clock.now += 0.2
    assert [gate.lets_through("shop", tried) for _ in range(3)] == [True, False, False]
