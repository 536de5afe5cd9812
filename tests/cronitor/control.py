"""The control interface under `/_control`: what tests, demo and page read, how faults and rules are scripted."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from tests.cronitor.events import Kind
from tests.cronitor.faults import Fault
from tests.cronitor.monitors import UnknownMonitorError
from tests.cronitor.recording import Expectation, Recorded
from tests.cronitor.rules import Rule

if TYPE_CHECKING:
    from tests.cronitor.stand_in import StandIn

LONGEST_WAIT = 30.0
HEARTBEAT = 10.0


def control(stand_in: "StandIn") -> Blueprint:
    """Everything here is about a stand-in as a whole; nothing here is ever hit by a fault."""
    blueprint = Blueprint("control", __name__, url_prefix="/_control")
    _reading(blueprint, stand_in)
    _scripting(blueprint, stand_in)
    _editing(blueprint, stand_in)

    @blueprint.errorhandler(ValueError)
    def refused(error: ValueError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    return blueprint


def _reading(blueprint: Blueprint, stand_in: "StandIn") -> None:
    recording = stand_in.account.recording

    @blueprint.get("/requests")
    def requests() -> Response:
        """`after` is a request's number (with `wait`, a long poll), `since` a time; the rest narrows the answer."""
        after = int(request.args.get("after", 0))
        wait = min(float(request.args.get("wait", 0)), LONGEST_WAIT)
        since = float(request.args.get("since", 0))
        found = [one.as_json() for one in recording.after(after, wait) if one.arrived >= since]
        wanted = {
            name: request.args[name] for name in ("series", "monitor", "surface", "state") if name in request.args
        }
        kept = [one for one in found if all(one[name] == value for name, value in wanted.items())]
        return jsonify(requests=kept, last=recording.next_number - 1)

    @blueprint.get("/runs")
    def runs() -> Response:
        with stand_in.account.lock:
            return jsonify(runs=[run.as_json() for run in stand_in.runs()], last=recording.next_number - 1)

    @blueprint.get("/monitors")
    def monitors() -> Response:
        return jsonify(monitors=stand_in.monitors())

    @blueprint.get("/puts")
    def puts() -> Response:
        found = stand_in.monitor_puts(int(request.args.get("after", 0)))
        return jsonify(puts=[one.as_json() for one in found])

    @blueprint.get("/violations")
    def violations() -> Response:
        found = recording.violations(unexpected_only="all" not in request.args)
        return jsonify(violations=[one.as_json() for one in found])

    @blueprint.get("/stream")
    def stream() -> Response:
        after = request.headers.get("Last-Event-ID") or request.args.get("after", "0")
        return Response(
            _stream(stand_in, int(after)), mimetype="text/event-stream", headers={"Cache-Control": "no-store"}
        )


def _stream(stand_in: "StandIn", after: int) -> Iterator[str]:
    """Server-Sent Events: `request` for each recorded request, `reset` when a test started anew, `edit` by a person."""
    recording = stand_in.account.recording
    resets, edits = recording.turns
    yield "retry: 1000\n\n"
    while not recording.closed:
        news = recording.after(after, HEARTBEAT, (resets, edits))
        resets_before, edits_before = resets, edits
        resets, edits = recording.turns
        if resets != resets_before:
            yield "event: reset\ndata: {}\n\n"
        if edits != edits_before:
            yield "event: edit\ndata: {}\n\n"
        for record in news:
            after = record.number
            yield _sse(record)
        if not news:
            yield ": still here\n\n"


def _sse(record: Recorded) -> str:
    return f"id: {record.number}\nevent: request\ndata: {json.dumps(record.as_json())}\n\n"


def _scripting(blueprint: Blueprint, stand_in: "StandIn") -> None:
    @blueprint.route("/faults", methods=["GET", "PUT", "POST", "DELETE"])
    def faults() -> Response:
        """PUT replaces the script, POST adds to it, DELETE ends all faults."""
        given = [Fault.from_json(one) for one in _document("faults")] if request.method in ("PUT", "POST") else []
        if request.method in ("PUT", "DELETE"):
            stand_in.clear_faults()
        for fault in given:
            stand_in.fault(fault)
        return jsonify(faults=stand_in.faults())

    @blueprint.route("/rules", methods=["GET", "PUT", "POST", "DELETE"])
    def rules() -> Response:
        """PUT replaces the rules, POST adds to them, DELETE ends them all; Cronitor's documented form always counts."""
        given = [Rule.from_json(one) for one in _document("rules")] if request.method in ("PUT", "POST") else []
        if request.method in ("PUT", "DELETE"):
            stand_in.clear_rules()
        for rule in given:
            stand_in.rule(rule)
        return jsonify(rules=[one.as_json() for one in stand_in.account.rules])

    @blueprint.route("/expectations", methods=["PUT", "POST"])
    def expectations() -> Response:
        for one in _document("expectations"):
            stand_in.account.recording.expect(Expectation(**one | {"kind": Kind(str(one.get("kind")))}))
        return jsonify({})

    @blueprint.put("/behaviour")
    def behaviour() -> Response:
        stand_in.behave(**request.get_json())
        return jsonify({})

    @blueprint.post("/reset")
    def reset() -> Response:
        stand_in.reset()
        return jsonify({})


def _editing(blueprint: Blueprint, stand_in: "StandIn") -> None:
    """What a person does with a monitor in Cronitor itself."""

    @blueprint.get("/monitors/<path:key>")
    def monitor(key: str) -> Response:
        found = stand_in.monitor(key)
        if found is None:
            raise UnknownMonitorError(key)
        return jsonify(found)

    @blueprint.patch("/monitors/<path:key>")
    def edit(key: str) -> Response:
        """The attributes given, by the rules of a PUT; null unsets what a PUT may unset."""
        text = stand_in.account.redaction.text(request.get_data(as_text=True))
        changes = json.loads(text)
        if not isinstance(changes, dict):
            raise ValueError("the body must be an object of attributes")
        return jsonify(stand_in.edit_monitor(key, **changes))

    @blueprint.delete("/monitors/<path:key>")
    def delete(key: str) -> Response:
        stand_in.delete_monitor(key)
        return jsonify({})

    @blueprint.errorhandler(UnknownMonitorError)
    def unknown(error: UnknownMonitorError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 404


def _document(name: str) -> list[dict[str, Any]]:
    document = request.get_json()
    given = document.get(name) if isinstance(document, dict) else document
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ValueError(f'the body must be {{"{name}": [{{…}}]}}')
    return given
