"""The walls around the cluster: a network, a mount and a process namespace, all of which go when its init is killed.

The kernel ends every process of a process namespace, containers and their shims included, together with its first
one, and a mount namespace's mounts with its last process. So taking a cluster down needs no cooperation from it, nor
any record of what was started: it works for one that was half started, or whose starter was killed.
"""

import contextlib
import os
import shutil
import signal
from pathlib import Path

from tests.cluster import processes
from tests.cluster.errors import ClusterError
from tests.cluster.layout import MARKER, NETNS, NETNS_PATH, NODE_NETWORK, RUN, SERVICE_RANGE, log_of
from tests.cluster.packages import SYSTEM_PATH
from tests.cluster.processes import Process, wait_until

CGROUPS = Path("/sys/fs/cgroup")
END_SECONDS = 20.0
# `ip netns exec` is not used: it mounts a new /sys, which hides the cgroups from the kubelet.
IN_NETWORK = ("nsenter", f"--net={NETNS_PATH}", "--")
# Folders that kubelet, containerd and the CNI plugins write to whatever they are told: in our mount namespace they
# are folders of the run, so that nothing is left in the machine's own, nor mixed up with what it has there.
PRIVATE_FOLDERS = ("/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods")
# The mounts get their own propagation group, so that pods may ask for mounts to be passed on, and none reaches the
# machine. SIGCHLD is ignored so that the kernel reaps what is orphaned in the namespace.
INIT = f"""set -e
mount --make-rshared /
for folder in {" ".join(PRIVATE_FOLDERS)}; do
  mkdir -p $folder {RUN}/private$folder
  mount --bind {RUN}/private$folder $folder
done
exec env --ignore-signal=CHLD sleep infinity"""


def environment() -> dict[str, str]:
    """What the cluster's processes have in their environment, and nothing of their starter's."""
    return {"PATH": SYSTEM_PATH, "HOME": "/root", MARKER[0]: MARKER[1]}


def create() -> Process:
    """Makes the namespaces and the node's network; returns the init, whose life is the cluster's."""
    processes.run(["ip", "netns", "add", NETNS])
    # There is no dummy interface in some kernels, and 127.0.0.1 is refused as a node's address: a bridge with
    # one end of a veth pair in it is up, and carries the address.
    for command in (
        "ip link set lo up",
        "ip link add node0 type bridge",
        "ip link add node0-a type veth peer name node0-b",
        "ip link set node0-a master node0",
        f"ip addr add {NODE_NETWORK} dev node0",
        "ip link set node0 up",
        "ip link set node0-a up",
        "ip link set node0-b up",
        # Without a route a connection to a Service's address fails before kube-proxy's rules see it.
        f"ip route add {SERVICE_RANGE} dev node0",
        "sysctl -qw net.ipv4.ip_forward=1",
    ):
        processes.run([*IN_NETWORK, *command.split()])
    flags = ("--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc")
    outer = processes.spawn([*IN_NETWORK, "unshare", *flags, "sh", "-c", INIT], log_of("init"), environment())
    found: list[Process] = []

    def init_is_ready() -> bool:
        found[:] = [Process(pid, processes.start_time(pid) or "ended") for pid in _marked() if _is_init(pid)]
        return bool(found) or not processes.alive(outer)

    if not wait_until(init_is_ready, END_SECONDS) or not found:
        raise ClusterError(f"no process namespace could be made:\n{processes.tail(log_of('init'))}")
    return found[0]


def inside(init: Process) -> tuple[str, ...]:
    """What to put before a command so that it runs as a part of the cluster, in all its namespaces."""
    return ("nsenter", f"--target={init.pid}", "--net", "--mount", "--pid", "--")


def exists() -> bool:
    """Whether anything is there to be taken down."""
    return RUN.exists() or NETNS_PATH.exists() or bool(_marked())


def destroy() -> None:
    """Leaves no process, mount, network namespace, bridge or cgroup; takes any state of things, also none at all."""
    _end_cluster()
    _end_visitors()
    for mount in _mounts_below(RUN):
        processes.run(["umount", "--lazy", mount])
    if NETNS_PATH.exists():
        processes.run(["ip", "netns", "delete", NETNS], check=False)
        NETNS_PATH.unlink(missing_ok=True)
    if not wait_until(remove_cgroups, END_SECONDS):
        raise ClusterError(f"cgroups cannot be removed: {', '.join(map(str, pod_cgroups()))}")
    shutil.rmtree(RUN, ignore_errors=True)
    if RUN.exists():
        shutil.rmtree(RUN)


def _end_cluster() -> None:
    def none_left() -> bool:
        left = _marked()
        processes.kill_all(left, signal.SIGKILL)
        return not left

    if not wait_until(none_left, END_SECONDS):
        raise ClusterError(f"processes of the cluster do not end by SIGKILL: {_marked()}")


def _end_visitors() -> None:
    """Ends what runs in the network namespace but is no part of the cluster, such as tests started by `exec`."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        processes.kill_all(_visitors(), signal_number)
        if wait_until(lambda: not _visitors(), END_SECONDS / 5):
            return
    raise ClusterError(f"processes in the network namespace {NETNS} do not end: {_visitors()}")


def _visitors() -> list[int]:
    try:
        network = os.stat(NETNS_PATH)
    except FileNotFoundError:
        return []
    ours = processes.own_line()
    found = []
    for pid in processes.all_pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            theirs = os.stat(f"/proc/{pid}/ns/net")
            if (theirs.st_ino, theirs.st_dev) == (network.st_ino, network.st_dev) and pid not in ours:
                found.append(pid)
    return found


def _marked() -> list[int]:
    marker = "=".join(MARKER).encode()
    ours = processes.own_line()
    found = []
    for pid in processes.all_pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if pid not in ours and marker in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def _is_init(pid: int) -> bool:
    """The first process of a process namespace right below ours, and past the shell that prepares it."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/status").read_text()
        ids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        return len(ids) == 2 and ids[1] == "1" and Path(f"/proc/{pid}/comm").read_text().strip() == "sleep"
    return False


def _mounts_below(folder: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((p for p in points if p.startswith(f"{folder}/")), key=len, reverse=True)


def pod_cgroups(top: Path = CGROUPS) -> list[Path]:
    """The kubelet's cgroups, deepest first: one tree with cgroup v2, one in each controller's with v1."""
    found: list[Path] = []
    for tree in (top / "kubepods", *top.glob("*/kubepods")):
        found += [Path(path) for path, _, _ in os.walk(tree, topdown=False)]
    return found


def remove_cgroups(top: Path = CGROUPS) -> bool:
    """Removes what it can; whether all that is left has living processes, and so is another kubelet's."""
    for group in pod_cgroups(top):
        with contextlib.suppress(OSError):  # busy for a moment after its last process
            group.rmdir()
    return all(_has_processes(group) for group in pod_cgroups(top))


def _has_processes(group: Path) -> bool:
    return any(members.read_text().strip() for members in group.rglob("cgroup.procs"))
