"""Pure: the shapes of Jobs in the stream, each with the whole of what is to be heard of it and how the Job ends.

No shape counts on being undisturbed: where a killed sidecar's restart counts as one of the Job's, the limit is high.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.layout import RUN
from tests.e2e.world import INCLUDE, Json, container, cron_job

ATTEMPTS = {"name": "attempts", "hostPath": {"path": str(RUN / "chaos"), "type": "DirectoryOrCreate"}}
"""What one pod of a Job leaves for the next. It goes with the cluster."""
KEPT = {"successfulJobsHistoryLimit": 1000, "failedJobsHistoryLimit": 1000}
"""By default three and one are kept: of many at once the rest goes before a controller that was away is back."""
FAIL_FIRST_POD = "[ -f /attempts/$JOB ] || { touch /attempts/$JOB; sleep 1; exit 6; }; sleep 2"
JOB_UID = {
    "name": "JOB",
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/controller-uid']"}},
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape. `verdict` and `code` are what is heard after `run`; `seconds` is the time that its work takes.

    `weight` is how often it comes, beside the others. `injected` is false where admission is to leave its pods alone.
    """

    name: str
    verdict: str
    code: int | None
    seconds: float
    weight: int = 2
    containers: tuple[Json, ...] = (container(),)
    job: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    injected: bool = True

    @property
    def outcome(self) -> str:
        """The Job's own end: what it would be without us."""
        return "Complete" if self.verdict == "complete" else "Failed"

    @property
    def states(self) -> tuple[str, ...]:
        return ("run", self.verdict)

    def cron_job(self) -> Json:
        made = cron_job(
            self.name, *self.containers, annotations={**INCLUDE, **self.annotations}, job=dict(self.job), **self.pod
        )
        made["spec"] |= KEPT
        return made


SHAPES = (
    Shape("succeeds", "complete", 0, 2, 3, (container(script="sleep 2"),)),
    Shape("exits-3", "fail", 3, 1, 2, (container(script="sleep 1; exit 3"),), {"backoffLimit": 0}),
    Shape(
        "two-containers",
        "complete",
        0,
        4,
        containers=(container(script="sleep 2"), container("helper", "sleep 4")),
    ),
    Shape(
        "retried-in-place",
        "complete",
        0,
        15,
        containers=(
            container(
                script="[ -f /state/failed ] || { touch /state/failed; sleep 1; exit 1; }; sleep 2",
                volumeMounts=[{"name": "state", "mountPath": "/state"}],
            ),
        ),
        # A killed sidecar's restart counts towards this limit.
        job={"backoffLimit": 30},
        pod={"restartPolicy": "OnFailure", "volumes": [{"name": "state", "emptyDir": {}}]},
    ),
    Shape(
        "retried-by-pods",
        "complete",
        0,
        15,
        containers=(
            container(
                script=FAIL_FIRST_POD, env=[JOB_UID], volumeMounts=[{"name": "attempts", "mountPath": "/attempts"}]
            ),
        ),
        job={"backoffLimit": 3},
        pod={"volumes": [ATTEMPTS]},
    ),
    Shape("all-pods-fail", "fail", 5, 15, 1, (container(script="sleep 1; exit 5"),), {"backoffLimit": 1}),
    Shape(
        "init-fails",
        "fail",
        9,
        1,
        1,
        job={"backoffLimit": 0},
        pod={"initContainers": [container("setup", "exit 9")]},
    ),
    Shape(
        "crowd",
        "complete",
        0,
        2,
        1,
        (container(script="sleep 2"),),
        {"completions": 2, "parallelism": 2},
        injected=False,
    ),
    Shape(
        "past-deadline",
        "fail",
        None,
        25,
        1,
        (container(script="sleep 600"),),
        # Long enough for a start while the API server is away; the sleep does not hear SIGTERM.
        {"activeDeadlineSeconds": 25},
        {"terminationGracePeriodSeconds": 1},
        injected=False,
    ),
    Shape(
        "uninjected",
        "complete",
        0,
        2,
        1,
        (container(script="sleep 2"),),
        annotations={"k8s.cronitor.io/inject": "false"},
        injected=False,
    ),
    Shape("long-20", "complete", 0, 20, 2, (container(script="sleep 20"),)),
    Shape("long-40", "complete", 0, 40, 2, (container(script="sleep 40"),)),
    Shape("long-fails", "fail", 4, 30, 2, (container(script="sleep 30; exit 4"),), {"backoffLimit": 0}),
)
BY_NAME = {shape.name: shape for shape in SHAPES}
