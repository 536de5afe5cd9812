"""`python -m tests.cronitor`: runs the stand-in until it is interrupted or terminated."""

import argparse
import json
import logging
import signal
import socket
import sys
from pathlib import Path
from threading import Event

from tests.cronitor.account import Behaviour
from tests.cronitor.redaction import RedactingFormatter
from tests.cronitor.rules import Rule
from tests.cronitor.stand_in import StandIn
from tests.cronitor.state_file import StateFileError


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cronitor", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="HTTP")
    parser.add_argument("--https-port", type=int, default=8002)
    parser.add_argument("--control-port", type=int, default=8003, help="page and /_control, never hit by a fault")
    parser.add_argument("--directory", type=Path, required=True, help="for ca.crt and addresses.json")
    parser.add_argument("--name", action="append", default=[], help="another name or address in the certificate")
    parser.add_argument("--rate-limits", action="store_true")
    parser.add_argument("--api-key", action="append", default=[], metavar="KEY=sdk|telemetry", type=_key)
    parser.add_argument("--state", type=Path, metavar="FILE", help="where its monitors survive a restart")
    parser.add_argument(
        "--rule", action="append", default=[], metavar="JSON", type=_rule,
        help='refuse monitors: {"attribute": "name", "matches": REGEX, "message": WORDS, "form": "error|errors|text"}',
    )  # fmt: skip
    for option, what in (("notify", "a notification list"), ("group", "a group"), ("tag", "a tag")):
        parser.add_argument(f"--{option}", action="append", metavar="KEY", help=f"{what} that there is, and no others")
    parser.add_argument("--page-fd", type=int, help="a bound socket, inherited, on which to serve the page as well")
    parser.add_argument("--quiet", action="store_true", help="log warnings only")
    return parser.parse_args()


def _key(text: str) -> tuple[str, str]:
    """The message never repeats what was given: it may be a key."""
    key, _, kind = text.rpartition("=")
    if not key or kind not in ("sdk", "telemetry"):
        raise argparse.ArgumentTypeError("must be KEY=sdk or KEY=telemetry")
    return key, kind


def _rule(text: str) -> Rule:
    try:
        return Rule.from_json(json.loads(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _behaviour(arguments: argparse.Namespace) -> Behaviour:
    has = {"notify": arguments.notify, "groups": arguments.group, "tags": arguments.tag}
    return Behaviour(rate_limits=arguments.rate_limits).altered(**has)


def main() -> int:
    arguments = _arguments()
    stand_in = StandIn(
        host=arguments.host,
        port=arguments.port,
        https_port=arguments.https_port,
        control_port=arguments.control_port,
        directory=arguments.directory,
        names=arguments.name,
        keys=dict(arguments.api_key),
        behaviour=_behaviour(arguments),
        rules=arguments.rule,
        state=arguments.state,
        page_socket=None if arguments.page_fd is None else socket.socket(fileno=arguments.page_fd),
    )
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(stand_in.account.redaction))
    logging.basicConfig(level=logging.WARNING if arguments.quiet else logging.INFO, handlers=[handler])
    ended = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        stand_in.start()
    except (OSError, StateFileError) as error:
        print(f"The stand-in cannot start: {error}", file=sys.stderr)
        return 1
    try:
        _announce(stand_in)
        ended.wait()
    finally:
        stand_in.stop()
    return 0


def _announce(stand_in: StandIn) -> None:
    addresses = {"http": stand_in.url, "https": stand_in.https_url, "control": stand_in.control_url}
    ca_file = str(stand_in.ca_file.resolve())
    (stand_in.ca_file.parent / "addresses.json").write_text(json.dumps(addresses | {"ca": ca_file}) + "\n")
    print(f"telemetry  {stand_in.url}  {stand_in.https_url}")
    print(f"monitors   {stand_in.url}/api  {stand_in.https_url}/api")
    print(f"page       {stand_in.control_url}/")
    print(f"CA         {ca_file}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
