"""What is drawn can run and comes again by its seed; what must be heard of it follows from how it ended."""

from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.scenarios.drawn import ANY_MESSAGE, drawn, expected, own_codes
from tests.e2e.scenarios.shapes import RUN, Shape, When, completes
from tests.e2e.scenarios.truth import GONE, JobSeen, PodSeen, Ran
from tests.e2e.world import container
from webhook import annotations

T = 1_772_366_400.0
MANY = [drawn(3, number)[0] for number in range(200)]
MESH = container("mesh", restartPolicy="Always")
ONE = Shape("one", pod={"restartPolicy": "Never"})
BESIDE = replace(ONE, containers=(container(), container("helper")), watched=("app",))
COMPLETED = (RUN, completes(ANY_MESSAGE))


def ran(code: int = 0, end: float = 9, name: str = "app") -> Ran:
    return Ran(name, T + 5, T + end, code)


def pod(*runs: Ran, deleted: float | None = None) -> PodSeen:
    return PodSeen("p", T, True, None if deleted is None else T + deleted, runs)


def seen(outcome: str, *pods: PodSeen) -> JobSeen:
    return JobSeen("series", T, outcome, pods=pods, came_to=outcome)


def heard(shape: Shape, job: JobSeen, code: int | None) -> list[tuple[str, int | None]]:
    return [(one.state, one.code) for one in expected(shape, "key", job, code).heard]


def test_the_same_numbers_draw_the_same_and_others_something_else() -> None:
    assert drawn(1, 2) == drawn(1, 2)
    assert len({str(shape.manifest) for shape in MANY}) > 190
    assert drawn(1, 2)[0].manifest["spec"] != drawn(2, 2)[0].manifest["spec"]


def test_its_twin_differs_by_name_and_injection_alone() -> None:
    one, alone = drawn(1, 2)
    assert replace(alone, name=one.name, annotations=one.annotations) == one
    assert [annotations.read(shape.annotations).inject for shape in (one, alone)] == [True, False]


@pytest.mark.parametrize("wanted", ["podFailurePolicy", "backoffLimitPerIndex", "maxFailedIndexes",
                                    "podReplacementPolicy", "ttlSecondsAfterFinished"])  # fmt: skip
def test_every_field_of_a_job_is_drawn_by_some(wanted: str) -> None:
    assert any(wanted in shape.job for shape in MANY)
    assert any(wanted not in shape.job for shape in MANY)


def test_nothing_is_drawn_that_may_go_on_for_ever_or_that_only_time_decides() -> None:
    for shape in MANY:
        assert "activeDeadlineSeconds" not in {**shape.job, **shape.pod}
        assert all(rule["action"] != "Ignore" for rule in shape.job.get("podFailurePolicy", {}).get("rules", ()))


def test_the_outcome_says_what_must_be_heard() -> None:
    assert heard(ONE, seen("Complete", pod(ran())), 0) == [("run", None), ("complete", 0)]
    assert heard(ONE, seen("Complete", pod(ran())), 3) == [("run", None), ("complete", 0)]
    assert heard(ONE, seen("Failed", pod(ran(3))), 0) == [("run", None), ("fail", 3)]
    assert heard(ONE, seen("Failed", pod(ran(3))), 4) == [("run", None), ("fail", 3)]


@pytest.mark.parametrize(("job", "later"), [({}, False), ({"completions": 2}, True)])
def test_of_several_pods_the_run_may_be_stamped_with_a_later_start(job: dict[str, Any], later: bool) -> None:
    (first, _) = expected(replace(ONE, job=job), "key", seen("Complete", pod(ran())), 0).heard
    assert (When.LATER_START in first.stamp) is later


@pytest.mark.parametrize(("came_to", "last"), [("Complete", ("complete", 0)), ("Failed", ("fail", 3))])
def test_of_a_job_that_is_gone_its_last_view_says_it(came_to: str, last: tuple[str, int]) -> None:
    assert heard(ONE, replace(seen(GONE, pod(ran(3))), came_to=came_to), 3) == [("run", None), last]


def test_where_some_containers_count_they_decide() -> None:
    job = seen("Failed", pod(ran(), ran(3, name="helper")))
    assert heard(BESIDE, job, 3) == [("run", None), ("complete", 0)]
    assert heard(replace(BESIDE, watched=()), job, 3) == [("run", None), ("fail", 3)]


@pytest.mark.parametrize(("inject", "job", "wanted"), [("true", {}, True), ("false", {}, False),
                                                       ("true", {"completions": 2}, False)])  # fmt: skip
def test_each_pod_must_have_a_sidecar_or_none(inject: str, job: dict[str, Any], wanted: bool) -> None:
    shape = replace(ONE, job=job, annotations={"k8s.cronitor.io/inject": inject})
    assert expected(shape, "key", seen("Complete", pod(ran())), 0).injected == (wanted, wanted)


def test_nothing_has_begun_where_nothing_that_counts_has_started() -> None:
    assert heard(ONE, seen("Failed", pod(Ran("app", None))), None) == [("fail", None)]


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
        ([pod(ran(1, name="mesh"), ran(2, 12))], {"pod": {"restartPolicy": "Never", "initContainers": [MESH]}}, {2}),
    ],
)  # fmt: skip
def test_the_code_is_of_the_last_attempts_first_failure(
    pods: list[PodSeen], more: dict[str, Any], codes: set[int]
) -> None:
    shape = replace(ONE, containers=(container(), container("helper")), **more)
    assert own_codes(shape, seen("Failed", *pods)) == codes
