"""When a run is opened, and what its mark says as it goes on."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.webhook.objects import (
    CREATED_AT,
    CRON_JOB_UID,
    JOB_UID,
    container_status,
    cron_job,
    ended,
    job,
    pod,
    running,
    terminated,
)
from webhook.annotations import AlertOn, Options
from webhook.controller.marks import Decision, Defaults, advanced, container_starts, opened
from webhook.run_mark import RunMark

Json = dict[str, Any]

DEFAULTS = Defaults(include=False, environment="")
MARK = RunMark(CRON_JOB_UID, "shop/backup", job=JOB_UID)
STARTED = replace(MARK, start=CREATED_AT + 5)
ENDED_AT = CREATED_AT + 600
IGNORED = frozenset({"istio-proxy"})


# --- opened ----------------------------------------------------------------------------------------------------------


def open_of(
    a_job: Json | None = None, *, options: Options | None = None, labelled: bool = True, defaults: Defaults = DEFAULTS
) -> RunMark | None:
    return opened(a_job or job(), cron_job(), options or Options(include=True), labelled=labelled, defaults=defaults)


def test_the_first_sight_of_an_unfinished_job_opens_its_run() -> None:
    assert open_of() == MARK


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"labelled": False}, None),
        ({"a_job": job(status=ended("Complete"))}, None),
        ({"a_job": job(status=ended("Failed"))}, None),
        ({"options": Options()}, None),
        ({"options": Options(exclude=True, include=True)}, None),
        ({"options": Options(), "defaults": Defaults(include=True, environment="")}, MARK),
        ({"a_job": job(suspend=True)}, MARK),
        ({"a_job": job(status={"startTime": None})}, None),
        ({"a_job": job(status={"startTime": None, "conditions": [{"type": "Suspended", "status": "True"}]})}, MARK),
        ({"a_job": job(parallelism=5)}, MARK),
        ({"a_job": job(status={"conditions": [{"type": "FailureTarget", "status": "True"}]})}, MARK),
    ],
)
def test_which_runs_are_opened(given: Json, expected: RunMark | None) -> None:
    assert open_of(**given) == expected


def test_the_mark_freezes_what_the_run_is_told_under() -> None:
    options = Options(include=True, key="k", name="Nightly", env="dev", alert_on=AlertOn.ATTEMPT)
    assert open_of(options=options) == RunMark("k", "Nightly", "dev", AlertOn.ATTEMPT, job=JOB_UID)


def test_the_charts_environment_is_frozen_too() -> None:
    assert open_of(defaults=Defaults(include=False, environment="prod")) == replace(MARK, env="prod")


# --- container starts ------------------------------------------------------------------------------------------------


def at(seconds: int) -> str:
    return f"2026-03-01T12:00:{seconds:02}Z"


def stood(*regular: Json, init: tuple[Json, ...] = (), sidecars: tuple[str, ...] = ()) -> Json:
    given = pod("p", status={"initContainerStatuses": list(init), "containerStatuses": list(regular)})
    given["spec"]["initContainers"] = [
        {"name": one["name"], **({"restartPolicy": "Always"} if one["name"] in ("cronitor", *sidecars) else {})}
        for one in init
    ]
    return given


OWN = container_status("cronitor", running(at(1)))


@pytest.mark.parametrize(
    ("what", "given", "options", "expected"),
    [
        ("nothing has started",
         stood(container_status("app", {"waiting": {"reason": "x"}}), init=(OWN,)), Options(), []),
        ("no status yet", pod("p"), Options(), []),
        ("a container runs", stood(container_status("app", running(at(5))), init=(OWN,)), Options(), [5]),
        ("a container has ended", stood(container_status("app", terminated(at(5)))), Options(), [5]),
        ("it never started", stood(container_status("app", terminated(None))), Options(), []),
        ("the zero time", stood(container_status("app", terminated("0001-01-01T00:00:00Z"))), Options(), []),
        ("1970", stood(container_status("app", terminated("1970-01-01T00:00:00Z"))), Options(), []),
        ("it was restarted",
         stood(container_status("app", running(at(9)), terminated(at(5)))), Options(), [5, 9]),
        ("an init container", stood(init=(OWN, container_status("setup", terminated(at(3))))), Options(), [3]),
        ("a native sidecar of the user",
         stood(container_status("app", running(at(5))), init=(container_status("mesh", running(at(2))),),
               sidecars=("mesh",)), Options(), [5]),
        ("a container that is ignored",
         stood(container_status("istio-proxy", running(at(2))), container_status("app", running(at(5)))),
         Options(), [5]),
        ("ignored containers and no others: something must make the run",
         stood(container_status("istio-proxy", running(at(2)))), Options(), [2]),
        ("chosen ones", stood(container_status("helper", running(at(2))), container_status("app", running(at(5)))),
         Options(containers=("app",)), [5]),
        ("a choice that names nothing in the pod counts as none",
         stood(container_status("app", running(at(5)))), Options(containers=("typo",)), [5]),
    ],
)  # fmt: skip
def test_which_starts_make_a_run(what: str, given: Json, options: Options, expected: list[int]) -> None:
    assert list(container_starts(given, options, IGNORED)) == [CREATED_AT + second for second in expected], what


# --- advanced --------------------------------------------------------------------------------------------------------


def advance(mark: RunMark = MARK, a_job: Json | None = None, *pods: Json, now: float = CREATED_AT + 60) -> Decision:
    return advanced(mark, a_job or job(), pods, Options(), IGNORED, now)


RUN, COMPLETE = '{"e":"run","t":1.0,"a":1}', '{"e":"complete","t":9.0,"a":1}'
LEFT = '{"left":"the attempt failed, retries are left"}'


def told(*lines: str, start: int = 5) -> Json:
    """A pod whose sidecar has ended and left these lines."""
    own = container_status("cronitor", terminated(at(1), "\n".join(lines)))
    return stood(container_status("app", terminated(at(start))), init=(own,))


def test_nothing_new_is_not_written() -> None:
    assert advance() == Decision()
    assert advance(STARTED, None, stood(container_status("app", running(at(5))))) == Decision()


def test_the_first_start_is_marked_and_a_later_one_changes_nothing() -> None:
    first = stood(container_status("app", running(at(5))))
    later = stood(container_status("app", running(at(50))))
    assert advance(MARK, None, first) == Decision(STARTED)
    assert advance(MARK, None, later, first) == Decision(STARTED)
    assert advance(STARTED, None, later) == Decision()


@pytest.mark.parametrize("closed", [RunMark("k", "n", verdict="complete"), RunMark("k", "n", left="why")])
def test_a_closed_run_stays_as_it_is(closed: RunMark) -> None:
    given = told('{"e":"fail","t":9.0,"a":1}')
    assert advance(closed, job(status=ended()), given, now=ENDED_AT + 100) == Decision()


def test_what_the_sidecar_told_closes_the_run_at_once() -> None:
    expected = replace(STARTED, verdict="complete")
    assert advance(MARK, None, told(COMPLETE, RUN)) == Decision(expected)
    assert advance(MARK, job(status=ended()), told(COMPLETE, RUN), now=ENDED_AT) == Decision(expected)


def test_a_verdict_counts_whichever_pod_it_comes_from() -> None:
    decision = advance(STARTED, None, told(RUN, LEFT), told(COMPLETE, start=50))
    assert decision.mark is not None
    assert (decision.mark.verdict, decision.mark.left) == ("complete", "")


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_a_journal_may_come_a_moment_after_the_jobs_end(kind: str) -> None:
    still = stood(container_status("app", terminated(at(5))), init=(OWN,))
    decision = advance(MARK, job(status=ended(kind)), still, now=ENDED_AT + 2)
    assert decision == Decision(STARTED, look_again=3.0)
    assert advance(STARTED, job(status=ended(kind)), still, now=ENDED_AT + 2) == Decision(None, look_again=3.0)


@pytest.mark.parametrize(
    ("pods", "left"),
    [
        ([], "no sidecar told it"),
        ([stood(container_status("app", terminated(at(5))))], "no sidecar told it"),
        ([told(RUN, LEFT)], "the attempt failed, retries are left"),
        ([told(RUN, '{"left":"first"}'), told('{"left":"second"}')], "second"),
        ([told(RUN, '{"left":"first"}'), told()], "first"),
        ([told('{"e":"complete","t":9.0,"a":0}', RUN)], "not delivered: complete"),
        ([told('{"e":"complete","t":9.0,"a":2}', '{"e":"run","t":1.0,"a":0}')], "not delivered: complete, run"),
        ([told('{"e":"fail","t":9.0,"a":1,"k":true}')], "no sidecar told it"),
    ],
)
def test_a_job_that_ended_without_a_told_verdict_says_why(pods: list[Json], left: str) -> None:
    decision = advance(MARK, job(status=ended()), *pods, now=ENDED_AT + 5)
    assert decision.mark is not None
    assert (decision.mark.left, decision.mark.verdict) == (left, "")
    assert decision.look_again is None


def test_what_is_undelivered_is_no_end_while_the_job_runs() -> None:
    assert advance(STARTED, None, told(RUN, LEFT)) == Decision()


def test_an_end_without_a_time_is_given_the_same_moment() -> None:
    a_job = job(status={"conditions": [{"type": "Complete", "status": "True"}]})
    assert advance(MARK, a_job, now=ENDED_AT) == Decision(None, look_again=5.0)
