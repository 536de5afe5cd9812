"""While it is not known of some CronJob what it wants, no monitor is removed, and all others are put."""

import logging
from typing import cast

import pytest

from tests.unit.webhook.controller.monitor_scene import RESETS, Scene, wanted
from webhook.controller.monitor_index import MonitorIndex
from webhook.controller.monitor_plan import REMOVAL_PATIENCE_SECONDS, OnRemove, Policy, Wanted
from webhook.controller.removals import Removals

POLICY = Policy(OnRemove.DELETE, RESETS)


class Index:
    """What the test says is wanted, and cannot be read; `looked` is in which order it was asked."""

    def __init__(self) -> None:
        self.monitors: list[Wanted] = []
        self.unreadable: list[tuple[str, str]] = []
        self.looked: list[str] = []

    def wanted(self) -> list[Wanted]:
        self.looked.append("wanted")
        return self.monitors

    def unread(self) -> list[tuple[str, str]]:
        self.looked.append("unread")
        return list(self.unreadable)


class Held:
    """Monitors that are kept from an index through `Removals`."""

    def __init__(self) -> None:
        self.index = Index()
        self.removals = Removals(cast(MonitorIndex, self.index), POLICY)
        self.scene = Scene(POLICY)

    def reconcile(self) -> float | None:
        found = self.removals.wanted()
        self.scene.policy = self.removals.policy()
        return self.scene.reconcile(*found)

    def pass_time(self) -> float | None:
        self.scene.now += REMOVAL_PATIENCE_SECONDS
        return self.reconcile()


@pytest.fixture
def held() -> Held:
    found = Held()
    found.index.monitors = [wanted("a"), wanted("b")]
    found.reconcile()
    return found


def test_without_such_a_one_they_are_as_the_policy_says(held: Held) -> None:
    assert (held.removals.policy().patience_seconds, held.removals.policy().on_remove) == (
        REMOVAL_PATIENCE_SECONDS,
        OnRemove.DELETE,
    )
    assert held.removals.policy().resets == RESETS
    held.index.monitors = [wanted("b")]
    held.reconcile()
    held.pass_time()
    assert list(held.scene.cronitor.monitors) == ["b"]


def test_with_one_nothing_is_removed_and_what_is_wanted_is_put(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    held.index.monitors, held.index.unreadable = [wanted("b"), wanted("c")], [("shop", "a")]
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            held.reconcile()
            held.pass_time()
    assert sorted(held.scene.cronitor.monitors) == ["a", "b", "c"]
    assert held.removals.detail() == "no monitor is removed while these CronJobs cannot be read: shop/a"
    assert caplog.messages.count("removals_held") == 1


def test_once_it_is_read_what_it_wants_stays_and_the_rest_is_removed(held: Held) -> None:
    held.index.monitors, held.index.unreadable = [], [("shop", "a")]
    held.reconcile()
    held.pass_time()
    held.index.monitors, held.index.unreadable = [wanted("a")], []
    held.reconcile()
    assert (list(held.scene.cronitor.monitors), held.removals.detail()) == (["a"], "")


def test_one_that_is_read_between_the_two_looks_is_not_taken_for_missing(held: Held) -> None:
    held.index.looked.clear()
    held.removals.wanted()
    assert held.index.looked == ["unread", "wanted"]


def test_of_very_many_some_are_named(held: Held) -> None:
    held.index.unreadable = [("shop", f"job-{number:03}") for number in range(300)]
    held.removals.wanted()
    assert held.removals.detail().endswith("shop/job-009 and 290 more")
