"""What the controller publishes reads back; whatever else stands in the ConfigMap means: inject nothing."""

from typing import Any

import pytest

from webhook.state import KEY, Breaker, SharedState, Standing, read, write


@pytest.mark.parametrize("names", [set(), {"shop"}, {"shop", "lager", "ü"}])
def test_what_is_written_reads_back(names: set[str]) -> None:
    assert read({"data": write(SharedState(frozenset(names)))}) == SharedState(frozenset(names))


def test_the_same_state_is_the_same_text_whatever_its_order() -> None:
    names = [f"n{number}" for number in range(50)]
    assert write(SharedState(frozenset(names))) == write(SharedState(frozenset(reversed(names))))


OPEN = Breaker("ErrImagePull: no such host", 100.25, 700.25, 100.25, times=3)
CLOSED = Breaker("pod refused", 100.0, 700.0, 800.5, standing=Standing.CLOSED)


def test_breakers_read_back() -> None:
    state = SharedState(frozenset({"shop"}), {"shop": OPEN, "lager": CLOSED})
    assert read({"data": write(state)}) == state


def test_a_document_of_an_earlier_version_has_no_breakers() -> None:
    assert read({"data": {KEY: '{"provisioned":["shop"]}'}}) == SharedState(frozenset({"shop"}))


@pytest.mark.parametrize(
    "broken", ['"x"', "7", "null", "{}", '{"standing":"ajar","reason":"","since":1,"until":2,"changed":1,"times":1}']
)
def test_a_breaker_that_cannot_be_read_keeps_nothing_else_from_being_read(broken: str) -> None:
    text = write(SharedState(frozenset({"shop"}), {"shop": OPEN}))[KEY]
    assert read({"data": {KEY: text.replace('"breakers":{', f'"breakers":{{"lager":{broken},')}}) == SharedState(
        frozenset({"shop"}), {"shop": OPEN}
    )


@pytest.mark.parametrize("broken", ["null", "7", "[]", '"x"'])
def test_breakers_that_cannot_be_read_are_none(broken: str) -> None:
    document = {KEY: f'{{"provisioned":["shop"],"breakers":{broken}}}'}
    assert read({"data": document}) == SharedState(frozenset({"shop"}))


ON_NAMESPACES = {"shop": {"k8s.cronitor.io/env": "prod “ü”\n", "k8s.cronitor.io/include": "true"}, "lager": {}}


def test_annotations_of_namespaces_read_back() -> None:
    state = SharedState(frozenset({"shop"}), {"shop": OPEN}, ON_NAMESPACES)
    assert read({"data": write(state)}) == state
    assert "annotations" not in write(SharedState(frozenset({"shop"})))[KEY]


def test_annotations_are_the_same_text_whatever_their_order() -> None:
    turned = {name: dict(reversed(found.items())) for name, found in reversed(ON_NAMESPACES.items())}
    assert write(SharedState(annotations=turned)) == write(SharedState(annotations=ON_NAMESPACES))


@pytest.mark.parametrize("broken", ["null", "7", "[]", '"x"'])
def test_annotations_that_cannot_be_read_are_none(broken: str) -> None:
    for document in (broken, f'{{"shop":{broken}}}'):
        text = f'{{"provisioned":["shop"],"annotations":{document}}}'
        assert read({"data": {KEY: text}}) == SharedState(frozenset({"shop"}))


def test_what_cannot_be_read_of_one_namespace_keeps_nothing_else_from_being_read() -> None:
    text = '{"provisioned":["shop"],"annotations":{"lager":7,"shop":{"k8s.cronitor.io/env":5}}}'
    assert read({"data": {KEY: text}}).annotations == {"shop": {"k8s.cronitor.io/env": "5"}}


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
