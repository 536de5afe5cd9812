"""What disturbs more than one Job: made one after another, each with shapes that it meets before, within and after."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests import cluster, installation
from tests.chaos.shapes import ATTEMPTS
from tests.chaos.targets import kill
from tests.cronitor.runs import RunEvent
from tests.cronitor.stand_in import StandIn
from tests.e2e.faults.controller import DEPLOYMENT, REPLICAS
from tests.e2e.faults.rows import waits
from tests.e2e.scenarios import acts
from tests.e2e.scenarios.choices import APP_ALONE
from tests.e2e.scenarios.judge import Explain, unexplained
from tests.e2e.scenarios.killer import leader, lease_holder
from tests.e2e.scenarios.play import Play
from tests.e2e.scenarios.retries import by_pods
from tests.e2e.scenarios.shapes import ALONE, ONCE, RUN, SUCCEEDS, Shape, completes, fails
from tests.e2e.scenarios.shapes import nothing as left_alone
from tests.e2e.world import World, container, eventually
from tests.installation import NAMESPACE

ADMISSION = "cronitor-k8s-admission"
API_SERVER = "kube-apiserver"
ABSENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """`install` puts the chart in place, as it was."""

    world: World
    cronitor: StandIn
    install: Callable[..., None]


def nothing(_stage: Stage) -> None:
    """There is nothing to be done."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """`begins` returns when it is there, `passes` when it is over."""

    name: str
    shapes: tuple[Shape, ...]
    begins: Callable[[Stage], None] = nothing
    passes: Callable[[Stage], None] = nothing
    explain: Explain = unexplained


# --- what is done to the Jobs --------------------------------------------------------------------------------------


def noted(play: Play) -> None:
    """Its start is told, and that stands in the journal as well."""
    play.begun()
    play.journaled()


def sidecar_killed(play: Play) -> None:
    play.kill()
    play.restarted(1)
    play.journaled()


def ends_and_is_over(play: Play) -> None:
    play.end()
    play.ended()


def over(play: Play) -> None:
    play.ended()


def runs(play: Play) -> None:
    play.running()


def first_fails(play: Play) -> None:
    play.end(acts.FAILURE)
    play.end(pod=2)
    play.ended()


def fails_by_us(play: Play) -> None:
    play.end(acts.FAILURE)


FAILED = (RUN, fails(acts.FAILURE, f"attempt 1/1 · app {acts.FAILURE}"))
SECOND = (RUN, completes("attempt 2/7 · app 0"))
HELPER = {**by_pods(1, "exit 0"), "name": "helper"}
"""Fails in the Job's first pod alone."""


def mid_run(name: str, **more: object) -> Shape:
    """Its work goes on when the disturbance begins, and ends when it is over."""
    known = {"act": Play.begun, "after": acts.ends, **more}
    return Shape(name, containers=(waits(),), **known)  # type: ignore[arg-type]


# --- the disturbances ----------------------------------------------------------------------------------------------


def controllers(replicas: int) -> Callable[[Stage], None]:
    return lambda stage: stage.world.scale(DEPLOYMENT, replicas)


def no_admission(stage: Stage) -> None:
    """Draining pods still answer on the connections that they have: a call on each ends it."""
    stage.world.scale(ADMISSION, 0)

    def none_left() -> bool:
        stage.world.dry_run_pod()
        return not stage.world.all("Pod", NAMESPACE, labelSelector="app.kubernetes.io/component=admission")

    eventually(none_left, "the end of the last admission pod")


def admission_back(stage: Stage) -> None:
    stage.world.scale(ADMISSION, REPLICAS)


def cronitor_refuses(stage: Stage) -> None:
    stage.cronitor.fault("refuse", seconds=ABSENCE_SECONDS)


def cronitor_listens(stage: Stage) -> None:
    account = stage.cronitor.account
    eventually(lambda: not account.faults.closed(account.clock()), "a Cronitor that listens")


def api_server_restarts(_stage: Stage) -> None:
    cluster.restart_component(API_SERVER, signal.SIGTERM)


def api_server_is_ready(_stage: Stage) -> None:
    command = ["kubectl", "get", "--raw", "/readyz", "--request-timeout=2s"]
    eventually(lambda: cluster.run(command, check=False).returncode == 0, "an API server that is ready")


def leader_leaves(stage: Stage) -> None:
    """It gives the Lease back, and the other one takes it at once."""
    before = lease_holder(stage.world)
    stage.world.delete("Pod", NAMESPACE, before)
    eventually(lambda: lease_holder(stage.world) not in ("", before), "another leader")


def leader_is_killed(stage: Stage) -> None:
    """The other one takes the Lease when it has run out."""
    target = eventually(lambda: leader(stage.world), "a leader")
    kill(target)


def another_leads(stage: Stage) -> None:
    stage.world.scale(DEPLOYMENT, REPLICAS)
    eventually(lambda: leader(stage.world), "a leader")


def uninstalled(stage: Stage) -> None:
    """With its Lease, or the next installation would look back to the last renewal."""
    installation.uninstall()
    eventually(lambda: not stage.world.get("Lease", NAMESPACE, DEPLOYMENT), "no Lease")


def installed(stage: Stage) -> None:
    stage.install()


def record_lost(_first: RunEvent, _again: RunEvent) -> str:
    """At-least-once: whoever ends between the answer and the note of it leaves it to be told again."""
    return "the note of it was lost"


DISTURBANCES = (
    Disturbance("sidecar-killed", (
        Shape("sidecar-killed-then-complete", SUCCEEDS, (waits(),), noted, meanwhile=sidecar_killed, after=acts.ends),
        Shape("sidecar-killed-then-fails", FAILED, (waits(),), noted, meanwhile=sidecar_killed, after=fails_by_us,
              job=ONCE, ends="Failed"),
        # Its restart counts as one of the Job's, and so it is an attempt.
        Shape("sidecar-killed-under-on-failure", SECOND, (waits(),), noted, meanwhile=sidecar_killed, after=acts.ends,
              pod={"restartPolicy": "OnFailure"}),
    )),
    Disturbance("controller-absent", (
        mid_run("controller-leaves-and-is-back"),
        mid_run("controller-leaves-and-the-work-ends", meanwhile=ends_and_is_over, after=left_alone),
        mid_run("controller-leaves-and-the-work-ends-alone", meanwhile=ends_and_is_over, after=left_alone,
                annotations=ALONE, injected=False),
        Shape("controller-away-for-the-whole-run", within=True, meanwhile=over),
        Shape("controller-away-for-the-whole-run-alone", within=True, meanwhile=over, annotations=ALONE,
              injected=False),
        Shape("controller-away-and-it-is-retried", (RUN, fails(8, "attempt 2/2 · app 8")),
              (by_pods(6, "sleep 1; exit 8"),), within=True, meanwhile=over, job={"backoffLimit": 1},
              pod={"volumes": [ATTEMPTS]}, ends="Failed"),
        # What counts ends well in the first pod, which fails all the same, and once more in the second.
        Shape("controller-away-and-what-is-not-chosen-fails", SUCCEEDS, (container(), HELPER), within=True,
              meanwhile=over, pod={"volumes": [ATTEMPTS]}, annotations=APP_ALONE, watched=("app",)),
        Shape("controller-away-and-several-pods", (RUN, completes("3/3 succeeded · 0 failed · app 0")), within=True,
              meanwhile=over, job={"completions": 3, "parallelism": 3}, injected=False),
    ), controllers(0), controllers(REPLICAS)),
    Disturbance("webhook-absent", (
        mid_run("webhook-leaves-in-mid-run"),
        Shape("webhook-leaves-between-attempts", SECOND, (waits(),), Play.begun, meanwhile=first_fails,
              injected_later=False),
        Shape("webhook-absent-succeeds", within=True, meanwhile=over, injected=False),
        Shape("webhook-absent-fails", (RUN, fails(3, "attempt 1/1 · app 3")), (container(script="exit 3"),),
              within=True, meanwhile=over, job=ONCE, ends="Failed", injected=False),
    ), no_admission, admission_back),
    Disturbance("cronitor-absent-for-a-minute", (
        mid_run("cronitor-absent-in-mid-run"),
        mid_run("cronitor-absent-at-the-end", meanwhile=ends_and_is_over, after=left_alone),
        mid_run("cronitor-absent-at-the-end-alone", meanwhile=ends_and_is_over, after=left_alone,
                annotations=ALONE, injected=False),
        Shape("cronitor-absent-for-the-whole-run", within=True, meanwhile=over),
        Shape("cronitor-absent-for-the-whole-run-alone", within=True, meanwhile=over, annotations=ALONE,
              injected=False),
    ), cronitor_refuses, cronitor_listens),
    Disturbance("api-server-restarted", (
        mid_run("api-server-restarted-then-ends"),
        mid_run("api-server-restarted-as-the-work-ends", meanwhile=acts.ends, after=left_alone),
        mid_run("api-server-restarted-as-the-work-ends-alone", meanwhile=acts.ends, after=left_alone,
                annotations=ALONE, injected=False),
    ), api_server_restarts, api_server_is_ready, record_lost),
    Disturbance("lease-given-back", (
        mid_run("lease-given-back-then-ends"),
        mid_run("lease-given-back-as-the-work-ends-alone", meanwhile=acts.ends, after=left_alone,
                annotations=ALONE, injected=False),
        Shape("lease-given-back-as-it-is-retried", SECOND, (waits(),), Play.begun, meanwhile=first_fails),
    ), leader_leaves, another_leads, record_lost),
    Disturbance("lease-run-out", (
        mid_run("lease-run-out-then-ends"),
        mid_run("lease-run-out-as-the-work-ends-alone", meanwhile=acts.ends, after=left_alone,
                annotations=ALONE, injected=False),
        Shape("lease-run-out-and-the-whole-run-alone", within=True, meanwhile=over, annotations=ALONE, injected=False),
        Shape("lease-run-out-as-it-is-retried", SECOND, (waits(),), Play.begun, meanwhile=first_fails),
    ), leader_is_killed, another_leads, record_lost),
    # What has ended before there was anything of ours is not told; what still runs is, with its true start.
    Disturbance("installed-over-jobs", (
        Shape("installed-after-the-end", (), within=True, meanwhile=over, injected=False),
        Shape("installed-in-mid-run", SUCCEEDS, (waits(),), within=True, meanwhile=runs, after=acts.ends_once_begun,
              injected=False),
    ), uninstalled, installed),
)  # fmt: skip
