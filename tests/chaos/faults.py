"""Carries the planned faults out: each lane in a thread of its own, one fault after the other."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence

from tests import cluster
from tests.chaos import targets
from tests.chaos.plan import OF_CRONITOR, Kind, PlannedFault
from tests.chaos.seen import Fell
from tests.cluster.errors import ClusterError
from tests.cluster.layout import API_SERVICE_IP
from tests.cluster.processes import wait_until
from tests.cronitor.faults import Surface
from tests.cronitor.stand_in import StandIn
from tests.e2e.world import Json, World
from tests.installation import NAMESPACE
from webhook.errors import KubeError

ADMISSION, CONTROLLER = "cronitor-k8s-admission", "cronitor-k8s-controller"
REPLICAS = 2
API_SERVER, KUBELET = "kube-apiserver", "kubelet"
PATIENCE_SECONDS = 60.0
SERVICE_SECONDS = 120.0
CONNECT_SECONDS = 2.0
RETRY_SECONDS = 0.2
LOST_AT_A_LEVEL = 3
NOBODY = "nobody there"


class Faults:
    """What happens to the cluster and to Cronitor. `job_pods` gives the newest view of the stream's pods."""

    def __init__(
        self,
        world: World,
        cronitor: StandIn,
        job_pods: Callable[[], Sequence[Json]],
        fell: Callable[[Fell], None],
        over: threading.Event,
    ) -> None:
        self._world, self._cronitor, self._job_pods = world, cronitor, job_pods
        self._fell, self._over = fell, over
        self._acts: dict[Kind, Callable[[PlannedFault], targets.Target | str]] = {
            Kind.ADMISSION_KILLED: lambda planned: self._kill(self._ours("admission"), planned),
            Kind.ADMISSION_DELETED: lambda planned: self._delete(self._ours("admission"), planned),
            Kind.ADMISSION_AWAY: lambda planned: self._away(ADMISSION, planned),
            Kind.LEADER_KILLED: lambda planned: self._kill(self._leaders(), planned),
            Kind.LEADER_DELETED: lambda planned: self._delete(self._leaders(), planned),
            Kind.FOLLOWER_KILLED: lambda planned: self._kill(self._leaders(but=True), planned),
            Kind.CONTROLLER_AWAY: lambda planned: self._away(CONTROLLER, planned),
            Kind.SIDECAR_KILLED: lambda planned: self._kill(
                targets.running(self._job_pods(), sidecars=True), planned
            ),
            Kind.API_SERVER_RESTARTED: lambda _: self._restart(API_SERVER, signal.SIGTERM),
            Kind.API_SERVER_AWAY: self._api_server_away,
            Kind.KUBELET_RESTARTED: lambda _: self._restart(KUBELET, signal.SIGKILL),
            **dict.fromkeys(OF_CRONITOR, self._cronitor_fails),
        }  # fmt: skip

    def run_lane(self, lane: Sequence[PlannedFault]) -> None:
        """One after the other, until the lane is at its end or all is over."""
        for planned in lane:
            if self._over.wait(planned.pause):
                return
            self._carry_out(planned)

    def heal(self) -> None:
        """Everything there again that could be away, whatever state it was left in."""
        self._cronitor.clear_faults()
        cluster.start_component(KUBELET)
        self._start_api_server()
        self._patiently(lambda: self._scale(ADMISSION, REPLICAS))
        self._patiently(lambda: self._scale(CONTROLLER, REPLICAS))
        self._patiently(self._end_back_off)

    def _carry_out(self, planned: PlannedFault) -> None:
        began = time.time()
        try:
            hit = self._acts[planned.kind](planned)
        except (KubeError, ClusterError) as error:
            hit = f"not done: {error}"
        target, uid = (hit.pod, hit.uid) if isinstance(hit, targets.Target) else (hit, "")
        self._fell(Fell(planned.kind, target, began, time.time(), uid))

    def _ours(self, component: str) -> list[targets.Target]:
        return targets.running(self._world.our_pods(component))

    def _leaders(self, *, but: bool = False) -> list[targets.Target]:
        """The controller that holds the Lease, in a list; or the others."""
        lease = self._world.get("Lease", NAMESPACE, CONTROLLER) or {"spec": {}}
        holder = lease["spec"].get("holderIdentity")
        return [target for target in self._ours("controller") if (target.pod == holder) != but]

    def _kill(self, among: Sequence[targets.Target], planned: PlannedFault) -> targets.Target | str:
        return next((target for target in targets.picked(among, planned.pick) if targets.kill(target)), NOBODY)

    def _delete(self, among: Sequence[targets.Target], planned: PlannedFault) -> targets.Target | str:
        for target in targets.picked(among, planned.pick)[:1]:
            self._world.delete("Pod", NAMESPACE, target.pod)
            return target
        return NOBODY

    def _away(self, deployment: str, planned: PlannedFault) -> str:
        self._scale(deployment, 0)
        try:
            self._over.wait(planned.seconds)
        finally:
            self._patiently(lambda: self._scale(deployment, REPLICAS))
        return f"{planned.seconds:.0f} s"

    def _scale(self, deployment: str, replicas: int) -> None:
        self._world.patch("Deployment", NAMESPACE, deployment, {"spec": {"replicas": replicas}})

    def _restart(self, component: str, signal_number: signal.Signals) -> str:
        cluster.stop_component(component, signal_number)
        if component == API_SERVER:
            self._start_api_server()
        else:
            cluster.start_component(component)
        return signal_number.name

    def _api_server_away(self, planned: PlannedFault) -> str:
        cluster.stop_component(API_SERVER, signal.SIGKILL)
        try:
            self._over.wait(planned.seconds)
        finally:
            self._start_api_server()
        return f"{planned.seconds:.0f} s"

    def _start_api_server(self) -> None:
        """Start it, again where it ended at once: a killed one's threads may still hold the port.

        It is back when pods find it again, by its Service's address: kube-proxy takes its time to learn where it is.
        """

        def answers() -> None:
            cluster.start_component(API_SERVER)
            self._world.get("Namespace", "", NAMESPACE)

        self._patiently(answers)
        wait_until(_service_answers, SERVICE_SECONDS)

    def _cronitor_fails(self, planned: PlannedFault) -> str:
        match planned.kind:
            case Kind.CRONITOR_REFUSES:
                self._cronitor.fault("refuse", seconds=planned.seconds)
            case Kind.CRONITOR_HANGS | Kind.CRONITOR_RESETS:
                kind = "hang" if planned.kind is Kind.CRONITOR_HANGS else "reset"
                self._cronitor.fault(kind, seconds=planned.seconds, surface=Surface.TELEMETRY)
            case Kind.CRONITOR_LOSES:  # each lost answer is a duplicate: a few of them will do
                times = LOST_AT_A_LEVEL * planned.level
                self._cronitor.fault("lost", seconds=planned.seconds, times=times, surface=Surface.TELEMETRY)
            case Kind.CRONITOR_503:
                self._cronitor.fault("status", seconds=planned.seconds, surface=Surface.TELEMETRY, status=503)
            case Kind.CRONITOR_429:
                self._cronitor.fault(
                    "status",
                    seconds=planned.seconds,
                    surface=Surface.TELEMETRY,
                    status=429,
                    retry_after=str(planned.level),
                )
            case Kind.CRONITOR_SLOW:
                self._cronitor.fault(
                    "slow", seconds=planned.seconds, surface=Surface.TELEMETRY, delay=float(planned.level)
                )
        self._over.wait(planned.seconds)
        return f"{planned.seconds:.0f} s"

    def _end_back_off(self) -> None:
        """A pod that was killed often would now be kept waiting for minutes: a new one is not. It is one more fault."""
        for component, kind in (("admission", Kind.ADMISSION_DELETED), ("controller", Kind.LEADER_DELETED)):
            for pod in self._world.our_pods(component):
                waits = [
                    container
                    for container in pod["status"].get("containerStatuses") or ()
                    if "waiting" in container["state"]
                ]
                if waits:
                    began = time.time()
                    self._world.delete("Pod", NAMESPACE, pod["metadata"]["name"])
                    self._fell(Fell(kind, f"{pod['metadata']['name']}, out of its back-off", began, time.time()))

    def _patiently(self, act: Callable[[], object]) -> None:
        """Again and again, while the API server cannot be reached."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                act()
                return
            except (KubeError, ClusterError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)


def _service_answers() -> bool:
    try:
        with socket.create_connection((API_SERVICE_IP, 443), timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False
