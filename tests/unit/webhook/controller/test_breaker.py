"""What counts as harm by our container, how a breaker opens and closes, and who is to blame for a refused pod."""

from typing import Any

import pytest

from tests.unit.webhook.objects import CREATED, CREATED_AT, job, owned_by, pod
from webhook import workloads
from webhook.controller import breaker
from webhook.controller.breaker import FORGOTTEN_AFTER_SECONDS, LONGEST_OPEN_SECONDS, Act, Harm, Refusal
from webhook.exemption import Cause, Exemption
from webhook.state import Breaker, Standing

Json = dict[str, Any]

IMAGE = "registry.example/sidecar:1"
FREE = ("registry.example/pause:3", "localhost/pause:latest")
ENDED = "2026-03-01T12:05:00Z"
ENDED_AT = CREATED_AT + 300
LABELS = {"batch.kubernetes.io/job-name": "backup-1", "k8s.cronitor.io/injected": "true"}


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def end(code: int, reason: str = "Error", message: str = "") -> Json:
    ended = {"exitCode": code, "reason": reason, "finishedAt": ENDED, "startedAt": CREATED, "message": message}
    return {"terminated": ended}


RUNNING = {"running": {"startedAt": CREATED}}


def of(
    state: Json,
    last: Json | None = None,
    *,
    restarts: int = 0,
    injected: bool = True,
    name: str = "cronitor",
    image: str = IMAGE,
    created: str = CREATED,
    phase: str = "Pending",
    **metadata: Any,
) -> Json:
    """An injected pod as the cache has it, whose container of this name stands so."""
    status = {"name": name, "state": state, "lastState": last or {}, "restartCount": restarts}
    labels = LABELS if injected else {}
    given = pod(
        "backup-1-x",
        metadata={"labels": labels, "namespace": "shop", "uid": "p1", "creationTimestamp": created, **metadata},
        status={"phase": phase, "initContainerStatuses": [status]},
        initContainers=[{"name": "mesh"}, {"name": "cronitor", "image": image, "restartPolicy": "Always"}],
    )
    return workloads.trim_pod(given)


# --- harm ------------------------------------------------------------------------------------------------------------

STUCK = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "CreateContainerError",
    "CreateContainerConfigError",
    "RunContainerError",
]


@pytest.mark.parametrize("reason", STUCK)
def test_what_the_kubelet_tries_again_is_harm_after_a_few_seconds(reason: str) -> None:
    found = breaker.harm(of(waiting(reason, "no such\n host")))
    assert found == Harm(reason, "no such\n host", CREATED_AT, blocks=True, patience=breaker.STUCK_SECONDS)
    assert found.told == f"{reason}: no such host"
    assert found.patience < 10


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull"])
def test_what_cannot_heal_is_harm_at_once(reason: str) -> None:
    assert breaker.harm(of(waiting(reason))) == Harm(reason, "", CREATED_AT, blocks=True)


LOOP = waiting("CrashLoopBackOff", "back-off 10s")
KILLED, OOM = end(137), end(137, "OOMKilled")

HARM: list[tuple[str, Json, str, bool]] = [
    ("killed for memory, runs again", of(RUNNING, OOM, restarts=1), "OOMKilled", False),
    ("killed for memory just now", of(OOM, restarts=1), "OOMKilled", False),
    ("killed for memory, pod is over", of(OOM, phase="Failed"), "OOMKilled", False),
    ("killed for memory again and again", of(LOOP, OOM, restarts=2), "OOMKilled", True),
    ("crashes", of(LOOP, end(1), restarts=2), "CrashLoopBackOff", True),
    ("ends with 0 again and again", of(LOOP, end(0, "Completed"), restarts=2), "CrashLoopBackOff", True),
    ("killed so often that it is ours", of(LOOP, KILLED, restarts=3), "CrashLoopBackOff", True),
    ("cannot be executed", of(end(128, "StartError"), restarts=1), "StartError", True),
    ("could not be executed before", of(LOOP, end(128, "StartError"), restarts=1), "StartError", True),
    ("cannot be run", of(LOOP, end(128, "ContainerCannotRun")), "ContainerCannotRun", True),
]


@pytest.mark.parametrize(("given", "reason", "blocks"), [row[1:] for row in HARM], ids=[row[0] for row in HARM])
def test_it_is_harm(given: Json, reason: str, blocks: bool) -> None:
    found = breaker.harm(given)
    assert found is not None
    assert (found.reason, found.blocks, found.at) == (reason, blocks, ENDED_AT)


NO_HARM: list[tuple[str, Json]] = [
    ("runs", of(RUNNING)),
    ("being started", of(waiting("PodInitializing"))),
    ("being created", of(waiting("ContainerCreating"))),
    ("killed once, runs again", of(RUNNING, KILLED, restarts=1)),
    ("killed once, about to be restarted", of(KILLED, restarts=0)),
    ("killed twice, waits", of(LOOP, KILLED, restarts=2)),
    ("ended as it was told", of(end(0, "Completed"), phase="Succeeded")),
    ("killed at the end of its grace period", of(KILLED, phase="Succeeded")),
    ("somebody else's container", of(waiting("ErrImagePull"), name="mesh")),
    ("not injected", of(waiting("ErrImagePull"), injected=False)),
    ("being deleted", of(waiting("ErrImagePull"), deletionTimestamp=CREATED)),
    ("failed for another reason", of(waiting("ErrImagePull"), phase="Failed")),
    ("no status yet", workloads.trim_pod(pod("x", metadata={"labels": LABELS, "uid": "u"}))),
]


@pytest.mark.parametrize("given", [row[1] for row in NO_HARM], ids=[row[0] for row in NO_HARM])
def test_it_is_no_harm(given: Json) -> None:
    assert breaker.harm(given) is None


def test_a_long_reason_is_cut() -> None:
    found = breaker.harm(of(waiting("ErrImagePull", "x" * 5000)))
    assert found is not None
    assert len(found.told) == breaker.LONGEST_REASON


def test_the_images_to_free_a_pod_with_are_tried_in_order() -> None:
    assert breaker.next_image(of(RUNNING), FREE) == FREE[0]
    assert breaker.next_image(of(RUNNING, image=FREE[0]), FREE) == FREE[1]
    assert breaker.next_image(of(RUNNING, image=FREE[1]), FREE) is None
    assert breaker.next_image(of(RUNNING), ()) is None


@pytest.mark.parametrize(
    ("given", "now", "expected"),
    [
        (of(RUNNING), CREATED_AT + 4, 6.0),
        (of(RUNNING), CREATED_AT + 10, 0.0),
        (of(RUNNING), CREATED_AT + 999, 0.0),
        (of(end(0, "Completed"), phase="Succeeded"), CREATED_AT + 301, 0.0),
        (of(KILLED, phase="Succeeded"), CREATED_AT + 301, None),
        (of(waiting("PodInitializing")), CREATED_AT + 99, None),
        (of(RUNNING, OOM), CREATED_AT + 999, None),
        (of(RUNNING, image="mirror.local/sidecar:1"), CREATED_AT + 999, 0.0),
        (of(RUNNING, image=FREE[0]), CREATED_AT + 999, None),
        (of(RUNNING, injected=False), CREATED_AT + 999, None),
        (of(RUNNING, created="2026-03-01T11:59:59Z"), CREATED_AT + 999, None),
    ],
    ids=str,
)
def test_who_runs_well_after_the_breaker_is_tried_again(given: Json, now: float, expected: float | None) -> None:
    assert breaker.runs_well(given, FREE, CREATED_AT + 0.7, now) == expected


# --- the breaker -----------------------------------------------------------------------------------------------------

HURT = Harm("ErrImagePull", "no such host", 100.0, blocks=True)


def stands(standing: Standing, *, until: float = 700.0, changed: float = 100.0, times: int = 1) -> Breaker:
    return Breaker("why", 100.0, until, changed, times, standing)


def test_each_opening_lasts_twice_as_long_up_to_a_limit() -> None:
    seconds, known = [], None
    for _ in range(40):
        known = breaker.opened(known, "why", 1000.0, 600)
        seconds.append(known.until - known.since)
    assert seconds[:4] == [600, 1200, 2400, 4800]
    assert seconds[-1] == max(seconds) == LONGEST_OPEN_SECONDS
    assert known is not None
    assert (known.times, known.standing) == (40, Standing.OPEN)


def test_who_wants_it_open_for_longer_than_the_limit_gets_that() -> None:
    found = breaker.opened(None, "why", 0.0, 86400)
    assert found.until == 86400
    assert breaker.opened(found, "why", 0.0, 86400).until == 86400


def test_it_opens_is_tried_closes_and_is_forgotten() -> None:
    known: Breaker | None = breaker.opened(None, "why", 100.0, 600)
    assert known is not None
    assert breaker.next_change(known, 300.0) == 400.0
    assert breaker.advanced(known, 699.0, ran_well=False) is known
    known = breaker.advanced(known, 750.0, ran_well=False)
    assert known is not None
    assert (known.standing, known.until) == (Standing.TRYING, 750.0)
    assert breaker.next_change(known, 800.0) is None
    assert breaker.advanced(known, 99999.0, ran_well=False) is known
    known = breaker.advanced(known, 800.0, ran_well=True)
    assert known is not None
    assert (known.standing, known.changed) == (Standing.CLOSED, 800.0)
    assert breaker.next_change(known, 800.0) == FORGOTTEN_AFTER_SECONDS
    assert breaker.advanced(known, 801.0, ran_well=True) is known
    assert breaker.advanced(known, 800.0 + FORGOTTEN_AFTER_SECONDS, ran_well=False) is None


@pytest.mark.parametrize(
    ("known", "at", "expected"),
    [
        (None, 650.0, True),
        (stands(Standing.OPEN), 650.0, False),
        (stands(Standing.TRYING), 650.0, False),
        (stands(Standing.TRYING, until=700.9), 700.0, True),  # creation times have whole seconds
        (stands(Standing.TRYING), 750.0, True),
        (stands(Standing.CLOSED, changed=800.0), 650.0, False),
        (stands(Standing.CLOSED, changed=800.0), 750.0, True),
    ],
    ids=str,
)
def test_only_harm_after_it_was_tried_again_opens_it_again(known: Breaker | None, at: float, expected: bool) -> None:
    assert breaker.is_news(known, Harm("r", "", at, blocks=True), 900.0) is expected


def test_an_end_of_long_ago_that_hurts_nobody_now_opens_nothing() -> None:
    assert not breaker.is_news(None, Harm("OOMKilled", "", 0.0, blocks=False), breaker.FRESH_SECONDS + 1)
    assert breaker.is_news(None, Harm("ErrImagePull", "", 0.0, blocks=True), breaker.FRESH_SECONDS + 1)


# --- refused pods ----------------------------------------------------------------------------------------------------

REFUSED = Refusal(CREATED_AT + 1, "exceeded quota")
SINCE = CREATED_AT + 1.2
EXEMPT = Exemption(SINCE, REFUSED.at, "22222222-bbbb")


def made(second: int, *, injected: bool = False, phase: str = "Pending") -> Json:
    return of(RUNNING, injected=injected, created=f"2026-03-01T12:00:{second:02d}Z", phase=phase)


ENDED_JOB = job(status={"conditions": [{"type": "Complete", "status": "True"}]})

JUDGED: list[tuple[str, Act, Json, list[Json], Refusal | None, Exemption | None]] = [
    ("nothing was refused", Act.NOTHING, job(), [], None, None),
    ("refused", Act.EXEMPT, job(), [], REFUSED, None),
    ("refused after a failed attempt", Act.EXEMPT, job(), [made(0, phase="Failed")], REFUSED, None),
    ("the one after it was let in", Act.NOTHING, job(), [made(3, phase="Failed")], REFUSED, None),
    ("a pod is there", Act.NOTHING, job(), [made(0)], REFUSED, None),
    ("a pod is on its way", Act.NOTHING, job(status={"active": 1}), [], REFUSED, None),
    ("the Job is over", Act.NOTHING, ENDED_JOB, [], REFUSED, None),
    ("a crowd Job has no sidecar", Act.NOTHING, job(parallelism=2), [], REFUSED, None),
    (
        "suspended",
        Act.NOTHING,
        job(status={"conditions": [{"type": "Suspended", "status": "True"}]}),
        [],
        REFUSED,
        None,
    ),
    ("exempt, nothing yet", Act.NOTHING, job(), [], REFUSED, EXEMPT),
    ("exempt, was on its way", Act.NOTHING, job(), [], Refusal(SINCE + 2, ""), EXEMPT),
    ("exempt and let in", Act.BLAME_US, job(), [made(2)], REFUSED, EXEMPT),
    ("exempt, let in, and over already", Act.BLAME_US, ENDED_JOB, [made(2, phase="Succeeded")], REFUSED, EXEMPT),
    ("exempt, let in, its retry refused", Act.BLAME_US, job(), [made(2)], Refusal(SINCE + 40, ""), EXEMPT),
    ("exempt and refused again", Act.BLAME_OTHERS, job(), [], Refusal(SINCE + 4, ""), EXEMPT),
    ("exempt, refused again, then let in", Act.BLAME_OTHERS, job(), [made(9)], Refusal(SINCE + 4, ""), EXEMPT),
    ("exempt, let in with our container", Act.BLAME_OTHERS, job(), [made(2, injected=True)], REFUSED, EXEMPT),
    ("exempt, let in much later", Act.BLAME_OTHERS, job(), [made(50)], REFUSED, EXEMPT),
    ("exempt, an earlier attempt", Act.NOTHING, job(), [made(0, phase="Failed")], REFUSED, EXEMPT),
    (
        "exempt and let in, our clock is ahead of the control plane's",
        Act.BLAME_US,
        job(),
        [made(2)],
        REFUSED,
        Exemption(SINCE + 20, REFUSED.at, "22222222-bbbb"),
    ),
    ("concluded", Act.NOTHING, job(), [made(2)], REFUSED, Exemption(SINCE, REFUSED.at, "22222222-bbbb", Cause.OTHER)),
]


@pytest.mark.parametrize(
    ("expected", "a_job", "pods", "refusal", "exempted"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED]
)
def test_a_refused_job_is_judged(
    expected: Act, a_job: Json, pods: list[Json], refusal: Refusal | None, exempted: Exemption | None
) -> None:
    assert breaker.judge(a_job, pods, refusal, exempted, None) is expected


@pytest.mark.parametrize(
    ("standing", "since", "expected"),
    [
        (Standing.OPEN, CREATED_AT - 60, Act.NOTHING),  # it went without us, and was refused
        (Standing.OPEN, CREATED_AT, Act.EXEMPT),  # it may have gone with us, and is let go on at once
        (Standing.TRYING, CREATED_AT - 60, Act.EXEMPT),
        (Standing.CLOSED, CREATED_AT - 60, Act.EXEMPT),
    ],
)
def test_who_is_refused_without_us_is_not_exempted(standing: Standing, since: float, expected: Act) -> None:
    known = Breaker("why", since, since + 600, since, 1, standing)
    assert breaker.judge(job(), [], REFUSED, None, known) is expected


def test_a_job_that_is_being_deleted_is_left_alone() -> None:
    given = job()
    given["metadata"]["deletionTimestamp"] = CREATED
    assert breaker.judge(given, [], REFUSED, None, None) is Act.NOTHING


def test_pods_of_nobody_are_injected_only_with_the_label() -> None:
    unlabelled = pod("x", metadata={"labels": None, "ownerReferences": [owned_by("Job", "j", "u")]})
    assert not breaker.is_injected(unlabelled)
