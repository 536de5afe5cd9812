"""What the controller understands of a sidecar's termination message."""

from typing import Any

import pytest

from tests.unit.webhook.objects import container_status, pod, running, terminated
from webhook.journal import SidecarReport, of_pod, read

RUN = '{"e":"run","t":1.0,"a":1}'
COMPLETE = '{"e":"complete","t":9.0,"a":1,"c":0}'
FAIL = '{"e":"fail","t":9.0,"a":1,"c":3,"m":"attempt 1/1 · app 3"}'
STUCK = '{"e":"fail","t":5.0,"a":1,"k":true}'
LEFT = '{"left":"the pod is being deleted"}'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], SidecarReport()),
        ([RUN], SidecarReport()),
        ([COMPLETE, RUN], SidecarReport("complete")),
        ([FAIL, RUN], SidecarReport("fail")),
        ([RUN, LEFT], SidecarReport(left="the pod is being deleted")),
        ([STUCK], SidecarReport()),
        ([COMPLETE, RUN, STUCK], SidecarReport("complete")),
        (['{"e":"complete","t":9.0,"a":0}', RUN], SidecarReport(undelivered=("complete",))),
        (['{"e":"complete","t":9.0,"a":2}', RUN], SidecarReport(undelivered=("complete",))),
        (['{"e":"fail","t":9.0,"a":0}', '{"e":"run","t":1.0,"a":0}', '{"left":"not delivered"}'],
         SidecarReport(undelivered=("fail", "run"), left="not delivered")),
        ([COMPLETE, RUN[:-4]], SidecarReport("complete")),
        (["panic: out of luck", "[1]", "null", "7", COMPLETE], SidecarReport("complete")),
        (["[" * 4000, COMPLETE], SidecarReport("complete")),
    ],
    ids=str,
)  # fmt: skip
def test_a_journal_is_read(lines: list[str], expected: SidecarReport) -> None:
    assert read("\n".join(lines)) == expected


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
        (pod_with(terminated()), SidecarReport()),
        (pod_with(terminated(message=COMPLETE)), SidecarReport("complete")),
        (pod_with({"terminated": {"exitCode": 0}}), SidecarReport()),
    ],
)
def test_the_report_is_there_when_the_sidecar_has_ended(given: Any, expected: SidecarReport | None) -> None:
    assert of_pod(given) == expected


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ("\n".join((COMPLETE, RUN)), RUN, SidecarReport("complete")),
        ("\n".join((COMPLETE, RUN)), '{"e":"run","t":1.0,"a":0}', SidecarReport("complete")),
        ("", COMPLETE, SidecarReport("complete")),
        (LEFT, COMPLETE, SidecarReport("complete", left="the pod is being deleted")),
        (LEFT, "", SidecarReport(left="the pod is being deleted")),
        ("", LEFT, SidecarReport(left="the pod is being deleted")),
    ],
)
def test_what_an_earlier_incarnation_told_counts_where_the_last_one_knew_nothing_of_it(
    now: str, before: str, expected: SidecarReport
) -> None:
    assert of_pod(pod_with(terminated(message=now), terminated(message=before))) == expected
