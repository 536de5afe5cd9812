"""The demo's Cronitor: a stand-in in a process of its own, in the cluster's network, that outlives the demo.

Its page is also served on a loopback port of this machine, so that a browser reaches it: that socket is bound out here
and handed to the process, which lives in the cluster's network where the pods reach it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests import cluster
from tests.cluster import processes
from tests.cluster.layout import CHECKOUT, cache
from tests.cluster.processes import Process

API_KEY = "demo-sdk-key-0001"
TELEMETRY_KEY = "demo-telemetry-key-0001"
PORTS = {"--port": 8001, "--https-port": 8002, "--control-port": 8003}
PAGE_PORTS = range(8900, 8920)
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where it is: `url` for pods, `ca` to trust there, `page` for a browser on this machine, also for its control."""

    url: str
    ca: str
    page: str


def start() -> Address:
    """Start it anew, with nothing recorded."""
    stop()
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    host = reachable_host()
    page_socket = _page_socket()
    page = f"http://127.0.0.1:{page_socket.getsockname()[1]}"
    command = [
        sys.executable, "-m", "tests.cronitor", "--host", "0.0.0.0", "--name", host, "--directory", str(folder),
        "--api-key", f"{API_KEY}=sdk", "--api-key", f"{TELEMETRY_KEY}=telemetry",
        "--page-fd", str(page_socket.fileno()),
        *(str(word) for option in PORTS.items() for word in option),
    ]  # fmt: skip
    log = folder / "log"
    (folder / "ca.crt").unlink(missing_ok=True)
    with page_socket, log.open("w") as output:
        started = subprocess.Popen(
            cluster.command_line(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=CHECKOUT,
            env={**os.environ, **cluster.environment()}, start_new_session=True, pass_fds=[page_socket.fileno()],
        )  # fmt: skip
    known = Process(started.pid, processes.start_time(started.pid) or "ended")
    (folder / "process.json").write_text(json.dumps(asdict(known)))
    if not processes.wait_until(lambda: "page" in log.read_text() or started.poll() is not None, START_SECONDS):
        raise cluster.ClusterError(f"the stand-in did not start within {START_SECONDS:g} s: {processes.tail(log)}")
    if started.poll() is not None:
        raise cluster.ClusterError(f"the stand-in ended at once: {processes.tail(log)}")
    started.returncode = 0  # it is meant to outlive us; without this, Popen would complain that it does
    return Address(f"https://{host}:{PORTS['--https-port']}", (folder / "ca.crt").read_text(), page)


def stop() -> None:
    """End it, if one runs."""
    try:
        known = Process(**json.loads((_folder() / "process.json").read_text()))
    except (OSError, ValueError, TypeError):
        return
    processes.stop_group(known, signal.SIGTERM, START_SECONDS)


def reachable_host() -> str:
    """The address at which pods reach this machine (STAND_IN_HOST names another)."""
    if named := os.environ.get("STAND_IN_HOST"):
        return named
    environment = cluster.environment()
    if os.environ.get("CLUSTER") != "current":
        return environment["NODE_IP"]
    kubeconfig = cluster.run(["kubectl", "config", "view", "--minify", "--output", "yaml"]).stdout
    server = urlsplit(yaml.safe_load(kubeconfig)["clusters"][0]["cluster"]["server"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as towards:  # sends nothing: only the route is looked up
        towards.connect((server.hostname, server.port or 443))
        return str(towards.getsockname()[0])


def _page_socket() -> socket.socket:
    for port in PAGE_PORTS:
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", port))
        except OSError:
            bound.close()
        else:
            return bound
    raise cluster.ClusterError(f"no port from {PAGE_PORTS.start} to {PAGE_PORTS.stop - 1} is free for the page")


def _folder() -> Path:
    return cache() / "stand-in"
