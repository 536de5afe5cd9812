"""Keys never show: not on the page, not in what is recorded, not in a log line."""

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "***"  # ASCII: it may stand in a query string
SHORTEST_KEY = 8  # a shorter one could stand in any text by chance
_KEY_IN_PATH = re.compile(r"(?<=/)(ping|p)/[^/?#\s'\"]+")
_NOTHING = re.compile(r"(?!)")


class Redaction:
    """Takes every configured key out of a text, and whatever stands in a key's place out of a telemetry path."""

    def __init__(self, keys: Iterable[str]) -> None:
        given = list(keys)
        if any(len(key) < SHORTEST_KEY for key in given):
            raise ValueError(f"a key needs at least {SHORTEST_KEY} characters, or it could not be redacted")
        forms = sorted({form for key in given for form in (key, quote(key, safe=""))}, key=len, reverse=True)
        self._keys = re.compile("|".join(map(re.escape, forms))) if forms else _NOTHING

    def shows(self, text: str) -> bool:
        """Whether a configured key stands in the text."""
        return bool(self._keys.search(text))

    def text(self, text: str) -> str:
        return self._keys.sub(HIDDEN, text)

    def path(self, text: str) -> str:
        return self.text(_KEY_IN_PATH.sub(rf"\1/{HIDDEN}", text))


class RedactingFormatter(logging.Formatter):
    """Redacts the finished line, tracebacks included."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        return self._redaction.path(super().format(record))
