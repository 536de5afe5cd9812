"""The annotations that a person writes on a CronJob, as a table, and what they come to. Pure.

All stand under `k8s.cronitor.io/`. Keys, old names and Go's booleans are those of Cronitor's own agent, so that its
users keep their monitors; where the agent fails on a bad value, here it becomes a `Problem` and counts as absent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

PREFIX = "k8s.cronitor.io/"

TRUE_WORDS = frozenset({"1", "t", "T", "TRUE", "true", "True"})
LONGEST_VARIABLE = 4096
FALSE_WORDS = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class KeyInference(Enum):
    """What a monitor's key is made from where no `key` is given."""

    UID = "k8s"
    NAME = "name"


class AlertOn(Enum):
    """Which failures are told: of the run, or of each attempt."""

    RUN = "run"
    ATTEMPT = "attempt"


@dataclass(frozen=True, slots=True)
class Problem:
    """An annotation that cannot be read: its key without prefix, its value, and what would be allowed."""

    key: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.key}: {self.value!r} cannot be used, allowed is {self.allowed}"


@dataclass(frozen=True, slots=True)
class Options:
    """What the annotations of one CronJob say; absent ones are None or empty. `grace_seconds` in seconds."""

    include: bool | None = None
    exclude: bool | None = None
    inject: bool | None = None
    key: str = ""
    key_inference: KeyInference | None = None
    name: str = ""
    name_prefix: str | None = None
    env: str | None = None
    tags: tuple[str, ...] = ()
    group: str = ""
    notify: tuple[str, ...] = ()
    grace_seconds: int | None = None
    duration_assertions: tuple[str, ...] = ()
    note: str = ""
    log_complete_event: bool | None = None
    alert_on: AlertOn = AlertOn.RUN
    containers: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = field(default=())


class _UnreadableError(Exception):
    """The value does not fit; the argument says what would."""


def _boolean(text: str) -> bool:
    # strconv.ParseBool of Go: nothing else is a boolean to the agent either.
    if text in TRUE_WORDS:
        return True
    if text in FALSE_WORDS:
        return False
    raise _UnreadableError('a boolean such as "true" or "false"')


def _natural(text: str) -> int:
    # Nine digits are thirty years; `int` itself raises on some thousands.
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise _UnreadableError("a whole number of 0 or more, in seconds")
    return int(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _text(text: str) -> str:
    return text.strip()


def _variable(text: str) -> str:
    """A text that the sidecar gets as an environment variable: a huge one would keep its container from starting."""
    if len(text.encode()) > LONGEST_VARIABLE:
        raise _UnreadableError(f"a text of at most {LONGEST_VARIABLE} bytes")
    return text.strip()


def _variable_words(text: str) -> tuple[str, ...]:
    return _words(_variable(text))


def _one_of(kind: type[Enum]) -> Callable[[str], Enum]:
    allowed = " or ".join(f'"{member.value}"' for member in kind)

    def parse(text: str) -> Enum:
        try:
            return kind(text.strip())
        except ValueError:
            raise _UnreadableError(allowed) from None

    return parse


@dataclass(frozen=True, slots=True)
class Annotation:
    """One documented key: the option it fills, how it is read, and its old names."""

    key: str
    option: str
    parse: Callable[[str], Any]
    old_keys: tuple[str, ...] = ()


TABLE = (
    Annotation("include", "include", _boolean),
    Annotation("exclude", "exclude", _boolean),
    Annotation("inject", "inject", _boolean),
    Annotation("key", "key", _variable, ("cronitor-id",)),
    Annotation("key-inference", "key_inference", _one_of(KeyInference), ("id-inference",)),
    Annotation("name", "name", _text, ("cronitor-name",)),
    Annotation("name-prefix", "name_prefix", str),
    Annotation("env", "env", _variable),
    Annotation("tags", "tags", _words),
    Annotation("group", "group", _text, ("cronitor-group",)),
    Annotation("notify", "notify", _words, ("cronitor-notify",)),
    Annotation("grace-seconds", "grace_seconds", _natural, ("cronitor-grace-seconds",)),
    Annotation("metric.duration", "duration_assertions", _words),
    Annotation("note", "note", _text),
    Annotation("log-complete-event", "log_complete_event", _boolean),
    Annotation("alert-on", "alert_on", _one_of(AlertOn)),
    Annotation("containers", "containers", _variable_words),
)


def read(annotations: Mapping[str, str] | None) -> Options:
    """The options that a CronJob's annotations give. A value that cannot be read is a problem and counts as absent."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for annotation in TABLE:
        for key in (annotation.key, *annotation.old_keys):
            text = (annotations or {}).get(PREFIX + key)
            if text is None:
                continue
            try:
                found[annotation.option] = annotation.parse(text)
            except _UnreadableError as unreadable:
                problems.append(Problem(key, text, str(unreadable)))
            break  # the new name wins over an old one
    return Options(**found, problems=tuple(problems))


def included(options: Options, *, by_default: bool) -> bool:
    """Whether the runs of a CronJob with these options are to be told. `exclude: "true"` wins over everything."""
    if options.exclude:
        return False
    return by_default if options.include is None else options.include
