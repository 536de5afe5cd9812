"""`python -m tests.cluster up | down | status | env | exec -- COMMAND… | load IMAGE.tar | build`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import cluster
from tests.cluster import binaries, current, lifecycle
from tests.cluster.components import NAMES
from tests.cluster.errors import ClusterError
from tests.cluster.layout import RUN


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        return _carry_out(options)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; `python -m tests.cluster down` removes what was started", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="A real Kubernetes for the tests.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the cluster, building what is missing; nothing if it is up")
    up.add_argument("--fresh", action="store_true", help="start a new one even if one is up")
    commands.add_parser("down", help="take the cluster down, leaving nothing of it")
    commands.add_parser("status", help="whose cluster is up and whether it is healthy (exit 1 if not)")
    commands.add_parser("env", help="print NODE_IP and KUBECONFIG")
    execute = commands.add_parser("exec", help="run a command inside the cluster's network, NODE_IP and KUBECONFIG set")
    execute.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND…")
    load = commands.add_parser("load", help="give the node an image from a docker-archive tar")
    load.add_argument("image", type=Path, nargs="+", metavar="IMAGE.tar")
    commands.add_parser("build", help="only build the binaries")
    for name in ("stop", "start", "restart"):  # for tests of faults, so not in the help
        component = commands.add_parser(name)
        component.add_argument("component", choices=NAMES)
        component.add_argument("--kill", action="store_true", help="with SIGKILL")
    return parser


def _carry_out(options: argparse.Namespace) -> int:
    match options.command:
        case "up":
            cluster.up(fresh=options.fresh)
        case "down":
            cluster.down()
        case "status":
            return _status()
        case "env":
            shown = cluster.environment()
            print(f"NODE_IP={shown['NODE_IP']}\nKUBECONFIG={shown['KUBECONFIG']}")
        case "exec":
            _execute(options.argv)
        case "load":
            for image in options.image:
                cluster.load(image)
        case "build":
            for folder in binaries.build():
                print(folder)
        case "start":
            cluster.start_component(options.component)
        case _:
            signal_number = signal.SIGKILL if options.kill else signal.SIGTERM
            act = cluster.stop_component if options.command == "stop" else cluster.restart_component
            act(options.component, signal_number)
    return 0


def _execute(arguments: Sequence[str]) -> None:
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        raise ClusterError("exec needs a command: python -m tests.cluster exec -- kubectl get nodes")
    environment = {**os.environ, **cluster.environment()}
    line = cluster.command_line(command)
    # PATH as the command will have it, so that its own kubectl and helm are found.
    os.environ["PATH"] = environment["PATH"]
    try:
        os.execvpe(line[0], line, environment)
    except FileNotFoundError:
        raise ClusterError(f"no such command: {line[0]}") from None


def _status() -> int:
    if current.chosen():
        print(f"current kubectl context: {current.check()}")
        return 0
    state = lifecycle.State.read()
    if state is not None:
        print(f"checkout: {state.checkout}\nfolder: {RUN} (logs in logs/)")
        for name in NAMES:
            process = state.components.get(name)
            shown = f"process {process.pid}" if process and lifecycle.alive(state, name) else "not running"
            print(f"  {name}: {shown}")
    ailments = lifecycle.ailments(state)
    print("; ".join(ailments) or "healthy")
    return 1 if ailments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
