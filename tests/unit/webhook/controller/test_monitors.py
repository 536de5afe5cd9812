"""The monitor that a CronJob wants: what keeps the monitors of the agent's users, levels, and any text at all."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cronitor.monitors import Monitors
from tests.cronitor.validation import ATTRIBUTES, NULLABLE
from tests.unit.webhook.objects import CRON_JOB_UID, cron_job
from webhook.annotation_table import OURS, Annotation
from webhook.annotations import PREFIX, TABLE, KeyInference, Options, Scope, layered, read
from webhook.controller.monitors import RESETS, Desired, MonitorDefaults, desired, resets

Json = dict[str, Any]

ABSENT = object()
ALWAYS = ["kubernetes", "kubernetes-namespace:shop"]


def monitor_of(
    annotations: Mapping[str, str] | None = None,
    spec: Json | None = None,
    *,
    chart: Options | None = None,
    namespace: Mapping[str, str] | None = None,
    defaults: MonitorDefaults | None = None,
    written: Mapping[str, str] | None = None,
) -> Desired:
    """What a CronJob `shop/backup` with these annotations (keys without prefix; `written`: with it) wants."""
    found = cron_job(**(annotations or {}))
    found["metadata"]["annotations"] |= written or {}
    found["spec"] |= spec or {}
    on_namespace = read({PREFIX + key: text for key, text in (namespace or {}).items()}, Scope.NAMESPACE)
    options = layered(chart or Options(), on_namespace, read(found["metadata"]["annotations"]))
    return desired(found, options, defaults or MonitorDefaults())


def faults(attributes: Mapping[str, Any]) -> list[str]:
    """What Cronitor would turn down, by the stand-in's rules, or not know at all."""
    return [name for name, value in attributes.items() if name not in ATTRIBUTES or not ATTRIBUTES[name][0](value)]


def agrees(attributes: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    return {name: attributes.get(name, ABSENT) for name in expected} == expected


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def metadata(**found: str) -> Json:
    return {"metadata": json.dumps(found, separators=(",", ":"))}


# --- the compatibility list ------------------------------------------------------------------------------------------

LONG = "n" * 150

# (annotations without prefix, the CronJob's spec, the attributes that matter). Each may have no problem.
COMPATIBLE: list[tuple[dict[str, str], Json, Json]] = [
    # what is always there
    ({}, {}, {"type": "job", "platform": "kubernetes", "tags": ALWAYS, "metadata": "{}", "paused": ABSENT}),
    ({}, {}, dict.fromkeys(RESETS, ABSENT) | {"schedule": "* * * * *"}),
    # key
    ({}, {}, {"key": CRON_JOB_UID}),
    ({"key": "mine"}, {}, {"key": "mine"}),
    ({"key": " mine "}, {}, {"key": "mine"}),
    ({"key": ""}, {}, {"key": CRON_JOB_UID}),
    ({"key": "", "key-inference": "name"}, {}, {"key": sha1("shop/backup")}),
    ({"cronitor-id": "old"}, {}, {"key": "old"}),
    ({"cronitor-id": "old", "key": "new"}, {}, {"key": "new"}),
    ({"cronitor-id": "old", "key": ""}, {}, {"key": CRON_JOB_UID}),
    ({"key-inference": "k8s"}, {}, {"key": CRON_JOB_UID}),
    ({"key-inference": "name"}, {}, {"key": "4ec5275cbdf88f15fc46b354ebf10f4340cb76fe"}),
    ({"id-inference": "name"}, {}, {"key": sha1("shop/backup")}),
    ({"id-inference": "name", "key-inference": "k8s"}, {}, {"key": CRON_JOB_UID}),
    ({"key-inference": "name", "key": "mine"}, {}, {"key": "mine"}),
    ({"key-inference": "name", "name": "Nightly"}, {}, {"key": sha1("Nightly"), "name": "Nightly"}),
    ({"key-inference": "name", "name-prefix": "none"}, {}, {"key": sha1("backup"), "name": "backup"}),
    ({"key-inference": "name", "name-prefix": "prod-"}, {}, {"key": sha1("prod-backup")}),
    ({"key-inference": "name", "name": LONG}, {}, {"key": sha1(LONG), "name": "n" * 50 + "…" + "n" * 49}),
    # name
    ({}, {}, {"name": "shop/backup"}),
    ({"name": "Nightly backup"}, {}, {"name": "Nightly backup"}),
    ({"name": "Nächtlich"}, {}, {"name": "Nächtlich"}),
    ({"name": ""}, {}, {"name": "shop/backup"}),
    ({"name": "  "}, {}, {"name": "shop/backup"}),
    ({"cronitor-name": "Old"}, {}, {"name": "Old"}),
    ({"cronitor-name": "Old", "name": "New"}, {}, {"name": "New"}),
    ({"name-prefix": "namespace"}, {}, {"name": "shop/backup"}),
    ({"name-prefix": "none"}, {}, {"name": "backup"}),
    ({"name-prefix": ""}, {}, {"name": "shop/backup"}),
    ({"name-prefix": "prod "}, {}, {"name": "prod backup"}),
    ({"name-prefix": "prod-", "name": "Nightly"}, {}, {"name": "Nightly"}),
    ({"name": "n" * 100}, {}, {"name": "n" * 100}),
    ({"name": "n" * 101}, {}, {"name": "n" * 49 + "…" + "n" * 50}),
    ({"name": "n" * 102}, {}, {"name": "n" * 50 + "…" + "n" * 49}),
    ({"name": "ü" * 100}, {}, {"name": "ü" * 100}),
    # tags
    ({"tags": "a,b"}, {}, {"tags": [*ALWAYS, "a", "b"]}),
    ({"tags": " a , b "}, {}, {"tags": [*ALWAYS, "a", "b"]}),
    ({"tags": ",a,,"}, {}, {"tags": [*ALWAYS, "a"]}),
    ({"tags": ""}, {}, {"tags": ALWAYS}),
    ({"tags": "a,a,kubernetes"}, {}, {"tags": [*ALWAYS, "a"]}),
    ({"tags": "t" * 100}, {}, {"tags": [*ALWAYS, "t" * 100]}),
    ({"tags": "t" * 101}, {}, {"tags": [*ALWAYS, "t" * 99 + "…"]}),
    ({"tags": "t" * 101 + "," + "t" * 102}, {}, {"tags": [*ALWAYS, "t" * 99 + "…"]}),
    # group, notify, note
    ({"group": "databases"}, {}, {"group": "databases"}),
    ({"group": ""}, {}, {"group": ABSENT}),
    ({"cronitor-group": "old"}, {}, {"group": "old"}),
    ({"cronitor-group": "old", "group": "new"}, {}, {"group": "new"}),
    ({"notify": "ops, dev"}, {}, {"notify": ["ops", "dev"]}),
    ({"notify": ",ops,,"}, {}, {"notify": ["ops"]}),
    ({"notify": ""}, {}, {"notify": ABSENT}),
    ({"cronitor-notify": "old"}, {}, {"notify": ["old"]}),
    ({"cronitor-notify": "old", "notify": "new"}, {}, {"notify": ["new"]}),
    ({"note": "see the wiki"}, {}, {"note": "see the wiki"}),
    ({"note": "one\ntwo\n"}, {}, {"note": "one\ntwo"}),
    ({"note": ""}, {}, {"note": ABSENT}),
    # numbers, times, conditions
    ({"grace-seconds": "305"}, {}, {"grace_seconds": 305}),
    ({"grace-seconds": "0"}, {}, {"grace_seconds": 0}),
    ({"cronitor-grace-seconds": "5"}, {}, {"grace_seconds": 5}),
    ({"cronitor-grace-seconds": "5", "grace-seconds": "6"}, {}, {"grace_seconds": 6}),
    ({"failure-tolerance": "2"}, {}, {"failure_tolerance": 2, "schedule_tolerance": ABSENT}),
    ({"failure-tolerance": "0"}, {}, {"failure_tolerance": 0}),
    ({"schedule-tolerance": "1"}, {}, {"schedule_tolerance": 1, "failure_tolerance": ABSENT}),
    ({"schedule-tolerance": "0"}, {}, {"schedule_tolerance": 0}),
    ({"realert-interval": "8 hours"}, {}, {"realert_interval": "8 hours"}),
    ({"metric.duration": "< 30 seconds, > 5 seconds"}, {},
     {"assertions": ["metric.duration < 30 seconds", "metric.duration > 5 seconds"]}),
    ({"metric.duration": "<30 seconds,"}, {}, {"assertions": ["metric.duration <30 seconds"]}),
    ({"metric.duration": ""}, {}, {"assertions": ABSENT}),
    # what is not the monitor's
    ({"env": "staging"}, {}, {"env": ABSENT}),
    ({"log-complete-event": "true"}, {}, {"tags": ALWAYS}),
    ({"alert-on": "attempt", "inject": "false", "containers": "app", "include": "t"}, {}, {"tags": ALWAYS}),
    # schedule and timezone
    ({}, {"schedule": "*/5 2-4 * JAN MON"}, {"schedule": "*/5 2-4 * JAN MON", "timezone": ABSENT}),
    ({}, {"schedule": "0 0 ? * *"}, {"schedule": "0 0 ? * *"}),
    ({}, {"schedule": "@hourly"}, {"schedule": "@hourly"}),
    ({}, {"schedule": "@every 5m"}, {"schedule": "every 5 minutes"}),
    ({}, {"schedule": "@every 1h30m"}, {"schedule": "every 90 minutes"}),
    ({}, {"timeZone": "Europe/Berlin"}, {"timezone": "Europe/Berlin"}),
    ({}, {"timeZone": "Etc/GMT+5"}, {"timezone": "Etc/GMT+5"}),
    ({}, {"timeZone": None}, {"timezone": ABSENT}),
    ({}, {"schedule": "CRON_TZ=Asia/Tokyo 0 3 * * *"}, {"schedule": "0 3 * * *", "timezone": "Asia/Tokyo"}),
    ({}, {"schedule": "TZ=UTC @daily"}, {"schedule": "@daily", "timezone": "UTC"}),
    ({}, {"schedule": "TZ=UTC @daily", "timeZone": "Asia/Tokyo"}, {"schedule": "@daily", "timezone": "Asia/Tokyo"}),
    # metadata
    ({}, {"concurrencyPolicy": "Forbid"}, metadata(concurrencyPolicy="Forbid")),
    ({}, {"startingDeadlineSeconds": 200}, metadata(startingDeadlineSeconds="200")),
    ({}, {"startingDeadlineSeconds": 0}, metadata(startingDeadlineSeconds="0")),
    ({}, {"concurrencyPolicy": "Allow", "startingDeadlineSeconds": 7},
     metadata(concurrencyPolicy="Allow", startingDeadlineSeconds="7")),
    ({}, {"concurrencyPolicy": "", "startingDeadlineSeconds": None}, metadata()),
]  # fmt: skip


@pytest.mark.parametrize(("annotations", "spec", "expected"), COMPATIBLE)
def test_the_compatibility_list(annotations: dict[str, str], spec: Json, expected: Json) -> None:
    found = monitor_of(annotations, spec)
    assert agrees(found.monitor.attributes, expected)
    assert found.problems == ()
    assert faults(found.monitor.attributes) == []
    assert found.monitor.key == found.monitor.attributes["key"]


def test_the_compatibility_list_is_long_enough() -> None:
    assert len(COMPATIBLE) >= 80


@pytest.mark.parametrize(
    ("annotations", "spec", "key", "expected"),
    [
        ({"grace-seconds": "5m"}, {}, "grace-seconds", {"grace_seconds": ABSENT}),
        ({"grace-seconds": "-1"}, {}, "grace-seconds", {"grace_seconds": ABSENT}),
        ({"cronitor-grace-seconds": "x"}, {}, "cronitor-grace-seconds", {"grace_seconds": ABSENT}),
        ({"failure-tolerance": "some"}, {}, "failure-tolerance", {"failure_tolerance": ABSENT}),
        ({"schedule-tolerance": "1.5"}, {}, "schedule-tolerance", {"schedule_tolerance": ABSENT}),
        ({"realert-interval": ""}, {}, "realert-interval", {"realert_interval": ABSENT}),
        ({"metric.duration": "soon"}, {}, "metric.duration", {"assertions": ABSENT}),
        ({"key-inference": "uid"}, {}, "key-inference", {"key": CRON_JOB_UID}),
        ({"log-complete-event": "yes"}, {}, "log-complete-event", {}),
        ({"key": "k" * 5000}, {}, "key", {"key": CRON_JOB_UID}),
        ({"tag": "a"}, {}, "tag", {"tags": ALWAYS}),
        ({}, {"schedule": "never"}, "spec.schedule", {"schedule": ABSENT}),
        ({}, {"schedule": ""}, "spec.schedule", {"schedule": ABSENT}),
        ({}, {"timeZone": "No where"}, "spec.timeZone", {"timezone": ABSENT, "schedule": "* * * * *"}),
        ({}, {"schedule": "TZ=a;b @daily"}, "spec.schedule", {"timezone": ABSENT, "schedule": "@daily"}),
    ],
)
def test_what_cannot_be_used_is_a_problem_and_left_out(
    annotations: dict[str, str], spec: Json, key: str, expected: Json
) -> None:
    found = monitor_of(annotations, spec)
    assert [problem.key for problem in found.problems] == [key]
    assert agrees(found.monitor.attributes, expected)
    assert faults(found.monitor.attributes) == []


def test_a_problem_in_the_spec_is_not_told_as_an_annotation() -> None:
    assert str(monitor_of({}, {"schedule": "x"}).problems[0]) == (
        "spec.schedule: 'x' is ignored, it is no schedule of Kubernetes"
    )


@pytest.mark.parametrize(("spec", "suspended"), [({}, False), ({"suspend": False}, False), ({"suspend": True}, True)])
def test_a_suspended_cron_job_says_so_and_leaves_pausing_to_others(spec: Json, suspended: bool) -> None:
    found = monitor_of({}, spec).monitor
    assert found.suspended is suspended
    assert "paused" not in found.attributes


# --- levels and the chart --------------------------------------------------------------------------------------------

CHART = Options(tags=("all",), key_inference=KeyInference.NAME, name_prefix="none")


@pytest.mark.parametrize(
    ("namespace", "own", "expected"),
    [
        ({}, {}, {"name": "backup", "key": sha1("backup"), "tags": [*ALWAYS, "all"], "notify": ABSENT}),
        ({"tags": "ns", "notify": "ops", "group": "g"}, {"tags": "own, all"},
         {"tags": [*ALWAYS, "all", "ns", "own"], "notify": ["ops"], "group": "g"}),
        ({"notify": "ops"}, {"notify": "dev"}, {"notify": ["dev"]}),
        ({"notify": "ops", "group": "g"}, {"notify": "", "group": ""}, {"notify": ABSENT, "group": ABSENT}),
        ({"grace-seconds": "30", "failure-tolerance": "2"}, {"grace-seconds": "0"},
         {"grace_seconds": 0, "failure_tolerance": 2}),
        ({"metric.duration": "< 5 min"}, {"metric.duration": "< 9 min"}, {"assertions": ["metric.duration < 9 min"]}),
        ({"key-inference": "k8s", "name-prefix": "namespace"}, {}, {"key": CRON_JOB_UID, "name": "shop/backup"}),
        ({"key-inference": "k8s"}, {"key-inference": "name", "name-prefix": "x-"}, {"key": sha1("x-backup")}),
        ({"realert-interval": "1 day", "schedule-tolerance": "3"}, {},
         {"realert_interval": "1 day", "schedule_tolerance": 3}),
    ],
)  # fmt: skip
def test_the_levels(namespace: dict[str, str], own: dict[str, str], expected: Json) -> None:
    found = monitor_of(own, chart=CHART, namespace=namespace)
    assert agrees(found.monitor.attributes, expected)
    assert found.problems == ()


def test_a_bad_value_on_the_namespace_is_a_problem_of_the_namespace() -> None:
    (problem,) = monitor_of(namespace={"grace-seconds": "x"}).problems
    assert problem.scope is Scope.NAMESPACE


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, {"name": "east/shop/backup", "key": CRON_JOB_UID, "tags": [*ALWAYS, "kubernetes-cluster:east"]}),
        ({"key-inference": "name"}, {"key": sha1("east/shop/backup")}),
        ({"key-inference": "name", "name": "Nightly"}, {"key": sha1("east/Nightly"), "name": "Nightly"}),
        ({"key": "mine"}, {"key": "mine", "name": "east/shop/backup"}),
        ({"tags": "a"}, {"tags": [*ALWAYS, "kubernetes-cluster:east", "a"]}),
    ],
)
def test_the_clusters_name(own: dict[str, str], expected: Json) -> None:
    assert agrees(monitor_of(own, defaults=MonitorDefaults(cluster_name="east")).monitor.attributes, expected)


def test_a_long_name_of_the_cluster_is_cut_in_the_tag() -> None:
    found = monitor_of(defaults=MonitorDefaults(cluster_name="c" * 100)).monitor.attributes
    assert faults(found) == []
    assert found["tags"][-1] == "kubernetes-cluster:" + "c" * 80 + "…"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "Europe/Oslo"),
        ({"timeZone": "Asia/Tokyo"}, "Asia/Tokyo"),
        ({"schedule": "TZ=UTC @daily"}, "UTC"),
    ],
)
def test_the_charts_timezone_is_for_those_that_name_none(spec: Json, expected: str) -> None:
    found = monitor_of({}, spec, defaults=MonitorDefaults(default_timezone="Europe/Oslo")).monitor.attributes
    assert found["timezone"] == expected


# --- taking back -----------------------------------------------------------------------------------------------------

EVERYTHING = {
    "grace-seconds": "5",
    "failure-tolerance": "1",
    "schedule-tolerance": "1",
    "realert-interval": "1 day",
    "metric.duration": "< 5 min",
    "notify": "ops",
    "group": "g",
    "note": "n",
}


def test_what_was_put_and_is_no_longer_wanted_goes_back_to_cronitors_default() -> None:
    before = monitor_of(EVERYTHING, {"timeZone": "UTC"}).monitor.attributes
    after = monitor_of().monitor.attributes
    assert resets(before.keys(), after) == {name: value for name, value in RESETS.items() if name != "schedule"}
    assert faults({name: value for name, value in resets(before.keys(), after).items() if value is not None}) == []
    assert all(value is not None or name in NULLABLE for name, value in RESETS.items())


def test_a_monitor_that_is_taken_back_is_as_if_nothing_had_been_put() -> None:
    account, plain = Monitors(), Monitors()
    before, after = monitor_of(EVERYTHING).monitor.attributes, monitor_of().monitor.attributes
    account.put([dict(before)])
    account.put([{**after, **resets(before.keys(), after)}])
    plain.put([dict(after)])
    (left,), (fresh,) = account.listed(), plain.listed()
    assert {name: value for name, value in left.items() if value is not None} == {
        name: value for name, value in fresh.items() if value is not None
    }


def test_what_no_annotation_ever_named_is_never_touched() -> None:
    plain = monitor_of().monitor.attributes
    assert resets(plain.keys(), plain) == {}
    assert resets((), monitor_of(EVERYTHING).monitor.attributes) == {}
    assert resets(["tags", "metadata", "name", "paused", "more"], {}) == {}


def test_what_is_still_wanted_is_not_taken_back() -> None:
    before = monitor_of(EVERYTHING).monitor.attributes
    after = monitor_of({"grace-seconds": "0", "note": "n"}).monitor.attributes
    assert set(resets(before.keys(), after)) == set(RESETS) - {"grace_seconds", "note", "schedule", "timezone"}


# --- any text at all -------------------------------------------------------------------------------------------------

KEYS = sorted({key for row in TABLE for key in (row.key, *row.old_keys)})
TEXTS = (
    st.text(st.characters(codec=None), max_size=200)
    | st.text("<>=! ,\t\n0123456789abc", max_size=40)
    | st.sampled_from([row.example for row in TABLE])
    | st.builds(lambda part, times: part * times, st.sampled_from(["a", "ü,", "9", "< 5 min,"]), st.integers(90, 5000))
)
SCHEDULES = (
    st.text(max_size=60)
    | st.text("*/,-?#@TZ=every 0123456789hms.\t", max_size=40)
    | st.from_regex(r"@every [0-9.hmsnuµ]{1,12}", fullmatch=True)
    | st.from_regex(r"[0-9*/,?-]{1,3}( [0-9A-Z*?]{1,3}){3,5}", fullmatch=True)
)
ZONES = frozenset(available_timezones())
AT_RANDOM = settings(max_examples=300, deadline=None, database=None, derandomize=True)


@AT_RANDOM
@given(st.dictionaries(st.sampled_from(KEYS), TEXTS), st.dictionaries(st.sampled_from(KEYS), TEXTS))
def test_any_annotation_gives_a_valid_monitor_or_a_warning(own: dict[str, str], namespace: dict[str, str]) -> None:
    found = monitor_of(own, namespace=namespace)
    assert faults(found.monitor.attributes) == []
    json.dumps(dict(found.monitor.attributes), ensure_ascii=False).encode()
    for problem in found.problems:
        str(problem).encode()


@AT_RANDOM
@given(st.sampled_from([row for row in TABLE if row.option != "tags"]), TEXTS)
def test_a_value_has_its_effect_or_is_a_problem(row: Annotation, text: str) -> None:
    found = read({PREFIX + row.key: text})
    assert (getattr(found, row.option) is None) is bool(found.problems)


@AT_RANDOM
@given(SCHEDULES, st.none() | st.sampled_from(sorted(ZONES)) | st.text(max_size=20))
def test_any_schedule_gives_a_valid_monitor_or_a_problem(schedule: str, zone: str | None) -> None:
    found = monitor_of({}, {"schedule": schedule, "timeZone": zone})
    attributes, keys = dict(found.monitor.attributes), [problem.key for problem in found.problems]
    timezone = attributes.pop("timezone", "")
    assert faults(attributes) == []
    assert ("schedule" in attributes) or "spec.schedule" in keys
    if zone:
        # Which zones there are is Cronitor's to say; what can be none is a problem.
        assert timezone == zone or "spec.timeZone" in keys
    assert zone not in ZONES or timezone == zone


@AT_RANDOM
@given(st.text(st.characters(codec=None), max_size=63) | st.sampled_from(KEYS), TEXTS)
def test_any_key_under_our_prefix_is_known_or_a_problem(key: str, text: str) -> None:
    found = monitor_of(written={PREFIX + key: text})
    assert (
        key in KEYS or key in OURS or [problem.reason.startswith("no such key") for problem in found.problems] == [True]
    )
    for problem in found.problems:
        str(problem).encode()
