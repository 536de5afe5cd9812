"""The same seed makes the same things happen; every kind of fault and every shape gets its turn."""

from itertools import pairwise

from tests.chaos.plan import LASTS, OF_CRONITOR, OF_THE_CLUSTER, plan
from tests.chaos.shapes import SHAPES


def test_a_seed_decides_everything() -> None:
    assert plan(7, 180) == plan(7, 180)
    assert plan(7, 180) != plan(8, 180)


def test_three_minutes_have_every_shape_and_about_a_job_a_second() -> None:
    jobs = plan(7, 180).jobs
    assert {job.shape for job in jobs} == {shape.name for shape in SHAPES}
    assert 150 < len(jobs) < 210
    assert [job.number for job in jobs] == list(range(1, len(jobs) + 1))
    assert all(earlier.after < later.after <= 180 for earlier, later in pairwise(jobs))


def test_twenty_minutes_have_every_fault() -> None:
    cronitor, cluster = plan(7, 1200).lanes
    assert {fault.kind for fault in cronitor} == set(OF_CRONITOR)
    assert {fault.kind for fault in cluster} == set(OF_THE_CLUSTER)


def test_no_kind_comes_again_before_all_of_its_lane_have_come() -> None:
    [cronitor, _] = plan(7, 1200).lanes
    first = [fault.kind for fault in cronitor[: len(OF_CRONITOR)]]
    assert sorted(first) == sorted(OF_CRONITOR)


def test_only_what_lasts_lasts_and_all_is_over_in_time() -> None:
    for lane in plan(3, 300).lanes:
        assert sum(fault.pause + fault.seconds for fault in lane) <= 300 + len(lane) * 0.1
        for fault in lane:
            low, high = LASTS.get(fault.kind, (0.0, 0.0))
            assert low <= fault.seconds <= high
            assert 0 <= fault.pick < 1
