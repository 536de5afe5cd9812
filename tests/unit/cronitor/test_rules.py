"""What an account refuses by rule, and what it does not have."""

from dataclasses import replace
from typing import Any

import pytest

from tests.cronitor.client import Client
from tests.cronitor.rules import Rule
from tests.cronitor.stand_in import StandIn
from tests.unit.cronitor.conftest import BACKUP, KEYS, Call

TAKEN = Rule("name", "^bad/", "Name {value} of {key} is taken")


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("error", '{"error": "Name bad/1 of one is taken; Name bad/2 of two is taken"}'),
        (
            "errors",
            '{"errors": [{"message": "Name bad/1 of one is taken"}, {"message": "Name bad/2 of two is taken"}]}',
        ),
        ("text", "Name bad/1 of one is taken; Name bad/2 of two is taken"),
    ],
)
@pytest.mark.parametrize("where", ["here", "there"])
def test_one_monitor_refuses_its_whole_batch(
    cronitor: StandIn, client: Client, call: Call, where: str, form: str, body: str
) -> None:
    (cronitor if where == "here" else client).rule(TAKEN.attribute, TAKEN.matches, TAKEN.message, form)
    bad = [BACKUP | {"key": "one", "name": "bad/1"}, BACKUP | {"key": "two", "name": "bad/2"}]
    answer = call("PUT", json=[BACKUP, *bad])
    assert (answer.status_code, answer.text) == (400, body)
    assert cronitor.monitors() == []
    assert call("PUT", json=[BACKUP]).status_code == 200
    cronitor.assert_clean()


@pytest.mark.parametrize(
    ("rule", "attributes", "refused"),
    [
        (Rule("tags", "^x", "no"), {"tags": ["a", "xy"]}, True),
        (Rule("tags", "^x", "no"), {"tags": ["a", "yx"]}, False),
        (Rule("tags", "^x", "no"), {"tags": []}, False),
        (Rule("grace_seconds", "^0$", "no"), {"grace_seconds": 0}, True),
        (Rule("paused", "true", "no"), {"paused": True}, True),
        (Rule("note", "", "no"), {"note": None}, False),
        (Rule("note", "", "no"), {}, False),
        (Rule("note", "", "no"), {"note": ""}, True),
    ],
)
def test_what_a_rule_looks_at(
    cronitor: StandIn, call: Call, rule: Rule, attributes: dict[str, Any], refused: bool
) -> None:
    cronitor.rule(rule)
    assert call("PUT", json=[BACKUP | attributes]).status_code == (400 if refused else 200)


def test_the_documented_form_counts_beside_the_rules(cronitor: StandIn, call: Call) -> None:
    cronitor.rule("name", "shop", "no shops", "text")
    answer = call("PUT", json=[BACKUP | {"timezone": "Europe/Atlantis"}])
    assert answer.text == "monitors[0] (backup): timezone must be an IANA time zone; no shops"


def test_rules_are_replaced_and_end(client: Client, call: Call) -> None:
    client.rule("name", "shop", "first")
    client.rules([Rule("key", "backup", "second")])
    assert call("PUT", json=[BACKUP]).json() == {"errors": [{"message": "second"}]}
    client.clear_rules()
    assert call("PUT", json=[BACKUP]).status_code == 200


def test_a_reset_leaves_the_rules_that_it_began_with() -> None:
    with StandIn(keys=KEYS, rules=[TAKEN]) as cronitor:
        cronitor.rule("key", "backup", "no")
        cronitor.reset()
        assert list(cronitor.account.rules) == [TAKEN]
        cronitor.clear_rules()
        assert not cronitor.account.rules


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"attribute": "name", "matches": "(", "message": "no"}, "is no regular expression"),
        ({"attribute": "name", "matches": "a", "message": "no", "form": "html"}, "form is one of"),
        ({"attribute": "name", "matches": "a", "message": "no", "status": "400"}, "has no status"),
        ({"attribute": "name"}, "needs matches, message"),
        ({"attribute": "", "matches": "a", "message": "no"}, "needs an attribute"),
        ({"attribute": "name", "matches": 1, "message": "no"}, "object of texts"),
    ],
)
def test_a_mistyped_rule_is_not_silently_none(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Rule.from_json(rule)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"notify": ["ops"]}, ""),
        ({"notify": ["default"]}, ""),
        ({"notify": []}, ""),
        ({"notify": ["ops", "oops"]}, "backup: notification list 'oops' does not exist"),
        ({"notify": ["ops\n"]}, "backup: notification list 'ops\n' does not exist"),
        ({"group": "shop.eu"}, ""),
        ({"group": None}, ""),
        ({"group": "shop-eu"}, "backup: group 'shop-eu' does not exist"),
    ],
)
def test_lists_and_groups_that_there_are_not(
    client: Client, call: Call, attributes: dict[str, Any], message: str
) -> None:
    client.behave(notify=["ops"], groups=["shop.eu"])
    answer = call("PUT", json=[BACKUP | attributes])
    assert answer.status_code == (400 if message else 200)
    assert not message or answer.json() == {"errors": [{"message": message}]}


def test_an_account_without_groups_refuses_each(cronitor: StandIn, call: Call) -> None:
    cronitor.behave(groups=[])
    assert call("PUT", json=[BACKUP | {"group": "ops"}]).status_code == 400
    cronitor.account.behaviour = replace(cronitor.account.behaviour, groups=None)
    assert call("PUT", json=[BACKUP | {"group": "ops"}]).status_code == 200


def test_a_tag_that_is_not_created_is_left_out_of_the_answer(client: Client, call: Call) -> None:
    client.behave(tags=["kubernetes"])
    answer = call("PUT", json=[BACKUP | {"tags": ["new", "kubernetes"]}])
    assert (answer.status_code, answer.json()["monitors"][0]["tags"]) == (200, ["kubernetes"])
    client.behave(tags=None)
    assert call("PUT", json=[BACKUP | {"tags": ["new"]}]).json()["monitors"][0]["tags"] == ["new"]
