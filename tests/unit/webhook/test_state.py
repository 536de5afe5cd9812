"""What the controller publishes reads back; whatever else stands in the ConfigMap means: inject nothing."""

from typing import Any

import pytest

from webhook.state import KEY, SharedState, read, write


@pytest.mark.parametrize("names", [set(), {"shop"}, {"shop", "lager", "ü"}])
def test_what_is_written_reads_back(names: set[str]) -> None:
    assert read({"data": write(SharedState(frozenset(names)))}) == SharedState(frozenset(names))


def test_the_same_state_is_the_same_text_whatever_its_order() -> None:
    names = [f"n{number}" for number in range(50)]
    assert write(SharedState(frozenset(names))) == write(SharedState(frozenset(reversed(names))))


@pytest.mark.parametrize(
    "config_map",
    [
        None,
        {},
        {"data": None},
        {"data": {}},
        {"data": {KEY: ""}},
        {"data": {KEY: "{"}},
        {"data": {KEY: "[]"}},
        {"data": {KEY: "{}"}},
        {"data": {KEY: '{"provisioned":null}'}},
        {"data": {KEY: '{"provisioned":7}'}},
        {"data": {KEY: "[" * 100_000}},
        {"data": []},
    ],
    ids=lambda config_map: str(config_map)[:40],
)
def test_a_state_that_cannot_be_read_provisions_nobody(config_map: dict[str, Any] | None) -> None:
    assert read(config_map) == SharedState()
