"""What is drawn can run and comes again by its seed; what must be heard of it follows from how it ended."""

from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.scenarios.drawn import ANY_MESSAGE, drawn, expected, own_codes
from tests.e2e.scenarios.shapes import RUN, Shape, completes
from tests.e2e.scenarios.truth import GONE, JobSeen, PodSeen, Ran
from tests.e2e.world import container
from webhook import annotations

T = 1_772_366_400.0
MANY = [drawn(3, number)[0] for number in range(200)]
ONE = Shape("one", pod={"restartPolicy": "Never"})
BESIDE = replace(ONE, containers=(container(), container("helper")), watched=("app",))
COMPLETED = (RUN, completes(ANY_MESSAGE))


def ran(code: int = 0, end: float = 9, name: str = "app") -> Ran:
    return Ran(name, T + 5, T + end, code)


def pod(*runs: Ran, deleted: float | None = None) -> PodSeen:
    return PodSeen("p", T, True, None if deleted is None else T + deleted, runs)


def seen(outcome: str, *pods: PodSeen) -> JobSeen:
    return JobSeen("series", T, outcome, pods=pods)


def heard(shape: Shape, job: JobSeen, verdict: str, code: int | None) -> list[tuple[str, int | None]]:
    return [(one.state, one.code) for one in expected(shape, "key", job, verdict, code).heard]


def test_the_same_numbers_draw_the_same_and_others_something_else() -> None:
    assert drawn(1, 2) == drawn(1, 2)
    assert len({str(shape.manifest) for shape in MANY}) > 190
    assert drawn(1, 2)[0].manifest["spec"] != drawn(2, 2)[0].manifest["spec"]


def test_its_twin_differs_by_name_and_injection_alone() -> None:
    one, alone = drawn(1, 2)
    assert replace(alone, name=one.name, annotations=one.annotations) == one
    assert [annotations.read(shape.annotations).inject for shape in (one, alone)] == [True, False]


@pytest.mark.parametrize("wanted", ["podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes",
                                    "podReplacementPolicy", "ttlSecondsAfterFinished"])  # fmt: skip
def test_every_field_of_a_job_is_drawn_by_some(wanted: str) -> None:
    assert any(wanted in shape.job for shape in MANY)
    assert any(wanted not in shape.job for shape in MANY)


def test_nothing_is_drawn_that_may_go_on_for_ever_or_that_only_time_decides() -> None:
    for shape in MANY:
        assert "activeDeadlineSeconds" not in {**shape.job, **shape.pod}
        assert all(rule["action"] != "Ignore" for rule in shape.job.get("podFailurePolicy", {}).get("rules", ()))


def test_the_outcome_says_what_must_be_heard() -> None:
    assert heard(ONE, seen("Complete", pod(ran())), "complete", 0) == [("run", None), ("complete", 0)]
    assert heard(ONE, seen("Complete", pod(ran())), "fail", 3) == [("run", None), ("complete", 0)]
    assert heard(ONE, seen("Failed", pod(ran(3))), "complete", 0) == [("run", None), ("fail", 3)]
    assert heard(ONE, seen("Failed", pod(ran(3))), "fail", 4) == [("run", None), ("fail", 3)]
    for verdict, code in (("complete", 0), ("fail", 3)):
        assert heard(ONE, seen(GONE, pod(ran(3))), verdict, code) == [("run", None), (verdict, code)]


def test_where_some_containers_count_they_decide() -> None:
    job = seen("Failed", pod(ran(), ran(3, name="helper")))
    assert heard(BESIDE, job, "complete", 0) == [("run", None), ("complete", 0)]
    assert heard(ONE, job, "complete", 0) != heard(BESIDE, job, "complete", 0)


def test_nothing_has_begun_where_nothing_that_counts_has_started() -> None:
    assert heard(ONE, seen("Failed", pod(Ran("app", None))), "fail", None) == [("fail", None)]


@pytest.mark.parametrize(
    ("pods", "more", "codes"),
    [
        ([pod(ran(6)), pod(ran(7))], {}, {7}),
        ([pod(ran(6, 9), ran(7, 11, "helper"))], {}, {6}),
        ([pod(ran(6, 9), ran(7, 10, "helper"))], {}, {6, 7}),
        ([pod(ran(143, 12), deleted=10)], {}, set()),
        ([pod(ran(6)), pod(ran(7))], {"job": {"completions": 2}}, {6, 7}),
        ([pod(ran(6, 9), ran(7, 20))], {"pod": {"restartPolicy": "OnFailure"}}, {6, 7}),
        ([pod(ran(9, name="setup"))],
         {"pod": {"restartPolicy": "Never", "initContainers": [container("setup")]}}, {9}),
        ([pod(ran(1, name="mesh"), ran(2))], {}, {2}),
    ],
)  # fmt: skip
def test_the_code_is_of_the_last_attempts_first_failure(
    pods: list[PodSeen], more: dict[str, Any], codes: set[int]
) -> None:
    shape = replace(ONE, containers=(container(), container("helper")), **more)
    assert own_codes(shape, seen("Failed", *pods)) == codes
