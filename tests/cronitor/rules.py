"""Rules by which an account refuses a monitor: those a test scripts, and the lists and groups that it does not have."""

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from typing import Any

ERROR_FORMS = ("error", "errors", "text")


@dataclass(frozen=True, slots=True)
class Rule:
    """A monitor whose `attribute` matches is answered 400 with these words, in this form of error body.

    `matches` is searched for in a text, in each element of a list, and in the JSON of anything else. In the message
    `{key}` stands for the monitor's key, `{value}` for what matched. What is left out or null matches nothing.
    """

    attribute: str
    matches: str
    message: str
    form: str = "errors"

    def __post_init__(self) -> None:
        if not self.attribute or not self.message:
            raise ValueError("a rule needs an attribute and a message")
        if self.form not in ERROR_FORMS:
            raise ValueError(f"form is one of {', '.join(ERROR_FORMS)}, not {self.form!r}")
        try:
            re.compile(self.matches)
        except re.error as error:
            raise ValueError(f"{self.matches!r} is no regular expression: {error}") from None

    def complaint(self, monitor: dict[str, Any]) -> str:
        """What it says of this monitor, or nothing."""
        given = monitor.get(self.attribute)
        for value in given if isinstance(given, list) else [given]:
            text = value if isinstance(value, str) else json.dumps(value)
            if value is not None and re.search(self.matches, text):
                return self.message.replace("{key}", str(monitor.get("key", ""))).replace("{value}", text)
        return ""

    @classmethod
    def from_json(cls, document: object) -> "Rule":
        names = [one.name for one in fields(cls)]
        if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
            raise ValueError(f"a rule is an object of texts: {', '.join(names)}")
        if unknown := set(document) - set(names):
            raise ValueError(f"a rule has no {', '.join(sorted(unknown))}; it has {', '.join(names)}")
        if missing := [name for name in names[:3] if name not in document]:
            raise ValueError(f"a rule needs {', '.join(missing)}")
        return cls(**document)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def only(attribute: str, existing: Collection[str], message: str) -> Rule:
    """Refuses whatever is none of these."""
    return Rule(attribute, rf"\A(?!(?:{'|'.join(map(re.escape, sorted(existing)))})\Z)", message)
