"""Every documented annotation: how it is read, its old names, and what becomes of a value that cannot be read."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from webhook.annotation_table import OURS, Annotation
from webhook.annotation_values import FALSE_WORDS, TRUE_WORDS
from webhook.annotations import (
    MOST_TOLD,
    PREFIX,
    TABLE,
    AlertOn,
    KeyInference,
    Options,
    Scope,
    included,
    layered,
    read,
    unknown,
)

ROOT = Path(__file__).parents[3]


def of(given: dict[str, str]) -> dict[str, str]:
    return {PREFIX + key: text for key, text in given.items()}


def read_one(key: str, text: str) -> Options:
    return read({PREFIX + key: text})


def test_no_annotations_give_the_defaults() -> None:
    assert read(None) == read({}) == Options()


def test_annotations_of_others_are_not_looked_at() -> None:
    assert read({"include": "true", "example.org/include": "true", "kubectl.kubernetes.io/x": "{}"}) == Options()


@pytest.mark.parametrize(
    ("key", "text", "option", "expected"),
    [
        ("include", "true", "include", True),
        ("exclude", "1", "exclude", True),
        ("inject", "F", "inject", False),
        ("key", " my-key ", "key", "my-key"),
        ("key", "", "key", ""),
        ("key", "...", "key", "..."),
        ("key-inference", "name", "key_inference", KeyInference.NAME),
        ("key-inference", "k8s", "key_inference", KeyInference.UID),
        ("name", "Nightly backup", "name", "Nightly backup"),
        ("name-prefix", "none", "name_prefix", "none"),
        ("name-prefix", "prod: ", "name_prefix", "prod: "),
        ("env", "staging", "env", "staging"),
        ("env", "", "env", ""),
        ("tags", "a, b ,c", "tags", ("a", "b", "c")),
        ("tags", ",a,, ,b,", "tags", ("a", "b")),
        ("tags", " , ", "tags", ()),
        ("tags", "t" * 100, "tags", ("t" * 100,)),
        ("tags", "t" * 101 + ",a", "tags", ("t" * 99 + "…", "a")),
        ("tags", "ü" * 100, "tags", ("ü" * 100,)),
        ("group", "databases", "group", "databases"),
        ("notify", "ops,,dev ", "notify", ("ops", "dev")),
        ("grace-seconds", "0", "grace_seconds", 0),
        ("grace-seconds", "305", "grace_seconds", 305),
        ("metric.duration", "< 30 seconds, > 5 seconds", "duration_assertions", ("< 30 seconds", "> 5 seconds")),
        ("metric.duration", "< 5 min,", "duration_assertions", ("< 5 min",)),
        ("metric.duration", " , ", "duration_assertions", ()),
        ("metric.duration", "<= 2 hours,!=3", "duration_assertions", ("<= 2 hours", "!=3")),
        ("metric.duration", "<\n 5\t min", "duration_assertions", ("< 5 min",)),
        ("failure-tolerance", "0", "failure_tolerance", 0),
        ("schedule-tolerance", "3", "schedule_tolerance", 3),
        ("realert-interval", " 8 hours ", "realert_interval", "8 hours"),
        ("note", "see the wiki", "note", "see the wiki"),
        ("log-complete-event", "t", "log_complete_event", True),
        ("alert-on", "attempt", "alert_on", AlertOn.ATTEMPT),
        ("alert-on", "run", "alert_on", AlertOn.RUN),
        ("containers", "app, worker", "containers", ("app", "worker")),
        ("key", "k" * 4096, "key", "k" * 4096),
        ("env", "ü" * 2048, "env", "ü" * 2048),
        ("containers", "a," * 2048, "containers", ("a",) * 2048),
        ("note", "n" * 5000, "note", "n" * 5000),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_value_is_read(key: str, text: str, option: str, expected: object) -> None:
    options = read_one(key, text)
    assert getattr(options, option) == expected
    assert options.problems == ()


def test_booleans_are_those_of_go() -> None:
    assert {"1", "t", "T", "TRUE", "true", "True"} == TRUE_WORDS
    assert {"0", "f", "F", "FALSE", "false", "False"} == FALSE_WORDS
    for word in TRUE_WORDS:
        assert read_one("include", word).include is True
    for word in FALSE_WORDS:
        assert read_one("include", word).include is False


@pytest.mark.parametrize(
    "word", ["yes", "no", "on", "off", "y", "tRUE", "TrUe", "fALSE", "", " ", "true ", " 1", "01", "2", "-1", "null"]
)
@pytest.mark.parametrize("key", ["include", "exclude", "inject", "log-complete-event"])
def test_nothing_else_is_a_boolean(key: str, word: str) -> None:
    options = read_one(key, word)
    assert getattr(options, key.replace("-", "_")) is None
    (problem,) = options.problems
    assert (problem.key, problem.value) == (key, word)
    assert "boolean" in problem.reason


@pytest.mark.parametrize(
    ("key", "text", "allowed"),
    [
        ("grace-seconds", "-1", "whole number of 0 or more"),
        ("grace-seconds", "1.5", "whole number"),
        ("grace-seconds", "1e3", "whole number"),
        ("grace-seconds", "5m", "whole number"),
        ("grace-seconds", "", "whole number"),
        ("grace-seconds", "²", "whole number"),
        ("grace-seconds", "٣", "whole number"),
        ("grace-seconds", "1" * 10, "whole number"),
        ("grace-seconds", "9" * 5000, "whole number"),
        ("key-inference", "uid", '"k8s" or "name"'),
        ("key-inference", "Name", '"k8s" or "name"'),
        ("key-inference", "", '"k8s" or "name"'),
        ("alert-on", "always", '"run" or "attempt"'),
        ("failure-tolerance", "-1", "whole number"),
        ("schedule-tolerance", "two", "whole number"),
        ("realert-interval", "", 'a time such as "8 hours"'),
        ("realert-interval", " \n", 'a time such as "8 hours"'),
        ("metric.duration", "30 seconds", 'conditions such as "< 30 seconds'),
        ("metric.duration", "<", 'conditions such as "< 30 seconds'),
        ("metric.duration", "< 30 seconds, soon", 'conditions such as "< 30 seconds'),
        ("metric.duration", "! 30 seconds", 'conditions such as "< 30 seconds'),
        ("key", "k" * 4097, "at most 4096 bytes"),
        ("key", ".", 'other than "." and ".."'),
        ("key", " .. ", 'other than "." and ".."'),
        ("key", "ü" * 2049, "at most 4096 bytes"),
        ("cronitor-id", "k" * 4097, "at most 4096 bytes"),
        ("env", "e" * 4097, "at most 4096 bytes"),
        ("containers", "a," * 2049, "at most 4096 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_value_that_cannot_be_read_is_a_problem_and_counts_as_absent(key: str, text: str, allowed: str) -> None:
    options = read_one(key, text)
    (problem,) = options.problems
    assert (problem.key, problem.value) == (key, text)
    assert allowed in problem.reason
    assert str(problem).startswith(f"k8s.cronitor.io/{key}: ")
    assert options == Options(problems=options.problems)


def test_a_problem_spoils_nothing_else() -> None:
    options = read({PREFIX + "include": "true", PREFIX + "exclude": "maybe", PREFIX + "grace-seconds": "x"})
    assert options.include is True
    assert [problem.key for problem in options.problems] == ["exclude", "grace-seconds"]


OLD_NAMES = [
    ("cronitor-id", "key", "old", "new", "key"),
    ("cronitor-name", "name", "old", "new", "name"),
    ("cronitor-group", "group", "old", "new", "group"),
    ("cronitor-notify", "notify", "old", "new", "notify"),
    ("cronitor-grace-seconds", "grace-seconds", "1", "2", "grace_seconds"),
    ("id-inference", "key-inference", "k8s", "name", "key_inference"),
]


@pytest.mark.parametrize(("old", "new", "old_text", "new_text", "option"), OLD_NAMES)
def test_old_names_are_read_and_the_new_one_wins(old: str, new: str, old_text: str, new_text: str, option: str) -> None:
    assert getattr(read_one(old, old_text), option) == getattr(read_one(new, old_text), option)
    both = read({PREFIX + old: old_text, PREFIX + new: new_text})
    assert getattr(both, option) == getattr(read_one(new, new_text), option)
    assert both.problems == ()


def test_no_other_old_name_is_known() -> None:
    known = {(old, annotation.key) for annotation in TABLE for old in annotation.old_keys}
    assert known == {(old, new) for old, new, *_ in OLD_NAMES}


def test_a_bad_value_under_an_old_name_is_told_under_that_name() -> None:
    assert [problem.key for problem in read_one("id-inference", "x").problems] == ["id-inference"]


def test_a_bad_value_under_the_new_name_does_not_bring_the_old_one_back() -> None:
    options = read({PREFIX + "grace-seconds": "x", PREFIX + "cronitor-grace-seconds": "5"})
    assert options.grace_seconds is None
    assert len(options.problems) == 1


@pytest.mark.parametrize(
    ("given", "by_default", "expected"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"include": "true"}, False, True),
        ({"include": "true"}, True, True),
        ({"include": "false"}, True, False),
        ({"include": "yes"}, False, False),
        ({"include": "no"}, True, True),
        ({"exclude": "true"}, True, False),
        ({"exclude": "true", "include": "true"}, False, False),
        ({"exclude": "true", "include": "true"}, True, False),
        ({"exclude": "false", "include": "true"}, False, True),
        ({"exclude": "false"}, False, False),
        ({"exclude": "false"}, True, True),
        ({"exclude": "sure"}, True, True),
    ],
)
def test_who_is_included(given: dict[str, Any], by_default: bool, expected: bool) -> None:
    assert included(layered(Options(include=by_default), read(of(given)))) is expected


def test_nothing_said_anywhere_is_not_included() -> None:
    assert included(Options()) is False


def test_include_beside_exclude_is_told() -> None:
    (problem,) = read(of({"include": "1", "exclude": "true"})).problems
    assert str(problem) == "k8s.cronitor.io/include: '1' is ignored, exclude: \"true\" wins"


@pytest.mark.parametrize(
    "given", [{"include": "true", "exclude": "false"}, {"include": "false", "exclude": "true"}, {"exclude": "true"}]
)
def test_otherwise_the_two_go_together(given: dict[str, str]) -> None:
    assert read(of(given)).problems == ()


# --- levels ----------------------------------------------------------------------------------------------------------

CHART = Options(include=False, env="prod", tags=("all", "chart"), key_inference=KeyInference.NAME, name_prefix="none")
ON_NAMESPACE = {
    "include": "true",
    "env": "staging",
    "tags": "ns, all",
    "notify": "ops",
    "group": "shop",
    "grace-seconds": "30",
    "alert-on": "attempt",
}


def effective(on_cron_job: dict[str, str], on_namespace: dict[str, str] | None = None) -> Options:
    given = ON_NAMESPACE if on_namespace is None else on_namespace
    return layered(CHART, read(of(given), Scope.NAMESPACE), read(of(on_cron_job)))


@pytest.mark.parametrize(
    ("on_cron_job", "option", "expected"),
    [
        ({}, "include", True),
        ({"include": "false"}, "include", False),
        ({}, "env", "staging"),
        ({"env": "dev"}, "env", "dev"),
        ({"env": ""}, "env", ""),
        ({}, "notify", ("ops",)),
        ({"notify": "dev"}, "notify", ("dev",)),
        ({"notify": ""}, "notify", ()),
        ({"group": ""}, "group", ""),
        ({}, "grace_seconds", 30),
        ({"grace-seconds": "0"}, "grace_seconds", 0),
        ({"grace-seconds": "x"}, "grace_seconds", 30),
        ({}, "alert_on", AlertOn.ATTEMPT),
        ({"alert-on": "run"}, "alert_on", AlertOn.RUN),
        ({}, "key_inference", KeyInference.NAME),
        ({"key-inference": "k8s"}, "key_inference", KeyInference.UID),
        ({}, "name_prefix", "none"),
        ({"name-prefix": ""}, "name_prefix", ""),
        ({}, "tags", ("all", "chart", "ns")),
        ({"tags": "own,chart"}, "tags", ("all", "chart", "ns", "own")),
        ({"tags": ""}, "tags", ("all", "chart", "ns")),
        ({}, "containers", None),
        ({"containers": "app"}, "containers", ("app",)),
    ],
)
def test_the_nearer_level_wins_and_tags_add_up(on_cron_job: dict[str, str], option: str, expected: object) -> None:
    assert getattr(effective(on_cron_job), option) == expected


def test_without_annotations_the_charts_level_is_all_there_is() -> None:
    assert effective({}, {}) == CHART
    assert layered() == Options()


def test_problems_of_all_levels_come_together_and_say_where() -> None:
    problems = effective({"grace-seconds": "x"}, {"grace-seconds": "y", "inject": "maybe"}).problems
    assert [(one.key, one.scope) for one in problems] == [
        ("inject", Scope.NAMESPACE),
        ("grace-seconds", Scope.NAMESPACE),
        ("grace-seconds", Scope.CRON_JOB),
    ]
    assert "grace-seconds of the Namespace: 'y'" in str(problems[1])


CRON_JOB_ONLY = {"exclude", "key", "name", "containers", "log-complete-event", "note"}


@pytest.mark.parametrize("annotation", TABLE, ids=lambda annotation: annotation.key)
def test_what_has_no_meaning_on_a_namespace_is_a_problem_there(annotation: Annotation) -> None:
    for key in (annotation.key, *annotation.old_keys):
        options = read(of({key: annotation.example}), Scope.NAMESPACE)
        if annotation.key in CRON_JOB_ONLY:
            assert options == Options(problems=options.problems)
            assert [(one.key, one.scope) for one in options.problems] == [(key, Scope.NAMESPACE)]
            assert "on a CronJob only" in str(options.problems[0])
        else:
            assert options == read(of({key: annotation.example}))


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("annotation", TABLE, ids=lambda annotation: annotation.key)
def test_each_row_is_whole_and_its_example_can_be_read(annotation: Annotation) -> None:
    assert annotation.does.endswith(".")
    assert all((annotation.type, annotation.default, annotation.example))
    options = read_one(annotation.key, annotation.example)
    assert options.problems == ()
    assert getattr(options, annotation.option) not in (None, ())


def test_each_option_has_one_row() -> None:
    assert sorted(row.option for row in TABLE) == sorted(f.name for f in fields(Options) if f.name != "problems")
    keys = [key for row in TABLE for key in (row.key, *row.old_keys)]
    assert len(keys) == len(set(keys))


# --- keys that nobody knows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("includ", "include"),
        ("Include", "include"),
        ("grace_seconds", "grace-seconds"),
        ("tag", "tags"),
        ("failure-tolerence", "failure-tolerance"),
        ("metric-duration", "metric.duration"),
        ("environment", None),
        ("zzz", None),
        ("", None),
    ],
)
def test_an_unknown_key_is_told_with_the_one_that_is_like_it(key: str, near: str | None) -> None:
    (problem,) = unknown(of({key: "x", "include": "true"}))
    assert (problem.key, problem.value) == (key, "x")
    assert problem.reason == f"no such key; did you mean {near}?" if near else problem.reason == "no such key"


def test_on_a_namespace_only_keys_that_may_stand_there_are_meant() -> None:
    (problem,) = unknown(of({"exclud": "true"}), Scope.NAMESPACE)
    assert "exclude" not in problem.reason
    assert problem.scope is Scope.NAMESPACE


def test_of_very_many_unknown_keys_only_the_first_are_compared_with_those_that_are_known() -> None:
    found = unknown(of({f"include{number}": "" for number in range(MOST_TOLD + 5)}))
    assert len(found) == MOST_TOLD + 5
    assert [number for number, problem in enumerate(found) if "did you mean" in problem.reason] == list(
        range(MOST_TOLD)
    )


def test_known_keys_and_those_of_others_are_not_unknown() -> None:
    keys = [key for row in TABLE for key in (row.key, *row.old_keys)]
    assert unknown(of(dict.fromkeys(keys, ""))) == ()
    assert unknown({"include": "", "example.org/includ": "", "x-k8s.cronitor.io/a": ""}) == unknown(None) == ()


def test_what_we_write_ourselves_is_not_unknown() -> None:
    sources = [path.read_text() for path in (ROOT / "webhook").rglob("*.py") if "annotation" not in path.name]
    written = {
        key for text in sources for key in re.findall(r'"k8s\.cronitor\.io/([\w.-]+)"|PREFIX \+ "([\w.-]+)"', text)
    }
    keys = {one or other for one, other in written}
    assert {"run", "exempt", "sidecar-tells"} <= keys
    assert keys == OURS
    assert unknown(of(dict.fromkeys(OURS, ""))) == ()


# --- texts that no one would write -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udc00", "\ufffd"),
        ("a\0b", "a\ufffdb"),
        ("\ud83e\udd8a", "🦊"),
        ("\ufeffx", "\ufeffx"),
    ],
)
def test_what_no_utf_8_or_environment_variable_can_carry_is_replaced(text: str, expected: str) -> None:
    options = read(of({"key": text, "name": text, "tags": text}))
    assert (options.key, options.name, options.tags) == (expected, expected, (expected,))
    expected.encode()


def test_a_problem_is_one_short_line_whatever_the_value_was() -> None:
    (problem,) = read_one("include", "a\n\ud800" + "x" * 5000).problems
    assert "\n" not in str(problem)
    assert len(str(problem)) < 200
    str(problem).encode()
