"""The sidecar and the controller look at the same pod: what they both can tell of it is the same.

Each history is one pod, seen once: by the sidecar while it lives, by the controller when its Job has ended.
"""

import random
from typing import Any

import pytest

import sidecar.machine
import sidecar.pod
import webhook.controller.attempts
from sidecar.events import State
from sidecar.machine import begin, observe
from sidecar.rules import Rules, watched_containers
from tests.unit.sidecar.pods import CREATED, at, container, ended, own, pod, running, waiting
from tests.unit.webhook import objects
from webhook import workloads
from webhook.controller import telling
from webhook.controller.attempts import Attempt, parse
from webhook.telemetry import Event

Json = dict[str, Any]


def attempt(given: Json, chosen: frozenset[str] = frozenset(), ignored: frozenset[str] = frozenset()) -> Attempt:
    named = {**given, "metadata": {**given["metadata"], "uid": "pod-uid", "namespace": "shop"}}
    return parse(workloads.trim_pod(named), gone_at=None, chosen=chosen, ignored=ignored)


def test_they_know_the_same_reasons_of_a_start_that_does_not_heal() -> None:
    assert webhook.controller.attempts.STUCK_REASONS == sidecar.machine.STUCK_REASONS
    assert webhook.controller.attempts.IMPLIED_REASONS == sidecar.machine.IMPLIED_REASONS


# --- what counts -----------------------------------------------------------------------------------------------------

REGULAR = ("app", "helper", "istio-proxy", "cronitor")
INIT = ("setup", "migrate")


def any_pod(seed: int) -> tuple[Json, frozenset[str], frozenset[str]]:
    """Some pod in some state; names to choose and to ignore, perhaps of containers that it does not have."""
    dice = random.Random(seed)

    def state() -> Json:
        return dice.choice(
            [
                {},
                waiting(dice.choice(["PodInitializing", "ImagePullBackOff"])),
                running(dice.randint(1, 9)),
                *(ended(dice.choice([0, 1, 3, 137]), end=dice.randint(5, 9)) for _ in range(3)),
            ]
        )

    def one(name: str, **spec: Any) -> Json:
        last = ended(dice.choice([0, 1, 2]), end=dice.randint(2, 6)) if dice.random() < 0.4 else None
        return container(name, state(), last=last, restarts=1 if last else 0, **spec)

    inits = [one(name) for name in INIT if dice.random() < 0.4]
    if dice.random() < 0.3:
        inits.append(one("mesh", restartPolicy="Always"))
    regular = [one(name) for name in dice.sample(REGULAR[:3], dice.randint(1, 3))]
    given = pod(*regular, init=(own(), *inits), restart_policy=dice.choice(["Never", "OnFailure"]))
    names = (*REGULAR, *INIT, "typo")
    chosen, ignored = (frozenset(dice.sample(names, dice.choice([0, 0, 1, 2]))) for _ in range(2))
    return given, chosen, ignored


@pytest.mark.parametrize("first", range(0, 150, 30))
def test_they_watch_the_same_containers_and_see_the_same_exit_code(first: int) -> None:
    for seed in range(first, first + 30):
        agree_on(*any_pod(seed), f"seed {seed}")


def agree_on(given: Json, chosen: frozenset[str], ignored: frozenset[str], what: str) -> None:
    theirs, rules = sidecar.pod.parse(given), Rules(frozenset(State), 1, containers=chosen, ignored=ignored)
    watched = watched_containers(theirs, rules)
    seen = attempt(given, chosen, ignored)
    assert [one.name for one in seen.watched] == [one.name for one in watched], what
    starts = [one.first_known_start for one in watched if one.first_known_start is not None]
    assert min(seen.starts, default=None) == min(starts, default=None), what
    told = observe(begin(rules), theirs, CREATED + 100.0, rules, monotonic=0.0).events
    for event in told:
        if event.state is State.FAIL and not event.stuck:
            failure = seen.own_failure()
            assert (failure.code if failure else None) == event.status_code, what


def test_among_any_pods_are_enough_that_fail() -> None:
    codes = set()
    for seed in range(150):
        given, chosen, ignored = any_pod(seed)
        rules = Rules(frozenset(State), 0, containers=chosen, ignored=ignored)
        step = observe(begin(rules), sidecar.pod.parse(given), CREATED + 100.0, rules, monotonic=0.0)
        codes |= {event.status_code for event in step.events if event.state is State.FAIL}
    assert codes >= {1, 2, 3, 137}


# --- what is said ----------------------------------------------------------------------------------------------------


def both(
    given: Json, *, failed: int = 0, limit: int = 6, manual: bool = False, reason: str = "BackoffLimitExceeded"
) -> tuple[sidecar.machine.Step, Event]:
    """What the sidecar tells of this pod, which is its Job's last, and what the controller would tell in its place."""
    rules = Rules(frozenset(State), limit, failed, manual=manual)
    step = observe(begin(rules), sidecar.pod.parse(given), CREATED + 60.0, rules, monotonic=0.0)
    verdict = step.events[-1]
    failed += verdict.state is State.FAIL and given["spec"]["restartPolicy"] == "Never"
    annotations = {workloads.INSTANTIATE: "manual"} if manual else {}
    a_job = objects.job(backoffLimit=limit, status={"failed": failed}, annotations=annotations)
    given["status"]["phase"] = "Succeeded" if verdict.state is State.COMPLETE else "Failed"
    seen, start = (attempt(given),), CREATED + 1.0
    if verdict.state is State.COMPLETE:
        return step, telling.complete(a_job, seen, start, CREATED + 99.0)
    return step, telling.fail(a_job, seen, start, CREATED + 99.0, reason)


SIMPLE: list[tuple[str, Json, dict[str, Any]]] = [
    ("it succeeds", pod(container("app", ended(0))), {}),
    ("two succeed", pod(container("app", ended(0)), container("helper", ended(0, end=7))), {}),
    ("it succeeds at the third attempt", pod(container("app", ended(0))), {"failed": 2}),
    ("it succeeds after a restart",
     pod(container("app", ended(0, start=7, end=9), last=ended(3, end=6), restarts=1), restart_policy="OnFailure"), {}),
    ("it succeeds after an init container", pod(container("app", ended(0)), init=(container("setup", ended(0)),)), {}),
    ("a person started it", pod(container("app", ended(0))), {"manual": True}),
    ("it fails", pod(container("app", ended(3))), {"limit": 0}),
    ("it fails for the last time", pod(container("app", ended(3))), {"limit": 2, "failed": 2}),
    ("it runs out of memory", pod(container("app", ended(137, reason="OOMKilled")), container("helper", ended(0))),
     {"limit": 0}),
    ("two fail, the second one first", pod(container("app", ended(1, end=9)), container("helper", ended(2, end=5))),
     {"limit": 0}),
    ("two fail in the same second", pod(container("app", ended(1)), container("helper", ended(2))), {"limit": 0}),
    ("an init container fails",
     pod(container("app", waiting("PodInitializing")), init=(container("setup", ended(9)),)), {"limit": 0}),
    ("a person started what fails", pod(container("app", ended(3))), {"limit": 0, "manual": True}),
    ("restarts have reached the limit",
     pod(container("app", running(8), last=ended(5, end=7), restarts=2), restart_policy="OnFailure"), {"limit": 2}),
    ("the last restart goes wrong, too",
     pod(container("app", ended(6, start=8, end=9), last=ended(5, end=7), restarts=2), restart_policy="OnFailure"),
     {"limit": 2}),
    ("the last restart fails in the second in which the one before did",
     pod(container("app", ended(6, start=7, end=7), last=ended(5, end=7), restarts=2), restart_policy="OnFailure"),
     {"limit": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "given", "of_job"), SIMPLE, ids=[row[0] for row in SIMPLE])
def test_they_tell_the_same_verdict(what: str, given: Json, of_job: dict[str, Any]) -> None:
    step, ours = both(given, **of_job)
    theirs = step.events[-1]
    assert ours.state.value == theirs.state.value
    assert (ours.message, ours.status_code) == (theirs.message, theirs.status_code), what
    assert (ours.stamp, ours.errors) == (theirs.stamp, theirs.error_count), what
    if [event.state for event in step.events] == [State.RUN, theirs.state]:
        assert ours.duration == theirs.duration


def test_they_tell_a_start_that_hangs_in_the_same_words() -> None:
    given = pod(container("app", waiting("ImagePullBackOff", 'Back-off pulling image "nowhere/none"')))
    rules = Rules(frozenset(State), stuck_seconds=0.0)
    (theirs,) = observe(begin(rules), sidecar.pod.parse(given), CREATED + 60.0, rules, monotonic=0.0).events
    hanging = given["status"]["containerStatuses"][0]["state"]["waiting"]
    ours = telling.stuck(objects.job(), attempt(given), CREATED + 60.0, f"app {hanging['reason']}", hanging["message"])
    assert (ours.state.value, ours.message, ours.stamp, ours.status_code, ours.stuck) == (
        theirs.state.value, theirs.message, theirs.stamp, theirs.status_code, theirs.stuck,
    )  # fmt: skip


def test_they_understand_the_moment_of_a_deletion_the_same() -> None:
    given = pod(container("app", running()), deleted=40)
    assert sidecar.pod.parse(given).deletion_requested_at == attempt(given).deleted_at == CREATED + 40
    assert given["metadata"]["deletionTimestamp"] == at(70)
