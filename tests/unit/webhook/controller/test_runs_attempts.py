"""`alert-on: attempt` over a running API server: what is stored, sent, held back, and known to the next leader."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.webhook.controller.conftest import World
from tests.unit.webhook.controller.run_scene import (
    APP_RUNS,
    COMPLETE_TOLD,
    JOB,
    MARK,
    POD,
    STARTED,
    app_ended,
    deliver,
    mark_of,
    marked,
    pod_alone,
    pod_of_job,
    reconcile,
    settle,
    told,
)
from tests.unit.webhook.objects import ended, job
from webhook.annotations import AlertOn
from webhook.errors import CronitorError

Json = dict[str, Any]

ALERTED = replace(MARK, alert_on=AlertOn.ATTEMPT)
RAN = replace(STARTED, alert_on=AlertOn.ATTEMPT, run=True)
SECOND_POD = "/api/v1/namespaces/shop/pods/backup-1-later"
FIRST_ENDS, SECOND_STARTS = "2026-03-01T12:01:00Z", "2026-03-01T12:01:10Z"


def failed_once(world: World, **status: Any) -> Json:
    """The Job with its present annotations, once one pod is counted."""
    kept = (world.api.get(JOB) or {"metadata": {}})["metadata"].get("annotations")
    return job(annotations=kept, status={"failed": 1, **status}, backoffLimit=2)


def second(pod: Json) -> Json:
    pod["metadata"] |= {"name": "backup-1-later", "uid": "later", "creationTimestamp": SECOND_STARTS}
    return pod


def test_a_failed_attempt_is_told_once_beside_run_and_verdict(included: World) -> None:
    included.put(JOB, marked(ALERTED, backoffLimit=2))
    included.put(POD, pod_alone(APP_RUNS))
    settle(included)
    included.put(POD, pod_alone(app_ended(3, FIRST_ENDS), phase="Failed"))
    included.put(JOB, failed_once(included))
    settle(included)
    assert told(included) == [("run", None), ("fail", 3)]
    mark = mark_of(included)
    assert mark is not None
    assert (mark.verdict, mark.owed, len(mark.attempts)) == ("", (), 1)
    included.put(SECOND_POD, second(pod_alone(app_ended(), phase="Succeeded")))
    included.put(JOB, failed_once(included, succeeded=1, **ended()))
    settle(included)
    settle(included)
    assert told(included) == [("run", None), ("fail", 3), ("complete", 0)]
    assert mark_of(included) == replace(mark, verdict="complete")


def test_while_cronitor_is_away_all_is_owed_in_order(included: World) -> None:
    included.put(JOB, marked(ALERTED, backoffLimit=2))
    included.put(POD, pod_alone(app_ended(3, FIRST_ENDS), phase="Failed"))
    included.put(JOB, failed_once(included))
    reconcile(included)
    included.telemetry.failures.append(CronitorError("telemetry failed: ConnectionError"))
    with pytest.raises(CronitorError):
        deliver(included)
    included.put(SECOND_POD, second(pod_alone(app_ended(5), phase="Failed")))
    included.put(JOB, failed_once(included, failed=2))
    reconcile(included)
    owed = [event.state.value for event in (mark_of(included) or RAN).owed]
    assert owed == ["run", "fail", "fail"]
    settle(included)
    assert told(included) == [("run", None), ("fail", 3), ("fail", 5)]


def test_what_an_earlier_leader_has_told_is_not_told_again(included: World) -> None:
    included.put(POD, pod_alone(app_ended(3, FIRST_ENDS), phase="Failed"))
    uid = (included.api.get(POD) or {})["metadata"]["uid"]
    mark = replace(RAN, attempts=(uid[:8],))
    included.put(JOB, marked(mark, status={"failed": 1}, backoffLimit=2))
    settle(included)
    assert told(included) == []
    assert mark_of(included) == mark


def test_it_is_held_back_while_the_second_sidecar_may_have_told_the_verdict_and_dropped_once_it_has(
    included: World,
) -> None:
    included.put(JOB, marked(RAN, backoffLimit=2))
    included.put(POD, pod_alone(app_ended(3, FIRST_ENDS), phase="Failed"))
    included.put(JOB, failed_once(included))
    reconcile(included)
    assert [event.status_code for event in (mark_of(included) or RAN).owed] == [3]
    included.put(SECOND_POD, second(pod_of_job(app_ended(), tells="complete,fail")))
    reconcile(included)
    deliver(included)
    assert told(included) == []
    included.put(SECOND_POD, second(pod_of_job(app_ended(), journal=COMPLETE_TOLD, phase="Succeeded")))
    settle(included)
    assert told(included) == []
    assert (mark_of(included) or RAN).verdict == "complete"


def test_by_default_nothing_is_told_of_an_attempt(included: World) -> None:
    included.put(JOB, marked(replace(STARTED, run=True), status={"failed": 1}, backoffLimit=2))
    included.put(POD, pod_alone(app_ended(3, FIRST_ENDS), phase="Failed"))
    settle(included)
    assert told(included) == []
