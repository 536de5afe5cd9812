"""What the annotations that a person writes come to, level over level. Pure.

The chart's defaults, the Namespace's annotations and the CronJob's own are three levels of the same `Options`. Where
Cronitor's agent fails on a bad value, here it becomes a `Problem` and counts as absent.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from webhook.annotation_table import OURS, PREFIX, TABLE, AlertOn, Annotation, KeyInference, Scope
from webhook.annotation_values import UnreadableError, clean

__all__ = [
    "MOST_TOLD", "PREFIX", "TABLE", "AlertOn", "KeyInference", "Options", "Problem", "Scope",
    "included", "layered", "read", "told", "unknown",
]  # fmt: skip

KNOWN = {key: annotation for annotation in TABLE for key in (annotation.key, *annotation.old_keys)}
DECIDE_ADMISSION = frozenset({"include", "inject", "env", "key_inference", "name_prefix"})
SHOWN_VALUE = 60
MOST_TOLD = 20
"""Problems of one CronJob: its annotations may hold some thousands, and each is an Event and a warning."""

LONGEST_ON_NAMESPACE = 256
"""Admission gets those of all namespaces in one ConfigMap."""


P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something written that has no effect: where, its key without prefix, its value, and why.

    `prefix` is '' for what is no annotation: a path in the object, such as `spec.schedule`.
    """

    key: str
    value: str
    reason: str
    scope: Scope = Scope.CRON_JOB
    prefix: str = PREFIX

    def __str__(self) -> str:
        return self.shown(SHOWN_VALUE)

    def shown(self, longest: int) -> str:
        """One line, with no more than so many characters of the value."""
        value = self.value if len(self.value) <= longest else f"{self.value[: longest - 1]}…"
        where = "" if self.scope is Scope.CRON_JOB else f" of the {self.scope.value}"
        return f"{self.prefix}{self.key}{where}: {value!r} is ignored, {self.reason}"


@dataclass(frozen=True, slots=True)
class Options:
    """What one level says, or all of them together; None is absent. An empty text or list says: none of it.

    `tags` add up from level to level, so that no level can take one away.
    """

    include: bool | None = None
    exclude: bool | None = None
    inject: bool | None = None
    key: str | None = None
    key_inference: KeyInference | None = None
    name: str | None = None
    name_prefix: str | None = None
    env: str | None = None
    tags: tuple[str, ...] = ()
    group: str | None = None
    notify: tuple[str, ...] | None = None
    grace_seconds: int | None = None
    failure_tolerance: int | None = None
    schedule_tolerance: int | None = None
    realert_interval: str | None = None
    duration_assertions: tuple[str, ...] | None = None
    note: str | None = None
    log_complete_event: bool | None = None
    alert_on: AlertOn | None = None
    containers: tuple[str, ...] | None = None
    problems: tuple[Problem, ...] = ()


_OPTIONS = tuple(one.name for one in fields(Options))


def read(annotations: Mapping[str, str] | None, scope: Scope = Scope.CRON_JOB) -> Options:
    """The options that these annotations give. A value that cannot be read is a problem and counts as absent."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for annotation, key, text in _written(annotations or {}):
        if not annotation.has_meaning(scope):
            problems.append(Problem(key, text, "it has a meaning on a CronJob only", scope))
            continue
        if scope is Scope.NAMESPACE and len(text.encode()) > LONGEST_ON_NAMESPACE:
            problems.append(Problem(key, text, f"it must have at most {LONGEST_ON_NAMESPACE} bytes there", scope))
            continue
        try:
            found[annotation.option] = annotation.parse(text)
        except UnreadableError as unreadable:
            problems.append(Problem(key, text, f"it must be {unreadable}", scope))
    if found.get("include") and found.get("exclude"):
        problems.append(Problem("include", (annotations or {})[PREFIX + "include"], 'exclude: "true" wins', scope))
    return Options(**found, problems=tuple(problems))


def for_admission(given: Mapping[str, str] | None) -> dict[str, str]:
    """Of a Namespace's annotations those that decide on a pod and on what its run is told under."""
    return {
        PREFIX + key: text
        for annotation, key, text in _written(given or {})
        if annotation.option in DECIDE_ADMISSION and len(text.encode()) <= LONGEST_ON_NAMESPACE
    }


def _written(given: Mapping[str, str]) -> Iterator[tuple[Annotation, str, str]]:
    """The known annotations that are there, in the table's order, with key and text: a new name wins over an old one.

    Asked for each new pod: of twenty options a CronJob names a few.
    """
    keys = {key.removeprefix(PREFIX) for key in given if key.startswith(PREFIX)} & KNOWN.keys()
    options = {KNOWN[key].option for key in keys}
    for annotation in TABLE if options else ():
        if annotation.option in options:
            key = next(key for key in (annotation.key, *annotation.old_keys) if key in keys)
            yield annotation, key, clean(given[PREFIX + key])


def layered(*levels: Options) -> Options:
    """One level over the other: for each option the last that says something; tags and problems of all, once each."""
    said = {name: value for level in levels for name in _OPTIONS if (value := getattr(level, name)) is not None}
    tags = (tag for level in levels for tag in level.tags)
    problems = (problem for level in levels for problem in level.problems)
    return Options(**said | {"tags": tuple(dict.fromkeys(tags)), "problems": tuple(dict.fromkeys(problems))})


def included(options: Options) -> bool:
    """Whether the runs of a CronJob with these options are to be told. `exclude: "true"` wins over everything."""
    return bool(options.include) and not options.exclude


def unknown(annotations: Mapping[str, str] | None, scope: Scope = Scope.CRON_JOB) -> tuple[Problem, ...]:
    """The keys under our prefix that nobody knows, each with the known one that is most like it.

    That one is only looked for (some 0.1 ms) where it is told.
    """
    found: list[Problem] = []
    for full_key, text in (annotations or {}).items():
        key = full_key.removeprefix(PREFIX)
        if not full_key.startswith(PREFIX) or key in KNOWN or key in OURS:
            continue
        near = _most_like(key, scope) if len(found) < MOST_TOLD else ""
        hint = f"; did you mean {near}?" if near else ""
        found.append(Problem(clean(key), clean(text), f"no such key{hint}", scope))
    return tuple(found)


def _most_like(key: str, scope: Scope) -> str:
    candidates = [one for one, known in KNOWN.items() if known.has_meaning(scope)]
    return next(iter(difflib.get_close_matches(key.lower(), candidates, n=1)), "")


def told(problems: Iterable[P], line: Callable[[P], str] = str) -> list[str]:
    """A line for each of these problems; of very many for the first, and one that says how many more there are."""
    distinct = list(dict.fromkeys(problems))
    lines = [line(problem) for problem in distinct[:MOST_TOLD]]
    more = len(distinct) - MOST_TOLD
    return [*lines, f"… and {more} more of what has no effect"] if more > 0 else lines
