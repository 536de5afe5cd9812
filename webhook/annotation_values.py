"""How an annotation's text is read: one parser for each type. Pure.

A text that does not fit raises `UnreadableError`, whose words say what would.
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

E = TypeVar("E", bound=Enum)

TRUE_WORDS = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE_WORDS = frozenset({"0", "f", "F", "FALSE", "false", "False"})
LONGEST_VARIABLE = 4096
TAG_LIMIT = 100
ELLIPSIS = "…"

_CONDITION = re.compile(r"(!=|[<>=]+) ?[^<>=! ]")


class UnreadableError(Exception):
    """The value does not fit; the argument says what it must be."""


def clean(text: str) -> str:
    """The text with U+FFFD for what no UTF-8 (lone surrogates) or no environment variable (NUL) can carry."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def boolean(text: str) -> bool:
    """As strconv.ParseBool of Go: nothing else is a boolean to the agent either."""
    if text in TRUE_WORDS:
        return True
    if text in FALSE_WORDS:
        return False
    raise UnreadableError('a boolean such as "true" or "false"')


def natural(text: str) -> int:
    """Nine digits at most: as seconds thirty years; and `int` itself raises on some thousands."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise UnreadableError("a whole number of 0 or more")
    return int(text)


def plain(text: str) -> str:
    return text.strip()


def words(text: str) -> tuple[str, ...]:
    """The elements between commas, without the empty ones."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def tags(text: str) -> tuple[str, ...]:
    return tuple(cut_tag(word) for word in words(text))


def cut_tag(tag: str) -> str:
    """A tag of more characters than Cronitor takes, cut at its end."""
    return tag if len(tag) <= TAG_LIMIT else tag[: TAG_LIMIT - len(ELLIPSIS)] + ELLIPSIS


def interval(text: str) -> str:
    """Any words: what Cronitor makes of them is its own matter."""
    if not text.strip():
        raise UnreadableError('a time such as "8 hours"')
    return text.strip()


def conditions(text: str) -> tuple[str, ...]:
    """Comparisons such as `< 30 seconds`, their blanks and line breaks made one blank."""
    found = tuple(" ".join(word.split()) for word in words(text))
    if not all(_CONDITION.match(one) for one in found):
        raise UnreadableError('conditions such as "< 30 seconds, > 5 seconds"')
    return found


def variable(text: str) -> str:
    """A text that the sidecar gets as an environment variable: a huge one would keep its container from starting."""
    if len(text.encode()) > LONGEST_VARIABLE:
        raise UnreadableError(f"a text of at most {LONGEST_VARIABLE} bytes")
    return text.strip()


def monitor_key(text: str) -> str:
    """A key stands in the path of addresses, where `.` and `..` would mean another one."""
    if (key := variable(text)) in (".", ".."):
        raise UnreadableError('a text other than "." and ".."')
    return key


def variable_words(text: str) -> tuple[str, ...]:
    return words(variable(text))


def one_of(kind: type[E]) -> Callable[[str], E]:
    allowed = " or ".join(f'"{member.value}"' for member in kind)

    def parse(text: str) -> E:
        try:
            return kind(text.strip())
        except ValueError:
            raise UnreadableError(allowed) from None

    return parse
