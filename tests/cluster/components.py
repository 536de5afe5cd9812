"""What each component of the cluster is started with: command lines and configuration files, as values (pure).

Why a flag is there is said beside it; flags that say nothing special are what any Kubernetes is started with.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.layout import (
    API_SERVER,
    CONTAINERD_SOCKET,
    KUBECONFIG,
    NODE_IP,
    NODE_NAME,
    PAUSE_IMAGE,
    POD_RANGE,
    RUN,
    SERVICE_RANGE,
)

ETCD_URL = "http://127.0.0.1:2379"
PKI = RUN / "pki"
FIRST = ("etcd", "containerd", "kube-apiserver")
AFTER_API_SERVER = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet")
NAMES = FIRST + AFTER_API_SERVER


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides what a cluster is like: the same plan, the same cluster."""

    commands: Mapping[str, list[str]]
    files: Mapping[str, str]

    def text(self) -> str:
        """The plan as text, to be compared or hashed."""
        return json.dumps({"commands": dict(self.commands), "files": dict(self.files)}, sort_keys=True)


def plan(binaries: Mapping[str, Path]) -> Plan:
    """Command lines and files, given where each binary is."""
    commands = {name: [str(binaries[name]), *flags] for name, flags in _flags().items()}
    files = {
        "containerd.toml": _containerd(),
        "cni/10-bridge.conflist": json.dumps(_pod_network(), indent=1),
        "kubelet.json": json.dumps(_kubelet_configuration(), indent=1),
    }
    for user in ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"):
        files[f"{user}.kubeconfig"] = json.dumps(kubeconfig(user), indent=1)
    files[KUBECONFIG.name] = json.dumps(kubeconfig("admin"), indent=1)
    return Plan(commands, files)


def kubeconfig(user: str) -> dict[str, object]:
    """A kubeconfig for the holder of one of the certificates."""
    client = {"client-certificate": str(PKI / f"{user}.crt"), "client-key": str(PKI / f"{user}.key")}
    cluster = {"server": API_SERVER, "certificate-authority": str(PKI / "ca.crt")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cronitor-k8s", "cluster": cluster}],
        "users": [{"name": user, "user": client}],
        "contexts": [{"name": "cronitor-k8s", "context": {"cluster": "cronitor-k8s", "user": user}}],
        "current-context": "cronitor-k8s",
    }


def _flags() -> dict[str, list[str]]:
    own_kubeconfig = "--kubeconfig={}".format
    return {
        "etcd": [
            f"--data-dir={RUN}/etcd", f"--listen-client-urls={ETCD_URL}", f"--advertise-client-urls={ETCD_URL}",
            "--listen-peer-urls=http://127.0.0.1:2380", "--log-level=warn",
            "--unsafe-no-fsync",  # nothing here outlives the machine
        ],
        "containerd": [f"--config={RUN}/containerd.toml"],
        "kube-apiserver": _api_server(),
        "kube-controller-manager": [
            own_kubeconfig(RUN / "kube-controller-manager.kubeconfig"),
            f"--service-account-private-key-file={PKI}/sa.key", f"--root-ca-file={PKI}/ca.crt",
            "--use-service-account-credentials=true", "--leader-elect=false",
            f"--cluster-cidr={POD_RANGE}", "--allocate-node-cidrs=false",
        ],
        "kube-scheduler": [own_kubeconfig(RUN / "kube-scheduler.kubeconfig"), "--leader-elect=false"],
        "kube-proxy": [
            own_kubeconfig(RUN / "kube-proxy.kubeconfig"), f"--hostname-override={NODE_NAME}",
            f"--cluster-cidr={POD_RANGE}", "--proxy-mode=nftables",
            # Answers to a pod on the same bridge must come back through the node, with or without br_netfilter.
            "--masquerade-all",
            # It dies on sysctls that it may not write: 0 leaves them alone.
            "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        ],
        "kubelet": [
            own_kubeconfig(RUN / "kubelet.kubeconfig"), f"--config={RUN}/kubelet.json", f"--root-dir={RUN}/kubelet",
            f"--hostname-override={NODE_NAME}", f"--node-ip={NODE_IP}", "--v=2",
        ],
    }  # fmt: skip


def _api_server() -> list[str]:
    return [
        f"--etcd-servers={ETCD_URL}", "--bind-address=0.0.0.0", "--secure-port=6443", f"--advertise-address={NODE_IP}",
        f"--tls-cert-file={PKI}/apiserver.crt", f"--tls-private-key-file={PKI}/apiserver.key",
        f"--client-ca-file={PKI}/ca.crt", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-cluster-ip-range={SERVICE_RANGE}", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={PKI}/sa.pub", f"--service-account-signing-key-file={PKI}/sa.key",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet-client.key", f"--kubelet-certificate-authority={PKI}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",  # else `kubectl logs` looks the node up in DNS
        "--allow-privileged=true", "--profiling=false",
    ]  # fmt: skip


def _kubelet_configuration() -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "tlsCertFile": str(PKI / "kubelet.crt"),
        "tlsPrivateKeyFile": str(PKI / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": ["10.96.0.10"],  # there is no DNS, and none is needed
        "clusterDomain": "cluster.local",
        "resolvConf": "/dev/null",
        "podCIDR": POD_RANGE,
        "maxPods": 250,
        "serializeImagePulls": False,
        # A nearly full disk must neither evict the tests' pods nor throw their images away: no registry has them.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }


def _pod_network() -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(RUN / "cni-addresses"),
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "cronitor-k8s", "plugins": [{**bridge, "ipam": addresses}, ports]}


def _containerd() -> str:
    return f"""\
version = 2
root = "{RUN}/containerd/root"
state = "{RUN}/containerd/state"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Without CAP_SYS_RESOURCE no pod starts otherwise ("can't get final child's PID from pipe").
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{RUN}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""
