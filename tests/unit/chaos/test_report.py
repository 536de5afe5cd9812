"""The closing table and the document."""

import json
from dataclasses import replace

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


def test_how_much_longer_jobs_took_than_their_twins_is_told() -> None:
    made = [replace(job(ended=MADE + 10 + number), name=f"succeeds-{number}") for number in range(11)]
    twins = [replace(job(ended=MADE + 9), name=f"succeeds-{number}") for number in range(1, 11)]
    found = report.beside_twins(made, twins, MADE + 60)
    assert (found["pairs"], found["median"]) == (10, 6.5)
    assert report.twins_line(found).startswith("longer than the same Job without us: median 6.5 s, p10 2.")
    assert report.beside_twins(made[:2], twins, MADE + 60)["median"] == 2.0
