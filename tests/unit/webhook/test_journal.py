"""What the controller understands of a sidecar's termination message."""

from typing import Any

import pytest

from tests.unit.webhook.objects import container_status, pod, running, terminated, verdict_told
from webhook.journal import Report, of_pod, read
from webhook.telemetry import Event, State

RUN = '{"e":"run","t":1.0,"a":1}'
RUN_PENDING = '{"e":"run","t":1.0,"a":0}'
COMPLETE = '{"e":"complete","t":9.0,"a":1,"c":0}'
COMPLETE_PENDING = '{"e":"complete","t":9.0,"a":0,"c":0}'
FAIL = '{"e":"fail","t":9.0,"a":1,"c":3,"m":"attempt 1/1 · app 3"}'
STUCK = '{"e":"fail","t":5.0,"a":1,"k":true}'
STUCK_PENDING = '{"e":"fail","t":5.0,"a":0,"k":true}'
LEFT = '{"left":"the pod is being deleted"}'

run = Event(State.RUN, 1.0)
complete = Event(State.COMPLETE, 9.0, status_code=0)
fail = Event(State.FAIL, 9.0, "attempt 1/1 · app 3", status_code=3)
stuck = Event(State.FAIL, 5.0, stuck=True)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Report()),
        ([RUN], Report((run,))),
        ([COMPLETE, RUN], Report((run, complete))),
        ([FAIL, RUN], Report((run, fail))),
        ([RUN, LEFT], Report((run,), left="the pod is being deleted")),
        ([STUCK], Report((stuck,))),
        ([COMPLETE, RUN, STUCK], Report((stuck, run, complete))),
        ([COMPLETE_PENDING, RUN], Report((run,), (complete,))),
        ([COMPLETE_PENDING, RUN_PENDING, STUCK_PENDING], Report((), (stuck, run, complete))),
        (['{"e":"complete","t":9.0,"a":2,"c":0}', RUN_PENDING], Report((complete,), (run,))),
        (['{"e":"complete","t":9.0,"c":0}'], Report((), (complete,))),
        ([COMPLETE, RUN[:-4]], Report((complete,))),
        (["panic: out of luck", "[1]", "null", "7", COMPLETE], Report((complete,))),
        (["[" * 4000, COMPLETE], Report((complete,))),
        (['{"e":"sleep","t":1.0}', '{"e":"run","a":1}', '{"e":"run","t":[]}', COMPLETE], Report((complete,))),
        (['{"e":"fail","t":1.0,"a":1,"c":1e400}', '{"e":[],"t":1.0}', COMPLETE], Report((complete,))),
    ],
    ids=str,
)  # fmt: skip
def test_a_journal_is_read(lines: list[str], expected: Report) -> None:
    assert read("\n".join(lines)) == expected


def test_every_number_of_an_event_is_read() -> None:
    line = '{"e":"fail","t":9.5,"a":0,"c":137,"d":4.25,"n":2,"m":"attempt 3/7 · app 137 OOMKilled\\u2028x"}'
    message = "attempt 3/7 · app 137 OOMKilled\u2028x"
    assert read(line).pending == (Event(State.FAIL, 9.5, message, 137, 4.25, 2),)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_no_event(number: str) -> None:
    # One that is not equal to itself would never be known as delivered.
    assert read(f'{{"e":"run","t":{number},"a":0}}\n{{"e":"run","t":1.0,"d":{number}}}') == Report()


@pytest.mark.parametrize(
    ("lines", "told_run", "told_stuck", "verdict"),
    [
        ([], False, False, ""),
        ([RUN], True, False, ""),
        ([RUN_PENDING], False, False, ""),
        ([STUCK], False, True, ""),
        ([STUCK_PENDING, RUN], True, False, ""),
        ([COMPLETE, RUN], True, False, "complete"),
        ([COMPLETE_PENDING, RUN], True, False, ""),
        ([FAIL, RUN], True, False, "fail"),
        ([COMPLETE, RUN, STUCK], True, True, "complete"),
    ],
    ids=str,
)
def test_what_a_report_says_was_told(lines: list[str], told_run: bool, told_stuck: bool, verdict: str) -> None:
    report = read("\n".join(lines))
    assert any(event.state is State.RUN for event in report.told) is told_run
    assert any(event.stuck for event in report.told) is told_stuck
    assert verdict_told(report) == verdict


def pod_with(state: dict[str, Any] | None, last: dict[str, Any] | None = None, name: str = "cronitor") -> Any:
    return pod("p", status={"initContainerStatuses": [container_status(name, state, last)]})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pod("p"), None),
        (pod("p", status={"phase": "Pending"}), None),
        (pod_with(running("2026-03-01T12:00:01Z")), None),
        (pod_with({"waiting": {"reason": "PodInitializing"}}), None),
        (pod_with(terminated(message=COMPLETE), name="setup"), None),
        (pod_with(terminated()), Report()),
        (pod_with(terminated(message=COMPLETE)), Report((complete,))),
        (pod_with({"terminated": {"exitCode": 0}}), Report()),
        (pod_with(running("2026-03-01T12:00:09Z"), terminated(message=RUN)), Report((run,))),
    ],
)
def test_the_report_is_there_when_a_sidecar_has_ended(given: Any, expected: Report | None) -> None:
    assert of_pod(given) == expected


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ("\n".join((COMPLETE, RUN)), RUN, Report((run, complete))),
        ("\n".join((COMPLETE, RUN)), RUN_PENDING, Report((run, complete))),
        ("", COMPLETE, Report((complete,))),
        ("", COMPLETE_PENDING, Report((), (complete,))),
        (LEFT, COMPLETE, Report((complete,), left="the pod is being deleted")),
        (LEFT, "", Report(left="the pod is being deleted")),
        ("", LEFT, Report(left="the pod is being deleted")),
    ],
)
def test_what_an_earlier_incarnation_told_counts_where_the_last_one_knew_nothing_of_it(
    now: str, before: str, expected: Report
) -> None:
    assert of_pod(pod_with(terminated(message=now), terminated(message=before))) == expected
