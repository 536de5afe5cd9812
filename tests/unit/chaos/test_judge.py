"""Heard, seen and fallen → harmed, lost, wrong, told twice, missed."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.chaos.judge import Verdict, counts_by_shape, judge
from tests.chaos.plan import Kind
from tests.chaos.seen import Event, Fell, JobSeen
from tests.unit.chaos.seeing import HEARD, MADE, event, fell, job, pod

NOW = MADE + 400


def verdict(
    seen: JobSeen, heard: Sequence[Event] = HEARD, faults: Sequence[Fell] = (), twins: Sequence[JobSeen] = ()
) -> Verdict:
    return judge([seen], twins, heard, faults, NOW)


def counts(found: Verdict) -> dict[str, int]:
    """What there is of each sort; sorts of which there is nothing are left out."""
    sorts = {
        "harmed": found.harmed,
        "lost": found.lost,
        "wrong": found.wrong,
        "duplicates": found.duplicates,
        "missed": found.missed,
    }
    return {name: len(findings) for name, findings in sorts.items() if findings}


def test_a_run_told_right_is_nothing() -> None:
    found = verdict(job())
    assert counts(found) == {}
    assert found.good


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (job(outcome="Failed", reason="BackoffLimitExceeded"), "ended Failed (BackoffLimitExceeded), not Complete"),
        (job(outcome="", ended=None), "has not ended"),
        (job(ended=MADE + 300), "took 300 s"),
        (job("succeeds", pod(started=MADE + 61), ended=MADE + 62), "started 61 s after"),
        (job("succeeds", pod(sidecar_ends={0: "1 Error"})), "exited with 1 Error"),
        (job("succeeds", pod(sidecar_ends={0: "137 Error", 1: "0 Completed"})), "exited with 137 Error"),
        (job("succeeds", pod(sidecar_ends={0: "128 StartError"})), "exited with 128 StartError"),
    ],
)
def test_harm(seen: JobSeen, words: str) -> None:
    found = verdict(seen)
    assert not found.good
    assert [words in str(one) for one in found.harmed] == [True]


def twin(made: float, ended: float | None) -> JobSeen:
    """A Job without us, from so many seconds after the other was made until so many."""
    return replace(job(), series="twin", made=MADE + made, ended=None if ended is None else MADE + ended)


@pytest.mark.parametrize(
    ("twins", "harmed"),
    [
        ([], 2),
        ([twin(0, 200)], 0),
        ([twin(0, 120), twin(100, 200)], 0),
        ([twin(0, None)], 0),
        ([twin(0, 100)], 2),
        ([twin(-300, -1)], 2),
        ([twin(0, 9), twin(195, 204)], 2),
        ([twin(0, 100), twin(1, 100), twin(2, 100)], 2),
    ],
)
def test_the_time_in_which_a_job_without_us_was_late_as_well_is_not_our_doing(
    twins: list[JobSeen], harmed: int
) -> None:
    late = job("succeeds", pod(started=MADE + 190), ended=MADE + 200)
    assert counts(verdict(late, twins=twins)).get("harmed", 0) == harmed


def test_a_sidecar_that_was_killed_by_us_did_not_exit_by_itself() -> None:
    seen = job("succeeds", pod(sidecar_ends={0: "137 Error", 1: "0 Completed"}))
    assert counts(verdict(seen, HEARD, [fell(Kind.SIDECAR_KILLED, 3, uid=pod().uid)])) == {}
    assert counts(verdict(seen, HEARD, [fell(Kind.SIDECAR_KILLED, 3, uid="another")])) == {"harmed": 1}


def test_a_sidecar_that_the_kubelet_could_not_start_as_it_was_killed_never_ran() -> None:
    seen = job("succeeds", pod(sidecar_ends={0: "128 StartError"}))
    assert counts(verdict(seen, HEARD, [fell(Kind.KUBELET_RESTARTED, 1)])) == {}


def test_a_container_that_the_kubelet_could_not_start_as_it_was_killed_never_ran() -> None:
    seen = job("exits-3", pod(started=None, not_started=True))
    told = [event("fail", 9, 128)]
    assert counts(verdict(seen, told)) == {"lost": 1, "wrong": 1}
    assert counts(verdict(seen, told, [fell(Kind.KUBELET_RESTARTED, 1)])) == {}
    assert counts(verdict(seen, [event("fail", 9, 3)], [fell(Kind.KUBELET_RESTARTED, 1)])) == {}
    assert counts(verdict(seen, [event("fail", 9, 5)], [fell(Kind.KUBELET_RESTARTED, 1)])) == {"wrong": 1}


@pytest.mark.parametrize(
    ("heard", "what"),
    [
        ([], "run and complete not heard; heard was nothing"),
        ([event("run", 1)], "complete not heard"),
        ([event("complete", 5, 0)], "run not heard"),
    ],
)
def test_lost(heard: list[Event], what: str) -> None:
    found = verdict(job(), heard)
    assert [what in one.what for one in found.lost] == [True]
    assert not found.good


def test_no_run_is_expected_of_what_never_started_or_was_gone_before_a_controller_saw_it() -> None:
    told = [event("fail", 9, sender="controller")]
    never = job("past-deadline", pod(injected=False, started=None), reason="DeadlineExceeded")
    assert counts(verdict(never, told)) == {}
    started = job("past-deadline", pod(injected=False), reason="DeadlineExceeded")
    assert counts(verdict(started, told)) == {"lost": 1}
    assert counts(verdict(started, told, [fell(Kind.CONTROLLER_AWAY, -5, 12)])) == {}
    assert counts(verdict(started, told, [fell(Kind.CONTROLLER_AWAY, 100, 120)])) == {"lost": 1}
    another = job("exits-3", pod(), reason="BackoffLimitExceeded")
    away = [fell(Kind.CONTROLLER_AWAY, -5, 12)]
    assert counts(verdict(another, [event("fail", 9, 3)], away)) == {"lost": 1}


@pytest.mark.parametrize(
    ("heard", "what"),
    [
        ([event("run", 1), event("fail", 5, 3)], "expected run, complete"),
        ([event("complete", 1, 0), event("run", 5)], "expected run, complete"),
        ([event("run", 1), event("complete", 5, None)], "has status_code None, not 0"),
        ([event("run", 1, violations=("bad-stamp: x",)), event("complete", 5, 0)], "bad-stamp: x"),
        ([*HEARD, event("fail", 6, 1, violations=("second-verdict: fail after complete",))], "second-verdict"),
    ],
)
def test_wrong(heard: list[Event], what: str) -> None:
    found = verdict(job(), heard)
    assert any(what in one.what for one in found.wrong)
    assert not found.good


def test_an_event_of_no_job_is_wrong() -> None:
    found = verdict(job(), [*HEARD, event("run", 7, series="another")])
    assert counts(found) == {"wrong": 1}


def test_the_same_again_is_a_duplicate_and_nothing_else() -> None:
    again = event("complete", 9, 0, repeat_of=5, violations=("duplicate: complete came before",))
    found = verdict(job(), [*HEARD, again])
    assert counts(found) == {"duplicates": 1}
    assert not found.good
    assert len(found.unexplained) == 1


def test_an_explained_duplicate_is_good() -> None:
    heard = [event("run", 1), event("complete", 5, 0, fault="lost"), event("complete", 9, 0, repeat_of=5)]
    found = verdict(job(), heard)
    assert counts(found) == {"duplicates": 1}
    assert found.good


def test_a_pod_without_sidecar_was_missed() -> None:
    seen = job("succeeds", pod(injected=False))
    assert [one.explanation for one in verdict(seen).missed] == [""]
    [missed] = verdict(seen, HEARD, [fell(Kind.ADMISSION_AWAY, -10, -5), fell(Kind.LEADER_KILLED, -1)]).missed
    assert missed.explanation == "admission-away began 11 s before"
    [missed] = verdict(seen, HEARD, [fell(Kind.ADMISSION_AWAY, -200, -100)]).missed
    assert missed.explanation == ""


def test_a_pod_that_is_not_to_be_injected_was_not_missed() -> None:
    assert counts(verdict(job("crowd", pod(injected=False)))) == {}


def test_an_open_mark_is_told() -> None:
    found = verdict(job(closed=False))
    assert [one.what for one in found.unclosed] == ["its mark is open"]


def test_counts_are_by_shape() -> None:
    seen = job("exits-3", pod(injected=False))
    found = judge([seen], [], [], [], NOW)
    assert counts_by_shape([seen], found) == {
        "exits-3": {"jobs": 1, "harmed": 0, "lost": 1, "wrong": 0, "duplicates": 0, "missed": 1}
    }
