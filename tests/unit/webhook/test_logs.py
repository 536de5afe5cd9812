"""One line an event, in both styles, and never a secret in any of them."""

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from webhook import logs
from webhook.logs import Formatter

SECRET = "s3cr3t-0123456789"
STYLES = ["text", "json"]


def line_of(style: str, message: str, extra: dict[str, Any] | None = None, error: BaseException | None = None) -> str:
    record = logging.getLogger("x").makeRecord(
        "x", logging.WARNING, __file__, 1, message, (), (type(error), error, None) if error else None, extra=extra
    )
    record.created = 1772366400.25
    return Formatter(style, (SECRET, "")).format(record)


def test_a_line_of_text_is_key_value() -> None:
    assert line_of("text", "run_marked", {"namespace": "shop", "start": 1.5, "verdict": ""}) == (
        'time=2026-03-01T12:00:00.250+00:00 level=warning event=run_marked namespace=shop start=1.5 verdict=""'
    )


def test_a_line_of_json_has_the_same_fields() -> None:
    assert json.loads(line_of("json", "run_marked", {"namespace": "shop", "start": 1.5, "path": Path("/x")})) == {
        "time": "2026-03-01T12:00:00.250+00:00",
        "level": "warning",
        "event": "run_marked",
        "namespace": "shop",
        "start": 1.5,
        "path": "/x",
    }


@pytest.mark.parametrize("text", ["two words", "a=b", 'say "so"', "two\nlines", ""])
def test_a_value_that_would_break_the_line_is_quoted(text: str) -> None:
    line = line_of("text", "e", {"found": text})
    assert "\n" not in line
    assert line.endswith(f"found={json.dumps(text)}")


@pytest.mark.parametrize("style", STYLES)
def test_an_exception_stays_in_its_line(style: str) -> None:
    line = line_of(style, "failed", error=ValueError("out of luck"))
    assert "\n" not in line
    assert "ValueError: out of luck" in line


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("message", "extra", "error"),
    [
        (f"GET /p/{SECRET}/key", {}, None),
        ("e", {"path": f"/p/{SECRET}/key"}, None),
        ("e", {"path": {"nested": [SECRET, SECRET]}}, None),
        ("e", {}, ValueError(f"https://cronitor.link/p/{SECRET}/x")),
    ],
)
def test_secrets_never_show(style: str, message: str, extra: dict[str, Any], error: BaseException | None) -> None:
    line = line_of(style, message, extra, error)
    assert SECRET not in line
    assert "***" in line


@pytest.fixture
def root() -> Iterator[None]:
    """The root logger as new, and afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("style", STYLES)
def test_what_is_logged_goes_to_standard_output_from_its_level_on(
    capsys: pytest.CaptureFixture[str], style: str
) -> None:
    logs.set_up("warning", style, (SECRET,))
    log = logging.getLogger("webhook.some.module")
    log.info("not_said")
    log.warning("said", extra={"key": SECRET})
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("raised")
    output = capsys.readouterr().out
    said, raised = output.splitlines()
    assert "said" in said
    assert "Traceback" in raised
    assert SECRET not in output


@pytest.mark.usefixtures("root")
def test_the_lines_of_libraries_that_hold_request_paths_are_kept_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("debug", "text")
    for name in ("urllib3.connectionpool", "werkzeug", "leaderelection"):
        logging.getLogger(name).info("GET /p/key/x")
    assert capsys.readouterr().out == ""


def test_of_what_is_concealed_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_concealed", {})
    monkeypatch.setattr(logs, "MOST_CONCEALED", 2)
    for secret in ("first-key", "second-key", "", "first-key", "third-key"):
        logs.conceal(secret)
    assert line_of("json", "first-key second-key third-key").count("***") == 2
    assert "second-key" in line_of("text", "second-key")


def test_no_line_of_ours_uses_a_field_that_every_record_has() -> None:
    # `logging` raises on those, at the moment at which something is to be logged: mostly a failure.
    reserved = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
    package = Path(logs.__file__).parent
    for path in package.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            for keyword in call.keywords:
                if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
                    used = {key.value for key in keyword.value.keys if isinstance(key, ast.Constant)}
                    assert not used & reserved, f"{path}:{call.lineno}"
