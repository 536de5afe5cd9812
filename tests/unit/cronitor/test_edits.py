"""What a person does with a monitor in Cronitor itself, and the page it is done on."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
import requests

from tests.cronitor.app import PAGE
from tests.cronitor.client import Client
from tests.cronitor.monitors import UnknownMonitorError
from tests.cronitor.stand_in import StandIn
from tests.unit.cronitor.conftest import BACKUP, SDK_KEY, Call, Tell

EDIT = {
    "name": "<b>mine</b>", "grace_seconds": 5, "note": "mine", "notify": ["ops"], "tags": ["mine"], "paused": True,
}  # fmt: skip


@pytest.mark.parametrize("where", ["here", "there"])
def test_an_edit_stands_until_a_put_names_the_attribute(
    cronitor: StandIn, client: Client, call: Call, where: str
) -> None:
    edited = cronitor if where == "here" else client
    call("PUT", json=[BACKUP | {"tags": ["kubernetes"], "group": "ops"}])
    assert edited.edit_monitor("backup", **EDIT).items() >= EDIT.items()
    call("PUT", json=[BACKUP | {"group": None}])
    monitor = edited.monitor("backup")
    assert monitor is not None
    assert monitor.items() >= (EDIT | {"name": "shop/backup", "group": None}).items()
    call("PUT", json=[BACKUP | {"note": None, "paused": False}])
    monitor = edited.monitor("backup")
    assert monitor is not None
    assert (monitor["note"], monitor["paused"], monitor["grace_seconds"]) == (None, False, 5)
    assert len(cronitor.requests()) == 3


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": ""}, "name must be a text of at most 100"),
        ({"grace_seconds": -1}, "grace_seconds must be a number of seconds"),
        ({"grace_seconds": 1.5}, "grace_seconds must be a number of seconds"),
        ({"notify": "ops"}, "notify must be a list"),
        ({"tags": ["t" * 101]}, "tags must be a list"),
        ({"paused": None}, "paused must be true or false"),
        ({"key": "other"}, "key: cannot be edited"),
        ({"type": "check"}, "type: cannot be edited"),
        ({"colour": "green"}, "colour: cannot be edited"),
        ({"group": "dev"}, "backup: group 'dev' does not exist"),
        ({"note": "a secret"}, "no secrets"),
    ],
)
def test_a_bad_edit_changes_nothing(
    cronitor: StandIn, client: Client, call: Call, where: str, change: dict[str, Any], problem: str
) -> None:
    call("PUT", json=[BACKUP])
    cronitor.behave(groups=["ops"])
    cronitor.rule("note", "secret", "no secrets")
    with pytest.raises(ValueError, match=problem):
        (cronitor if where == "here" else client).edit_monitor("backup", **{"note": "mine", **change})
    assert cronitor.monitors()[0].get("note") is None


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_monitor_that_there_is_not(cronitor: StandIn, client: Client, where: str) -> None:
    asked = cronitor if where == "here" else client
    assert asked.monitor("backup") is None
    with pytest.raises(UnknownMonitorError, match="no monitor 'backup'"):
        asked.edit_monitor("backup", note="mine")
    with pytest.raises(UnknownMonitorError, match="no monitor 'backup'"):
        asked.delete_monitor("backup")


@pytest.mark.parametrize("key", ["backup", "shop/backup", "a b?c#d", "50%2F", "ключ"])
def test_a_key_may_hold_anything(client: Client, call: Call, key: str) -> None:
    call("PUT", json=[BACKUP | {"key": key}])
    assert client.edit_monitor(key, note="mine")["key"] == key
    client.delete_monitor(key)
    assert client.monitors() == []


def test_followers_hear_of_an_edit(cronitor: StandIn, http: requests.Session, tell: Tell) -> None:
    tell("run")
    with http.get(f"{cronitor.control_url}/_control/stream?after=1", stream=True, timeout=30) as stream:
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        next(lines)
        cronitor.edit_monitor("backup", paused=True)
        assert next(line for line in lines if line.startswith("event")) == "event: edit"
        cronitor.delete_monitor("backup")
        assert next(line for line in lines if line.startswith("event")) == "event: edit"
        tell("complete")
        assert next(line for line in lines if line.startswith("event")) == "event: request"


def test_a_key_in_an_edit_is_shown_nowhere(cronitor: StandIn, http: requests.Session, tell: Tell) -> None:
    tell("run")
    http.patch(f"{cronitor.control_url}/_control/monitors/backup", json={"note": f"key {SDK_KEY}"}, timeout=10)
    assert cronitor.monitors()[0]["note"] == "key ***"


@pytest.mark.parametrize("body", ["{", "[]"])
def test_an_edit_that_is_no_object_is_refused(cronitor: StandIn, http: requests.Session, tell: Tell, body: str) -> None:
    tell("run")
    url = f"{cronitor.control_url}/_control/monitors/backup"
    assert http.patch(url, data=body, timeout=10).status_code == 400


def test_the_page_needs_nothing_from_outside(cronitor: StandIn, http: requests.Session) -> None:
    kinds = {"html": "text/html", "css": "text/css", "js": "javascript"}
    for file in PAGE.iterdir():
        path = "/" if file.name == "index.html" else f"/page/{file.name}"
        answer = http.get(cronitor.url + path, timeout=10)
        assert answer.status_code == 200
        assert kinds[file.suffix[1:]] in answer.headers["Content-Type"]
        assert "//" not in answer.text.replace("// ", "")


def test_the_page_makes_no_html_of_texts() -> None:
    for file in PAGE.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|DOMParser|\beval\b", file.read_text())


class Labels(HTMLParser):
    """The fields of the page, and those with a label around them or in words."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[str] = []
        self.labelled: list[str] = []
        self._within = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._within = self._within or tag == "label"
        if tag in ("input", "textarea"):
            name = given.get("name") or given.get("id") or ""
            self.fields.append(name)
            self.labelled += [name] if self._within or "aria-label" in given else []

    def handle_endtag(self, tag: str) -> None:
        self._within = self._within and tag != "label"


def test_each_field_of_the_page_has_a_label() -> None:
    page = Labels()
    page.feed((PAGE / "index.html").read_text())
    assert page.fields == ["find", "name", "grace_seconds", "notify", "tags", "note", "paused"]
    assert page.labelled == page.fields
