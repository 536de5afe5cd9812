"""Logging of both processes: one line an event, as `key=value` or JSON, with the fields given as `extra`."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

_BREAKS_A_LINE = re.compile(r'[ "=\n]')
MOST_CONCEALED = 10_000
_concealed: dict[str, None] = {}
_BUILT_IN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class Formatter(logging.Formatter):
    """Fields first the same in every line, then those of the event. `secrets` never show, nor what is concealed."""

    def __init__(self, style: str, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._json = style == "json"
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **{name: value for name, value in record.__dict__.items() if name not in _BUILT_IN},
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        line = json.dumps(fields, default=str) if self._json else " ".join(_pair(*field) for field in fields.items())
        for secret in (*self._secrets, *tuple(_concealed)):
            line = line.replace(secret, "***")
        return line


def set_up(level: str, style: str, secrets: tuple[str, ...] = ()) -> None:
    """Send all logging to standard output in `style` (`text` or `json`); `secrets` are replaced wherever they show."""
    # Found out for each line, and in none of ours (Python's logging HOWTO, "Optimization"): a third of a line's CPU.
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = False  # gunicorn's own lines show the process
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Formatter(style, secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Their own lines hold request paths; ours tell what matters of them.
    for name in ("urllib3", "werkzeug", "kubernetes", "leaderelection"):
        logging.getLogger(name).setLevel(logging.WARNING)


def conceal(secret: str) -> None:
    """From now on this shows in no line either; of very many only the newest are kept. For one thread at a time."""
    if not secret:
        return
    _concealed.pop(secret, None)
    _concealed[secret] = None
    if len(_concealed) > MOST_CONCEALED:
        del _concealed[next(iter(_concealed))]


def _pair(name: str, value: Any) -> str:
    text = str(value)
    if not text or _BREAKS_A_LINE.search(text):
        text = json.dumps(text, ensure_ascii=False)
    return f"{name}={text}"
