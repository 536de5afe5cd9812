"""Which starts hang that no sidecar can tell, and since when."""

from typing import Any

import pytest

from tests.unit.webhook.controller.histories import (
    Json,
    T,
    a_job,
    at,
    attempt,
    container,
    done,
    ended,
    going,
    journal,
    runs,
    up,
    waits,
)  # fmt: skip
from webhook.controller.attempts import STUCK_REASONS, Attempt
from webhook.controller.stuck import NOTHING_STARTED, Thresholds, find, stuck_container

THRESHOLDS = Thresholds(waiting=120, unscheduled=600)
SINCE = {("uid-p1", name): T + 5 for name in ("app", "setup", "mesh", "cronitor")} | {("uid-p1", "helper"): T - 900}
PULLS = container("app", waits("ImagePullBackOff", "Back-off"))


def unscheduled(**more: Any) -> Attempt:
    waiting = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    return attempt(container(), phase="Pending", conditions=[{**waiting, "lastTransitionTime": at(7)}], **more)


def scheduled(*regular: Json, **more: Any) -> Attempt:
    """A pod that has its node."""
    there = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(8)}
    return attempt(*regular, phase="Pending", conditions=[there], **more)


def restarts_anew() -> Json:
    mesh = container("mesh", runs())
    mesh["spec"]["restartPolicyRules"] = [{"action": "RestartAllContainers"}]
    return mesh


def hanging(job: Json | None, *attempts: Attempt, refusal: str = "") -> tuple[str, str, float] | None:
    found = find(job or a_job(), attempts, SINCE, {}, refusal, THRESHOLDS)
    return (found.what, found.detail, found.due - T) if found else None


@pytest.mark.parametrize(
    ("what", "job", "attempts", "expected"),
    [
        ("it runs", None, [going()], None),
        ("it is being made", None, [attempt(container("app", waits("ContainerCreating")))], None),
        ("its image does not come", None, [attempt(PULLS)], ("app ImagePullBackOff", "Back-off", 125)),
        ("an init container's", None,
         [attempt(container("app", waits()), init=[container("setup", waits("ErrImagePull"))])],
         ("setup ErrImagePull", "", 125)),
        ("a native sidecar's", None,
         [attempt(container("app", waits()), init=[container("mesh", waits("ErrImagePull"), native=True)])],
         ("mesh ErrImagePull", "", 125)),
        ("ours", None,
         [attempt(container("app", waits()), sidecar=container("cronitor", waits("ErrImagePull"), native=True))],
         ("cronitor ErrImagePull", "", 125)),
        ("that of a container that does not count", None,
         [attempt(container("app", runs()), container("helper", waits("ErrImagePull")), chosen=["app"])], None),
        ("its own sidecar can tell it", None, [attempt(PULLS, sidecar=up())], None),
        ("its own sidecar may not tell a failure", None, [attempt(PULLS, sidecar=up(), tells="run,complete")],
         ("app ImagePullBackOff", "Back-off", 125)),
        ("unschedulable", None, [unscheduled()], ("pod Unschedulable", "0/3 nodes", 607)),
        ("unschedulable, injected", None, [unscheduled(sidecar=container("cronitor", native=True))],
         ("pod Unschedulable", "0/3 nodes", 607)),
        ("the kubelet starts nothing", None, [scheduled(container("app", waits("ContainerCreating")))],
         ("pod not started", NOTHING_STARTED, 608)),
        ("the kubelet starts nothing, injected", None,
         [scheduled(container("app", waits()), sidecar=container("cronitor", waits(), native=True))],
         ("pod not started", NOTHING_STARTED, 608)),
        ("nothing but our sidecar has started", None, [scheduled(container("app", waits()), sidecar=up())],
         ("pod not started", NOTHING_STARTED, 608)),
        ("our sidecar crashes again and again", None,
         [scheduled(container("app", waits()), sidecar=container(
             "cronitor", waits("CrashLoopBackOff"), last=ended(137, 20), restarts=3, native=True))],
         ("pod not started", "cronitor CrashLoopBackOff", 608)),
        ("our sidecar tells of the image", None, [scheduled(PULLS, sidecar=up())], None),
        ("it has failed for good, but a helper may start it anew", a_job(backoffLimit=0),
         [attempt(container("app", ended(3, 400)), restarts_anew(), chosen=["app"], sidecar=up())],
         ("app 3", "no retry while mesh runs", 1000)),
        ("its command is not found, and it is tried again", None,
         [scheduled(container("app", waits("CrashLoopBackOff"), restarts=3), policy="OnFailure")], None),
        ("a native sidecar crashes again and again", None,
         [scheduled(container("app", waits()), init=[
             container("mesh", waits("CrashLoopBackOff"), last=ended(1, 20), restarts=3, native=True)])],
         ("pod not started", "mesh CrashLoopBackOff", 608)),
        ("a container runs beside one that does not count and has not started", None,
         [scheduled(container("app", runs()), container("helper", waits()), chosen=["app"])], None),
        ("an init container runs", None, [scheduled(container("app", waits()), init=[container("setup", runs())])],
         None),
        ("the kubelet has started all", None, [scheduled(container("app", runs()))], None),
        ("an image that does not come counts sooner", None, [scheduled(PULLS)],
         ("app ImagePullBackOff", "Back-off", 125)),
        ("the second attempt", None, [done(3), unscheduled(name="p2")], ("pod Unschedulable", "0/3 nodes", 607)),
        ("it is being deleted", None, [attempt(PULLS, deleted=300)], None),
        ("no pod was made", None, [], ("no pod could be created", "", 600)),
        ("the next pod is not made", None, [done(3, 400)], ("no pod could be created", "", 1010)),
        ("the next pod is not made after seven that do not count",
         a_job(podFailurePolicy={"rules": []}), [done(42, 400, name=f"p{number}") for number in range(7)],
         ("no pod could be created", "", 1600)),
        ("the next pod cannot come while another container runs", None,
         [attempt(container("app", ended(3, 400)), container("mesh", runs()), chosen=["app"])],
         ("app 3", "no retry while mesh runs", 1000)),
        ("no other is to come", a_job(backoffLimit=0),
         [attempt(container("app", ended(3, 400)), container("mesh", runs()), chosen=["app"], sidecar=up())], None),
        ("its pods are in another cluster", a_job(managedBy="kueue.x-k8s.io/multikueue"), [], None),
        ("another controller runs it here", a_job(managedBy="example.com/queue"), [attempt(PULLS)],
         ("app ImagePullBackOff", "Back-off", 125)),
        ("it says who runs all Jobs", a_job(managedBy="kubernetes.io/job-controller"), [],
         ("no pod could be created", "", 600)),
        ("the next pod is not made after a failure", a_job(failed=1), [done(3, 400)],
         ("no pod could be created", "", 1010)),
        ("the next pod is not made after seven, when ten minutes pass before it is",
         a_job(failed=7, backoffLimit=9), [done(3, 400)], ("no pod could be created", "", 1600)),
        ("it has succeeded, and the Job is yet to say so", None, [done()], None),
        ("the next pod is not made after one was taken", None, [going(gone=3600)],
         ("no pod could be created", "", 4200)),
        ("the next pod waits for the end of one that is being deleted", None, [going(deleted=3600)], None),
        ("the Job controller has not looked at it", a_job(startTime=None), [], None),
        ("suspended", a_job(suspend=True), [], None),
        ("parallelism 0", a_job(parallelism=0), [], None),
        ("a crowd of which one runs", a_job(completions=2), [going(name="p0"), attempt(PULLS)], None),
        ("a crowd of which none has started", a_job(completions=2), [attempt(PULLS)],
         ("app ImagePullBackOff", "Back-off", 125)),
    ],
)  # fmt: skip
def test_what_hangs(what: str, job: Json | None, attempts: list[Attempt], expected: Any) -> None:
    assert hanging(job, *attempts) == expected, what


def test_why_no_pod_is_made_is_said_where_it_is_known() -> None:
    assert hanging(None, refusal="exceeded quota: small") == ("no pod could be created", "exceeded quota: small", 600)


def test_since_when_it_waits_has_to_be_known() -> None:
    assert find(a_job(), [attempt(PULLS)], {}, {}, "", THRESHOLDS) is None


@pytest.mark.parametrize(("waited", "is_told"), [(119, False), (120, True)])
def test_what_the_sidecar_has_told_of_before_is_not_told_again_as_not_started(waited: float, is_told: bool) -> None:
    healed = scheduled(container("app", waits()), sidecar=up())
    found = find(a_job(), [healed], {}, {"uid-p1": waited}, "", THRESHOLDS)
    assert (found is None) is is_told
    alone = scheduled(container("app", waits()))
    assert find(a_job(), [alone], {}, {"uid-p1": waited}, "", THRESHOLDS) is not None, "the mark knows"


@pytest.mark.parametrize("reason", sorted(STUCK_REASONS))
def test_a_reason_that_does_not_heal(reason: str) -> None:
    found = stuck_container(attempt(container("app", waits(reason))))
    assert found is not None
    assert found.waiting == reason


@pytest.mark.parametrize("reason", ["", "PodInitializing", "ContainerCreating", "CrashLoopBackOff"])
def test_a_reason_that_may(reason: str) -> None:
    assert stuck_container(attempt(container("app", waits(reason)))) is None
    assert stuck_container(attempt(container("app", ended(1)), sidecar=journal())) is None
