"""Deadlines of the Job and of the pod. None of them is injected by default: a sidecar makes a pod's end later."""

from tests.e2e.scenarios.endings import leaves_with
from tests.e2e.scenarios.shapes import ONCE, RUN, SHORT_GRACE, Heard, Shape, When, fails, luck, with_twins
from tests.e2e.world import container

JOB = {"activeDeadlineSeconds": 20}
POD = {"activeDeadlineSeconds": 20, **SHORT_GRACE}
"""Twenty seconds: a busy node needs some to start the work, and what never started has no `run`."""


def past(end: str) -> tuple[Heard, ...]:
    """A sidecar tells it when its pod begins to be deleted, the controller when it has ended."""
    message = luck(f"DeadlineExceeded · attempt 1/7 · app (running|{end})")
    return (RUN, fails(None, message, When.END, When.DECIDED))


DEADLINES = with_twins((
    Shape("well-before-the-deadline", containers=(container(script="sleep 3"),), job={"activeDeadlineSeconds": 100},
          injected=False),
    Shape("job-deadline", past("137"), (container(script="sleep 99"),), job=JOB, pod=SHORT_GRACE, ends="Failed",
          injected=False),
    Shape("job-deadline-and-exits-0", past("0"), (container(script=leaves_with(0)),), job=JOB, ends="Failed",
          injected=False),
    # It failed by itself, but the deadline ended the Job, in the back-off of ten seconds before the next pod. It must
    # have started by then, and on a quick node the next pod may have failed as well.
    Shape("job-deadline-in-back-off", (RUN, fails(None, luck(r"DeadlineExceeded · attempt [12]/7 · app 5"))),
          (container(script="exit 5"),), job={"activeDeadlineSeconds": 12}, ends="Failed", injected=False,
          led=True),
    # No attempt ended by itself: neither has a code.
    Shape("pod-deadline", (RUN, fails(None, "attempt 1/1 · app 137 · DeadlineExceeded")),
          (container(script="sleep 99"),), job=ONCE, pod=POD, ends="Failed", injected=False),
    Shape("pod-deadline-on-failure", (RUN, fails(None, "attempt 1/1 · app 137 · DeadlineExceeded")),
          (container(script="sleep 99"),), job=ONCE, pod={**POD, "restartPolicy": "OnFailure"}, ends="Failed",
          injected=False),
    Shape("pod-deadline-and-exits-0", (RUN, fails(None, luck(r"attempt 1/1 · app (0|137) · DeadlineExceeded"))),
          (container(script=leaves_with(0)),), job=ONCE, pod={**POD, "terminationGracePeriodSeconds": 5}, ends="Failed",
          injected=False),
))  # fmt: skip
