"""Attempts that fail with retries left, and how the run ends after them: by pods, in place, and by both policies."""

from tests.chaos.shapes import ATTEMPTS, JOB_UID
from tests.cronitor.events import Kind
from tests.e2e.faults.rows import OUTLIVED, waits
from tests.e2e.scenarios import acts
from tests.e2e.scenarios.shapes import (
    ALONE,
    ATTEMPTS_TOLD,
    RUN,
    SHORT_GRACE,
    Shape,
    When,
    attempt,
    completes,
    fails,
    luck,
    with_twins,
)
from tests.e2e.world import Json, container

EMPTY = {"restartPolicy": "OnFailure", "volumes": [{"name": "state", "emptyDir": {}}], **SHORT_GRACE}
TERMINATED = r"(143|137)"
"""A shell that is told to end, by its trap or by the kubelet."""


def by_pods(first: int, then: str) -> Json:
    """Fails in the Job's first pod, and does something else in all others."""
    return _first_pod(f"exit {first}", then)


def _first_pod(does: str, then: str) -> Json:
    script = f"[ -f /attempts/$JOB ] || {{ touch /attempts/$JOB; {does}; }}; {then}"
    return container(script=script, env=[JOB_UID], volumeMounts=[{"name": "attempts", "mountPath": "/attempts"}])


def in_place(failures: int, code: int, then: str, name: str = "app") -> Json:
    """Fails so often in this pod, and then does something else."""
    count = "n=$(cat /state/n 2>/dev/null || echo 0); echo $((n + 1)) > /state/n"
    script = f"{count}; [ $n -ge {failures} ] || exit {code}; {then}"
    return container(name, script, volumeMounts=[{"name": "state", "mountPath": "/state"}])


def restartable(code: int, then: str) -> Json:
    """A container with restart rules of its own (KEP-5307): this code is no end of the attempt."""
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [code]}}]
    return {**in_place(1, code, then), "restartPolicy": "Never", "restartPolicyRules": rules}


FIRST_FOR_EVER = _first_pod("sleep 999", "sleep 1")
"""Its first pod does not hear SIGTERM, and uses its grace period up."""

BY_PODS = with_twins((
    Shape("never-then-succeeds", (RUN, completes("attempt 2/4 · app 0")), (by_pods(6, "sleep 1"),),
          job={"backoffLimit": 3}, pod={"volumes": [ATTEMPTS]}),
    Shape("never-exhausted", (RUN, fails(8, "attempt 2/2 · app 8")), (by_pods(6, "sleep 1; exit 8"),),
          job={"backoffLimit": 1}, pod={"volumes": [ATTEMPTS]}, ends="Failed"),
    Shape("pod-deleted-with-retries-left", (RUN, completes("attempt 2/7 · app 0")), (waits(),),
          acts.second_pod_ends_once_deleted),
    # Ended by us, not by itself: there is no code.
    Shape("pod-deleted-with-none-left", (RUN, fails(None, luck(f"attempt 1/1 · app {TERMINATED}"))), (waits(),),
          acts.pod_deleted, job={"backoffLimit": 0}, ends="Failed"),
    # The replacement comes ten seconds after, and works while the first pod still takes its time.
    Shape("replacement-overlaps", (RUN, completes("attempt 2/7 · app 0")), (FIRST_FOR_EVER,),
          acts.pod_deleted, pod={"volumes": [ATTEMPTS], "terminationGracePeriodSeconds": 20}),
    Shape("replacement-waits", (RUN, completes("attempt 2/7 · app 0")), (FIRST_FOR_EVER,),
          acts.pod_deleted, job={"podReplacementPolicy": "Failed"},
          pod={"volumes": [ATTEMPTS], "terminationGracePeriodSeconds": 5}),
    Shape("evicted-with-retries-left", (RUN, completes("attempt 2/7 · app 0")), (waits(),),
          acts.evicted_then_second_pod_ends),
    Shape("evicted-with-none-left",
          (RUN, fails(None, luck(f"attempt 1/1 · app {TERMINATED} · EvictionByEvictionAPI"))), (waits(),),
          acts.evicted, job={"backoffLimit": 0}, ends="Failed"),
))  # fmt: skip

IN_PLACE = with_twins((
    Shape("on-failure-then-succeeds", (RUN, completes("attempt 2/7 · app 0")), (in_place(1, 6, "sleep 1"),), pod=EMPTY),
    Shape("on-failure-init-then-succeeds", (RUN, completes("attempt 2/7 · setup 0 · app 0")),
          pod={**EMPTY, "initContainers": [in_place(1, 6, "exit 0", "setup")]}),
    # The pod has failed, though it never does so by an exit: the next one is the second attempt.
    Shape("on-failure-evicted", (RUN, completes("attempt 2/7 · app 0")), (waits(),), acts.evicted_then_second_pod_ends,
          pod={"restartPolicy": "OnFailure"}),
    # At the limit the Job controller deletes the pod, whatever its last attempt is at.
    Shape("on-failure-exhausted", (RUN, fails(7, "attempt 3/3 · app 7", When.FAILURE)),
          (in_place(2, 7, "sleep 60"),), job={"backoffLimit": 2}, pod=EMPTY, ends="Failed"),
    Shape("on-failure-last-would-succeed", (RUN, fails(7, "attempt 3/3 · app 7", When.FAILURE)),
          (in_place(2, 7, "sleep 8"),), job={"backoffLimit": 2},
          pod={**EMPTY, "terminationGracePeriodSeconds": 10}, ends="Failed"),
    Shape("on-failure-limit-of-1", (RUN, fails(7, "attempt 2/2 · app 7", When.FAILURE)),
          (in_place(1, 7, "sleep 60"),), job={"backoffLimit": 1}, pod=EMPTY, ends="Failed", injected=False),
    # Restarts + 1 of limit + 1, as the contract counts: one restart has to be seen before the Job fails.
    Shape("on-failure-limit-of-0", (RUN, fails(7, "attempt 2/1 · app 7", When.FAILURE)),
          (in_place(1, 7, "sleep 60"),), job={"backoffLimit": 0}, pod=EMPTY, ends="Failed", injected=False),
    Shape("restart-rules-then-succeeds", containers=(restartable(42, "sleep 1"),),
          pod={"volumes": EMPTY["volumes"]}),
    Shape("restart-rules-then-fails", (RUN, fails(3, "attempt 1/1 · app 3")), (restartable(42, "sleep 1; exit 3"),),
          job={"backoffLimit": 0}, pod={"volumes": EMPTY["volumes"]}, ends="Failed"),
))  # fmt: skip

ONE_MORE = (Kind.SECOND_VERDICT,)
"""What the protocol finds when one failed attempt is told beside the verdict."""

WORKS = "sleep 60"
"""Nothing may follow the verdict that a sidecar tells: until then the controller must have told what failed before,
though its leader was killed, and another one took twenty seconds to be there, twice."""

EACH_ATTEMPT = with_twins((
    Shape("each-attempt-then-succeeds", (RUN, attempt(6, "attempt 1/4 · app 6"), completes("attempt 2/4 · app 0")),
          (by_pods(6, WORKS),), job={"backoffLimit": 3}, pod={"volumes": [ATTEMPTS]},
          annotations=ATTEMPTS_TOLD, violates=ONE_MORE),
    Shape("each-attempt-exhausted",
          (RUN, attempt(6, "attempt 1/3 · app 6"), attempt(8, "attempt 2/3 · app 8"), fails(8, "attempt 3/3 · app 8")),
          (by_pods(6, "sleep 9; exit 8"),), job={"backoffLimit": 2}, pod={"volumes": [ATTEMPTS]},
          annotations=ATTEMPTS_TOLD, ends="Failed", violates=ONE_MORE * 2),
    Shape("each-attempt-in-place", (RUN, attempt(6, "attempt 1/7 · app 6"), completes("attempt 2/7 · app 0")),
          (in_place(1, 6, WORKS),), pod=EMPTY, annotations=ATTEMPTS_TOLD, violates=ONE_MORE),
))  # fmt: skip

# Its first pod's sidecar does not know of them: what it told is corrected.
GRANTED = (
    Shape("retries-granted-in-mid-run",
          (RUN, fails(acts.FAILURE, f"attempt 1/1 · app {acts.FAILURE}", When.ATTEMPT),
           completes("attempt 2/4 · app 0")),
          (waits(),), acts.second_pod_ends_once_retries_are_granted, job={"backoffLimit": 0}, pod=OUTLIVED,
          violates=ONE_MORE, twin=False),
    Shape("retries-granted-in-mid-run-alone", (RUN, completes("attempt 2/4 · app 0")), (waits(),),
          acts.second_pod_ends_once_retries_are_granted, job={"backoffLimit": 0}, annotations=ALONE, injected=False,
          twin=False),
)  # fmt: skip

RETRIES = (*BY_PODS, *GRANTED, *IN_PLACE, *EACH_ATTEMPT)
