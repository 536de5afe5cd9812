"""Where things are: the one place per machine in which the cluster runs, its addresses, the cache of what is built.

One fixed place, not one per checkout: two kubelets on a machine would fight over the same cgroups, so an `up` from
another checkout must be able to find the old cluster and take it down.
"""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
MODULES = Path(__file__).resolve().parent / "modules"

RUN = Path("/var/lib/cronitor-k8s-cluster")
LOCK = Path("/run/lock/cronitor-k8s-cluster.lock")
NETNS = "cronitor-k8s"
NETNS_PATH = Path("/run/netns") / NETNS

# Every process of the cluster is started with this in its environment: that is how `down` finds what is left of a
# run whose starter was killed before it could write anything down.
MARKER = ("CRONITOR_K8S_CLUSTER_RUN", str(RUN))

NODE_NAME = "node1"
NODE_IP = "172.31.250.1"
NODE_NETWORK = f"{NODE_IP}/24"
API_SERVER = f"https://{NODE_IP}:6443"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
POD_RANGE = "10.244.0.0/22"

KUBECONFIG = RUN / "admin.kubeconfig"
CONTAINERD_SOCKET = RUN / "containerd" / "containerd.sock"
STATE = RUN / "state.json"
LOADED = RUN / "loaded.json"

BUSYBOX_IMAGE = "docker.io/library/busybox:1.36"
PAUSE_IMAGE = "docker.io/cronitor-k8s/pause:1"


def cache() -> Path:
    """The folder, outside the tree, that keeps built binaries and images between runs."""
    return Path(os.environ.get("CRONITOR_K8S_CACHE") or "~/.cache/cronitor-k8s").expanduser().absolute()


def log_of(component: str) -> Path:
    """The log file of one component."""
    return RUN / "logs" / f"{component}.log"
