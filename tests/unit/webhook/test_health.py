"""`/readyz`: whether a pod may be used, and beside it what people should know."""

from flask import Flask

from webhook.health import Checks, Details, blueprint


def readyz(checks: Checks, details: Details | None = None) -> tuple[int, str]:
    app = Flask("test")
    app.register_blueprint(blueprint(checks, details))
    answer = app.test_client().get("/readyz")
    return answer.status_code, answer.text


def test_it_is_ready_when_every_check_holds() -> None:
    assert readyz({"caches": lambda: True}) == (200, "ok\n")
    waiting = readyz({"caches": lambda: False, "lease": lambda: True, "tls": lambda: False})
    assert waiting == (503, "waiting for: caches, tls\n")


def test_details_are_lines_beside_it_and_keep_nothing_from_being_ready() -> None:
    details = {"monitors": lambda: "the key is\na telemetry key", "other": lambda: "", "broken": lambda: str(1 // 0)}
    assert readyz({}, details) == (200, "ok\nmonitors: the key is a telemetry key\n")


def test_what_is_not_ready_says_why_and_nothing_else() -> None:
    assert readyz({"caches": lambda: False}, {"monitors": lambda: "x"}) == (503, "waiting for: caches\n")
