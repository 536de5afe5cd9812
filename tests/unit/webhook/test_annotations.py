"""Every documented annotation: how it is read, its old names, and what becomes of a value that cannot be read."""

from typing import Any

import pytest

from webhook.annotations import (
    FALSE_WORDS,
    PREFIX,
    TABLE,
    TRUE_WORDS,
    AlertOn,
    KeyInference,
    Options,
    included,
    read,
)


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
        ("group", "databases", "group", "databases"),
        ("notify", "ops,,dev ", "notify", ("ops", "dev")),
        ("grace-seconds", "0", "grace_seconds", 0),
        ("grace-seconds", "305", "grace_seconds", 305),
        ("metric.duration", "< 30 seconds, > 5 seconds", "duration_assertions", ("< 30 seconds", "> 5 seconds")),
        ("metric.duration", "< 5 min,", "duration_assertions", ("< 5 min",)),
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
    assert "boolean" in problem.allowed


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
        ("key", "k" * 4097, "at most 4096 bytes"),
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
    assert allowed in problem.allowed
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
    options = read({PREFIX + key: text for key, text in given.items()})
    assert included(options, by_default=by_default) is expected
