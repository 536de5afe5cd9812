"""Chart, Namespace, CronJob: the later level wins, and both processes come to the same."""

import pytest

from webhook import annotations
from webhook.annotations import KeyInference, Options
from webhook.levels import Levels
from webhook.monitor_identity import identify

PREFIX = annotations.PREFIX
ON_NAMESPACE = {
    f"{PREFIX}include": "true",
    f"{PREFIX}env": "staging",
    f"{PREFIX}id-inference": "name",
    f"{PREFIX}name-prefix": "none",
    f"{PREFIX}tags": "team-a",
    f"{PREFIX}grace-seconds": "5",
    "somebody.example/env": "x",
}
CHART = Options(include=False, env="prod", tags=("chart",), key_inference=KeyInference.UID)


def levels(on_namespace: dict[str, str] | None = None) -> Levels:
    return Levels(CHART, {"shop": on_namespace or {}}.get)


def test_the_chart_counts_where_nothing_else_is_said() -> None:
    assert levels().of("shop", None) == CHART
    assert levels().of("elsewhere", {}) == CHART


def test_the_namespace_counts_over_the_chart() -> None:
    found = levels(ON_NAMESPACE).of("shop", None)
    assert (found.include, found.env, found.key_inference) == (True, "staging", KeyInference.NAME)
    assert (found.tags, found.grace_seconds) == (("chart", "team-a"), 5)


def test_the_cron_job_counts_over_its_namespace() -> None:
    own = {f"{PREFIX}include": "false", f"{PREFIX}env": "", f"{PREFIX}key-inference": "k8s", f"{PREFIX}tags": "own"}
    found = levels(ON_NAMESPACE).of("shop", own)
    assert (found.include, found.env, found.key_inference) == (False, "", KeyInference.UID)
    assert found.tags == ("chart", "team-a", "own")


def test_a_bad_value_of_the_namespace_is_said_and_counts_as_absent() -> None:
    found = levels({f"{PREFIX}include": "yes"}).of("shop", None)
    assert found.include is False
    assert [str(problem) for problem in found.problems] == [
        'k8s.cronitor.io/include of the Namespace: \'yes\' is ignored, it must be a boolean such as "true" or "false"'
    ]


def test_a_text_too_long_for_all_namespaces_is_ignored_by_both() -> None:
    long = {f"{PREFIX}env": "x" * 300}
    assert annotations.for_admission(long) == {}
    assert levels(long).of("shop", None).env == "prod"


@pytest.mark.parametrize(
    "given",
    [
        {"key-inference": "name" + " " * 300, "id-inference": "name"},
        {"key-inference": "k8s", "id-inference": "name"},
        {"env": "\0" * 100},
        {"env": "\ud800" * 85, "inject": "false"},
        {"name-prefix": "ü" * 129},
        {"name-prefix": "ü" * 128, "include": "yes"},
    ],
    ids=str,
)
def test_whatever_is_written_admission_comes_to_the_same(given: dict[str, str]) -> None:
    above = {PREFIX + key: text for key, text in given.items()}
    whole, part = levels(above).of("shop", {}), levels(annotations.for_admission(above)).of("shop", {})
    assert identify("shop", "backup", "uid", part) == identify("shop", "backup", "uid", whole)
    assert (part.include, part.inject) == (whole.include, whole.inject)


def test_what_admission_is_given_comes_to_the_same_identity() -> None:
    given = annotations.for_admission(ON_NAMESPACE)
    assert set(given) == {PREFIX + key for key in ("include", "env", "id-inference", "name-prefix")}
    whole, part = levels(ON_NAMESPACE).of("shop", {}), levels(given).of("shop", {})
    assert identify("shop", "backup", "uid", part) == identify("shop", "backup", "uid", whole)
    assert (part.include, part.inject) == (whole.include, whole.inject)


def test_what_nobody_knows_on_the_namespace_is_said_of_the_namespace() -> None:
    found = levels({f"{PREFIX}injection": "x", f"{PREFIX}tag": "a", f"{PREFIX}name": "known, though not there"})
    assert [str(problem) for problem in found.unknown("shop")] == [
        "k8s.cronitor.io/tag of the Namespace: 'a' is ignored, no such key; did you mean tags?"
    ]
    assert found.unknown("elsewhere") == ()
