"""Which fault accounts for an event that came twice, and which does not."""

from dataclasses import replace

import pytest

from tests.chaos.duplicates import explain
from tests.chaos.plan import Kind
from tests.chaos.seen import UNEXPLAINED, Event, Fell
from tests.unit.chaos.seeing import MADE, event, fell, job, pod

BY_SIDECAR = event("complete", 50, 0)
BY_CONTROLLER = event("complete", 50, 0, sender="controller")
AGAIN_BY_SIDECAR = event("complete", 70, 0, repeat_of=50)
AGAIN_BY_CONTROLLER = event("complete", 70, 0, repeat_of=50, sender="controller")
ACKNOWLEDGED = event("complete", 70, 0, repeat_of=50, violations=("duplicate: complete came before, was acknowledged",))


@pytest.mark.parametrize(
    ("first", "again", "fault", "words"),
    [
        (event("complete", 50, 0, fault="lost"), AGAIN_BY_SIDECAR, None, "answer to the first was lost"),
        (event("complete", 50, 0, fault="slow"), AGAIN_BY_CONTROLLER, None, "answer to the first was lost"),
        (BY_SIDECAR, AGAIN_BY_SIDECAR, fell(Kind.CRONITOR_REFUSES, 51, 60), "cut off"),
        (BY_SIDECAR, AGAIN_BY_SIDECAR, fell(Kind.SIDECAR_KILLED, 52, uid=pod().uid), "not journalled"),
        (BY_SIDECAR, AGAIN_BY_CONTROLLER, fell(Kind.SIDECAR_KILLED, 52, uid=pod().uid), "not journalled"),
        (BY_CONTROLLER, AGAIN_BY_CONTROLLER, fell(Kind.LEADER_KILLED, 51), "not marked"),
        (BY_CONTROLLER, AGAIN_BY_CONTROLLER, fell(Kind.LEADER_DELETED, 47), "not marked"),
        (BY_CONTROLLER, AGAIN_BY_CONTROLLER, fell(Kind.API_SERVER_AWAY, 40, 55), "not marked"),
    ],
)
def test_a_fault_at_the_right_moment_explains(first: Event, again: Event, fault: Fell | None, words: str) -> None:
    assert words in explain(first, again, job(), [fault] if fault else [])


@pytest.mark.parametrize(
    ("first", "again", "fault"),
    [
        (event("complete", 50, 0, fault="slow"), ACKNOWLEDGED, None),
        (BY_SIDECAR, AGAIN_BY_SIDECAR, fell(Kind.CRONITOR_503, 45, 60)),
        (BY_SIDECAR, AGAIN_BY_SIDECAR, fell(Kind.CRONITOR_REFUSES, 60, 65)),
        (BY_SIDECAR, AGAIN_BY_SIDECAR, fell(Kind.SIDECAR_KILLED, 52, uid="another")),
        (BY_SIDECAR, AGAIN_BY_SIDECAR, fell(Kind.SIDECAR_KILLED, 65, uid=pod().uid)),
        (BY_SIDECAR, AGAIN_BY_CONTROLLER, fell(Kind.LEADER_KILLED, 51)),
        (BY_CONTROLLER, AGAIN_BY_CONTROLLER, fell(Kind.LEADER_KILLED, 65)),
        (BY_CONTROLLER, AGAIN_BY_CONTROLLER, fell(Kind.FOLLOWER_KILLED, 51)),
    ],
)
def test_another_one_does_not(first: Event, again: Event, fault: Fell | None) -> None:
    assert explain(first, again, job(), [fault] if fault else []) == UNEXPLAINED


SLOWLY = event("complete", 50, 0, fault="slow")
SOON = event("complete", 52.1, 0, violations=ACKNOWLEDGED.violations)


@pytest.mark.parametrize(
    ("first", "again", "ended", "expected"),
    [
        (BY_SIDECAR, AGAIN_BY_CONTROLLER, 50, "time was up"),
        (BY_SIDECAR, AGAIN_BY_CONTROLLER, 53, UNEXPLAINED),
        (BY_SIDECAR, AGAIN_BY_SIDECAR, 50, UNEXPLAINED),
        (SLOWLY, SOON, 54, "as late as a sidecar waits"),
        (SLOWLY, SOON, 70, UNEXPLAINED),
        (SLOWLY, ACKNOWLEDGED, 54, UNEXPLAINED),
        (SLOWLY, replace(ACKNOWLEDGED, sender="controller"), 54, "time was up"),
    ],
)
def test_an_answer_can_come_too_late_for_a_sidecar_whose_pod_ends(
    first: Event, again: Event, ended: float, expected: str
) -> None:
    found = explain(first, again, job("succeeds", pod(sidecar_ended=MADE + ended)), [])
    assert expected in found if expected else found == UNEXPLAINED
