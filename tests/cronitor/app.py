"""The Flask application: everything that is neither the page nor the control interface goes to Cronitor's APIs."""

import json
from pathlib import Path

from flask import Flask, Response, abort, request, send_from_directory
from werkzeug.exceptions import HTTPException

from tests.cronitor import monitors_api, telemetry
from tests.cronitor.account import Account, Answer, Incoming
from tests.cronitor.server import EXCHANGE, Exchange
from tests.cronitor.target import Telemetry, Unknown, read_target

OURS = ("/_control", "/page/")
PAGE = Path(__file__).parent / "page"
ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # HEAD comes with GET


def create_app(account: Account) -> Flask:
    """The application for one account, without its control interface."""
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False

    @app.get("/")
    def page() -> Response:
        return send_from_directory(PAGE, "index.html", max_age=0)

    @app.get("/page/<name>")
    def page_file(name: str) -> Response:
        return send_from_directory(PAGE, name, max_age=0)

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status=204)

    @app.route("/<path:_rest>", methods=ANY_METHOD, provide_automatic_options=False)
    def cronitor(_rest: str) -> Response:
        if request.path.startswith(OURS):
            abort(404)
        return _answer(account)

    @app.errorhandler(404)
    @app.errorhandler(405)
    def nothing_here(error: HTTPException) -> Response | HTTPException:
        """Odd paths and methods are recorded too, but for mistakes in the use of the control interface."""
        return error if request.path.startswith(OURS) else _answer(account)

    return app


def _answer(account: Account) -> Response:
    incoming = Incoming(
        arrived=account.clock(),
        scheme=request.scheme,
        method=request.method,
        target=request.environ["REQUEST_URI"],
        source=request.remote_addr or "",
        headers=dict(request.headers),
        body=request.get_data(),
    )
    match read_target(incoming.target):
        case Telemetry() as target:
            answer = telemetry.take(account, incoming, target)
        case Unknown():
            answer = account.unknown(incoming)
        case target:
            answer = monitors_api.take(account, incoming, target)
    return _response(account, answer)


def _response(account: Account, answer: Answer) -> Response:
    exchange = request.environ.get(EXCHANGE)
    if isinstance(exchange, Exchange):
        exchange.fault = answer.fault
        exchange.acknowledged = lambda: account.acknowledge(answer.number)
    if isinstance(answer.body, str):
        return Response(answer.body, answer.status, dict(answer.headers), mimetype="text/plain")
    return Response(json.dumps(answer.body), answer.status, dict(answer.headers), mimetype="application/json")
