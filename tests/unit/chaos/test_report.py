"""The closing table and the document."""

import json

from tests.chaos import report
from tests.chaos.judge import judge
from tests.chaos.plan import Kind, plan
from tests.unit.chaos.seeing import HEARD, MADE, fell, job, pod


def test_the_table_has_a_line_for_each_shape_and_one_for_all() -> None:
    jobs = [job(), job("crowd", pod(injected=False))]
    lines = report.table(jobs, judge(jobs, [], HEARD, [], MADE)).splitlines()
    assert [line.split()[0] for line in lines] == ["shape", "crowd", "succeeds", "all"]
    assert lines[-1].split()[1:3] == ["2", "0"]


def test_the_unexplained_comes_first_and_says_so() -> None:
    jobs = [job("succeeds", pod(injected=False), pod("other", injected=False, created=MADE + 500))]
    verdict = judge(jobs, [], HEARD, [fell(Kind.ADMISSION_AWAY, -1)], MADE)
    first, second = report.findings(verdict).splitlines()
    assert first.startswith("missed, unexplained: ")
    assert "admission-away" in second


def test_the_document_is_json_with_seed_counts_and_faults() -> None:
    jobs, faults = [job()], [fell(Kind.LEADER_KILLED, 3)]
    found = report.document(plan(7, 60), MADE, 90.0, jobs, HEARD, faults, judge(jobs, [], HEARD, faults, MADE))
    kept = json.loads(json.dumps(found))
    assert (kept["seed"], kept["jobs"], kept["harmed"], kept["lost"], kept["good"]) == (7, 1, 0, 0, True)
    assert kept["runs"][0]["heard"] == ["1.0 run by the sidecar (request 1)", "5.0 complete by the sidecar (request 5)"]
    assert kept["faults"] == [{"at": 3.0, "kind": "leader-killed", "target": "somewhere", "seconds": 0.0}]


def test_how_late_jobs_ended_is_told_with_us_and_without() -> None:
    made = [job(ended=MADE + 4), job(ended=MADE + 8), job(ended=MADE + 30)]
    found = report.slowest(made, [job(ended=MADE + 5)], MADE + 60)
    assert found["with_us"] == {"jobs": 3, "median": 6.0, "most": 28.0}
    line = report.slowest_line(found)
    assert line.endswith("with us median 6.0 s, most 28.0 s (3 Jobs); without us median 3.0 s, most 3.0 s (1 Jobs)")
    assert report.slowest(made, [], MADE).keys() == {"with_us"}
