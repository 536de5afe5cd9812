"""`/healthz`, `/readyz` and `/metrics`: on a plain port of their own in both processes, and beside the webhook."""

import logging
import threading
from collections.abc import Callable, Mapping

from flask import Blueprint, Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.serving import WSGIRequestHandler, make_server

log = logging.getLogger(__name__)

Checks = Mapping[str, Callable[[], bool]]
Details = Mapping[str, Callable[[], str]]


def blueprint(checks: Checks, details: Details | None = None) -> Blueprint:
    """Routes that answer 200, or 503 with the names of the checks that do not hold yet.

    `details` are lines for people beside the 200, of what keeps no pod from being ready; an empty one is left out.
    """
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @routes.get("/readyz")
    def readyz() -> Response:
        waiting = [name for name, check in checks.items() if not check()]
        if waiting:
            return Response(f"waiting for: {', '.join(waiting)}\n", status=503, mimetype="text/plain")
        lines = ["ok", *(line for name, detail in (details or {}).items() if (line := _line(name, detail)))]
        return Response("".join(f"{line}\n" for line in lines), mimetype="text/plain")

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    return routes


def _line(name: str, detail: Callable[[], str]) -> str:
    try:
        text = " ".join(detail().split())
    except Exception:  # nothing that is said beside it may keep a pod from being ready
        log.exception("detail_failed", extra={"detail": name})
        return ""
    return f"{name}: {text}" if text else ""


class _QuietHandler(WSGIRequestHandler):
    """Probes come every few seconds: a line for each would bury what matters."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def serve(port: int, checks: Checks, details: Details | None = None) -> None:
    """Serve the routes in a thread, on every address and both IP families where the machine has them."""
    app = Flask("health")
    app.register_blueprint(blueprint(checks, details))
    try:
        server = make_server("::", port, app, threaded=True, request_handler=_QuietHandler)
    except OSError:
        server = make_server("0.0.0.0", port, app, threaded=True, request_handler=_QuietHandler)  # noqa: S104
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    log.info("health_served", extra={"port": port})
