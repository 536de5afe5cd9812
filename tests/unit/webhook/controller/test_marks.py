"""Which Jobs are runs, what their mark freezes, and when it may be written."""

from typing import Any

import pytest

from tests.unit.webhook.objects import CRON_JOB_UID, JOB_UID, cron_job, job
from webhook.annotations import AlertOn, Options
from webhook.controller.marks import Absence, may_be_written, of_run
from webhook.run_mark import RunMark

Json = dict[str, Any]

MARK = RunMark(CRON_JOB_UID, "shop/backup", job=JOB_UID)


def mark_of(options: Options | None = None, *, a_job: Json | None = None) -> Any:
    return of_run(a_job or job(), cron_job(), options or Options(include=True))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, MARK),
        ({"options": Options()}, None),
        ({"options": Options(exclude=True, include=True)}, None),
        ({"options": Options(include=False)}, None),
        ({"a_job": job(suspend=True)}, MARK),
        ({"a_job": job(parallelism=5)}, MARK),
        ({"options": Options(include=True, env="prod")},
         RunMark(CRON_JOB_UID, "shop/backup", "prod", job=JOB_UID)),
        ({"options": Options(include=True, containers=("app", "helper"))},
         RunMark(CRON_JOB_UID, "shop/backup", containers=("app", "helper"), job=JOB_UID)),
        ({"options": Options(include=True, log_complete_event=True)},
         RunMark(CRON_JOB_UID, "shop/backup", job=JOB_UID, logs_complete=True)),
        ({"options": Options(include=True, key="k", name="Nightly", env="dev", alert_on=AlertOn.ATTEMPT)},
         RunMark("k", "Nightly", "dev", AlertOn.ATTEMPT, job=JOB_UID)),
    ],
)  # fmt: skip
def test_the_mark_of_a_run(given: Json, expected: RunMark | None) -> None:
    assert mark_of(**given) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, True),
        ({"startTime": None}, False),
        ({"startTime": None, "conditions": [{"type": "Suspended", "status": "True"}]}, True),
        ({"startTime": None, "conditions": [{"type": "Suspended", "status": "False"}]}, True),
        ({"startTime": None, "conditions": [{"type": "FailureTarget", "status": "True"}]}, False),
    ],
)
def test_the_job_controller_has_the_first_word(status: Json, expected: bool) -> None:
    assert may_be_written(job(status=status)) is expected


@pytest.mark.parametrize(
    ("absence", "moment", "expected"),
    [
        (Absence(100.0, 200.0), 150.0, True),
        (Absence(100.0, 200.0), 100.0, True),
        (Absence(100.0, 200.0), 200.0, True),
        (Absence(100.0, 200.0), 99.9, False),
        (Absence(100.0, 200.0), 200.1, False),
        (Absence(100.0, 200.0), None, False),
        (Absence(None, 200.0), 150.0, False),
        (Absence(), 0.0, False),
    ],
)
def test_what_ended_while_nobody_led_is_told_unless_nobody_ever_did(
    absence: Absence, moment: float | None, expected: bool
) -> None:
    assert absence.covers(moment) is expected
