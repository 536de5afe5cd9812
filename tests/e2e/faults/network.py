"""What is done to one pod's network, from the node, inside the pod's own network namespace."""

import subprocess
from enum import Enum

from tests.cluster.layout import API_SERVICE_IP, NODE_IP


class Way(Enum):
    """In what way packets do not arrive."""

    DROP = ("-j", "DROP")
    REJECT = ("-j", "REJECT", "--reject-with", "tcp-reset")


class Network:
    """A pod's network, by an open file of it. `cronitor_port` is the stand-in's on the node."""

    def __init__(self, network: int, cronitor_port: str) -> None:
        self._file = network
        self._inside = ["nsenter", f"--net=/proc/self/fd/{network}", "--"]
        self._places = {"api": (API_SERVICE_IP, "443"), "cronitor": (NODE_IP, cronitor_port)}

    def block(self, place: str, way: Way = Way.REJECT) -> None:
        """No packet leaves for `api` or `cronitor` any more; established connections to it are cut as well."""
        self._rule("-I", place, way)
        self.cut(place)

    def open(self, place: str, way: Way = Way.REJECT) -> None:
        self._rule("-D", place, way)

    def cut(self, place: str) -> int:
        """Ends established connections, for both sides at once; how many there were."""
        address, port = self._places[place]
        done = self._run("ss", "-K", "-H", "-t", "-n", "state", "established", "dst", address, "dport", "=", f":{port}")
        return len(done.stdout.splitlines())

    def _rule(self, action: str, place: str, way: Way) -> None:
        address, port = self._places[place]
        rule = ["-d", address, "-p", "tcp", "--dport", port, *way.value]
        self._run("iptables", "-w", "10", action, "OUTPUT", *rule)

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        line = [*self._inside, *command]
        done = subprocess.run(line, capture_output=True, text=True, timeout=30, pass_fds=[self._file])
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done
