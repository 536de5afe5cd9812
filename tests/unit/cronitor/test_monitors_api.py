"""The monitors API over real HTTP."""

from dataclasses import replace

import pytest
import requests

from tests.cronitor.stand_in import StandIn
from tests.unit.cronitor.conftest import BACKUP, SDK_KEY, TELEMETRY_KEY, Call


@pytest.mark.parametrize("body", [{"monitors": [BACKUP]}, [BACKUP]])
def test_both_body_forms_are_taken(cronitor: StandIn, call: Call, body: object) -> None:
    answer = call("PUT", json=body)
    assert answer.status_code == 200
    assert answer.json()["monitors"][0].items() >= BACKUP.items()
    cronitor.assert_clean()


def test_the_answer_may_be_a_bare_array_with_201(cronitor: StandIn, call: Call) -> None:
    cronitor.account.behaviour = replace(cronitor.account.behaviour, answer_form="array", put_status=201)
    answer = call("PUT", json=[BACKUP])
    assert (answer.status_code, answer.json()[0]["key"]) == (201, "backup")


def test_attributes_left_out_keep_their_value(call: Call) -> None:
    call("PUT", json=[BACKUP | {"grace_seconds": 0, "tags": ["kubernetes"]}])
    call("PUT", json=[{"type": "job", "key": "backup", "timezone": None}])
    monitor = call("GET", "/backup").json()
    assert (monitor["name"], monitor["grace_seconds"], monitor["tags"]) == ("shop/backup", 0, ["kubernetes"])
    assert monitor["timezone"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": None}, "type must be one of job"),
        ({"name": "n" * 101}, "name must be a text of at most 100 characters"),
        ({"schedule": "every now and then"}, "schedule must be a cron expression"),
        ({"schedule": "* * * *"}, "schedule must be a cron expression"),
        ({"timezone": "Europe/Atlantis"}, "timezone must be an IANA time zone"),
        ({"grace_seconds": "60"}, "grace_seconds must be a number"),
        ({"failure_tolerance": -1}, "failure_tolerance must be a number"),
        ({"assertions": ["duration 5"]}, "assertions must be a list such as"),
        ({"notify": "default"}, "notify must be a list"),
        ({"tags": ["t" * 101]}, "tags must be a list of texts of at most 100 characters"),
        ({"metadata": {"a": "b"}}, "metadata must be a text"),
        ({"paused": "true"}, "paused must be true or false"),
    ],
)
def test_a_bad_attribute_refuses_the_whole_batch(call: Call, change: dict[str, object], message: str) -> None:
    answer = call("PUT", json=[BACKUP, BACKUP | {"key": "bad"} | change])
    assert answer.status_code == 400
    assert message in answer.json()["errors"][0]["message"]
    assert call("GET").json() == {"monitors": []}


def test_type_and_key_are_required(call: Call) -> None:
    errors = call("PUT", json=[{"name": "nameless"}]).json()["errors"]
    assert [error["message"].rpartition(": ")[2] for error in errors] == ["type is required", "key is required"]


def test_each_form_of_error_body_is_met(cronitor: StandIn, call: Call) -> None:
    assert call("PUT", data="{").text == "The body is not JSON"
    assert "error" in call("PUT", json={"monitor": []}).json()
    for form in ("error", "errors", "text"):
        cronitor.fault("status", status=400, error_form=form, times=1)
    bodies = [call("PUT", json=[BACKUP]).text for _ in range(3)]
    assert bodies == ['{"error": "injected"}', '{"errors": [{"message": "injected"}]}', "injected"]


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        ((SDK_KEY, ""), 200),
        ((TELEMETRY_KEY, ""), 403),
        (("somebody-elses-key", ""), 401),
        (("", ""), 401),
        (None, 401),
    ],
)
def test_only_a_key_with_every_scope_is_let_in(call: Call, auth: tuple[str, str] | None, status: int) -> None:
    assert call("PUT", json=[BACKUP], auth=auth).status_code == status
    assert call("GET", auth=auth).status_code == status


def test_an_account_with_a_telemetry_key_alone_has_monitors_without_schedules(http: requests.Session) -> None:
    with StandIn(keys={TELEMETRY_KEY: "telemetry"}) as cronitor:
        url = f"{cronitor.url}/api/monitors"
        assert http.put(url, json=[BACKUP], auth=(TELEMETRY_KEY, ""), timeout=10).status_code == 403
        assert http.put(url, json=[BACKUP], auth=(SDK_KEY, ""), timeout=10).status_code == 401
        assert cronitor.monitors() == []
        event = {"state": "run", "series": "one"}
        assert http.get(f"{cronitor.url}/p/{TELEMETRY_KEY}/backup", params=event, timeout=10).status_code == 200
        [monitor] = cronitor.monitors()
    assert (monitor["key"], monitor["name"], monitor["schedule"]) == ("backup", "backup", None)
    assert not monitor["initialized"]


def test_a_malformed_authorization_is_refused(call: Call) -> None:
    for header in ("Bearer abc", "Basic !", "Basic", "Basic /w=="):
        assert call("GET", auth=None, headers={"Authorization": header}).status_code == 401


def test_lists_are_paged_and_narrowed_by_tag(call: Call) -> None:
    tags = {"a": ["x"], "b": ["x", "y"], "c": []}
    call("PUT", json=[{"type": "job", "key": key, "tags": given} for key, given in tags.items()])

    def keys(query: str) -> list[str]:
        return [one["key"] for one in call("GET", query).json()["monitors"]]

    assert keys("") == ["a", "b", "c"]
    assert keys("?tag=x") == ["a", "b"]
    assert keys("?pageSize=2") == ["a", "b"]
    assert keys("?pageSize=2&page=2") == ["c"]
    assert call("GET", "?page=none").status_code == 400


def test_monitors_are_deleted_once(call: Call) -> None:
    call("PUT", json=[BACKUP])
    assert call("DELETE", "/backup").status_code == 204
    assert call("DELETE", "/backup").status_code == 404
    assert call("GET", "/backup").status_code == 404


def test_monitors_are_paused_and_resumed(call: Call) -> None:
    call("PUT", json=[BACKUP])
    assert call("GET", "/backup/pause").json()["paused"] is True
    assert call("GET", "/backup/pause/0").json()["paused"] is False
    assert call("GET", "/backup/pause/4").json()["paused"] is True
    assert call("PUT", json=[BACKUP | {"paused": False}]).json()["monitors"][0]["paused"] is False
    assert call("GET", "/restore/pause").status_code == 404


def test_the_newer_api_version_adds_schedules(call: Call) -> None:
    call("PUT", json=[BACKUP])
    assert "schedules" not in call("GET", "/backup", headers={"Cronitor-Version": "2020-10-27"}).json()
    newer = call("GET", "/backup", headers={"Cronitor-Version": "2025-11-28"}).json()
    assert newer["schedules"] == ["*/5 * * * *"]


def test_what_is_let_pass_but_should_not_be_sent(cronitor: StandIn, call: Call) -> None:
    assert call("PUT", json=[BACKUP | {"colour": "green"}, BACKUP]).status_code == 200
    call("PUT", json=[{"type": "job", "key": str(number)} for number in range(101)])
    call("GET", auth=(SDK_KEY, "password"))
    call("POST", json=BACKUP)
    assert [found.kind for found in cronitor.violations()] == [
        "unknown-attribute",
        "repeated-monitor",
        "batch-too-large",
        "password-given",
        "unknown-method",
    ]
