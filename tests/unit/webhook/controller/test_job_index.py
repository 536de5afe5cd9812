"""Which Jobs belong to a CronJob or a namespace, as changes come in."""

import pytest

from tests.unit.webhook.objects import CRON_JOB_UID, job, owned_by
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient
from webhook.controller.job_index import JobIndex


@pytest.fixture
def jobs(kube: KubeClient) -> Informer:
    """Never started: the test says what changes."""
    return Informer(kube, Source("jobs", "/apis/batch/v1/jobs"))


def test_jobs_are_found_by_their_cron_job_and_by_their_namespace(jobs: Informer) -> None:
    index = JobIndex(jobs)
    jobs._apply("ADDED", job("backup-1"))
    jobs._apply("ADDED", job("backup-2", uid="j2"))
    jobs._apply("ADDED", job("report-1", uid="j3", owner=owned_by("CronJob", "report", "u2")))
    jobs._apply("ADDED", job("backup-1", uid="j4", namespace="lager", owner=owned_by("CronJob", "backup", "u3")))
    assert index.of_cron_job(CRON_JOB_UID) == {("shop", "backup-1"), ("shop", "backup-2")}
    assert index.of_cron_job("u3") == {("lager", "backup-1")}
    assert index.in_namespace("shop") == {"backup-1", "backup-2", "report-1"}


def test_what_is_unknown_has_none(jobs: Informer) -> None:
    index = JobIndex(jobs)
    assert index.of_cron_job("nobody") == frozenset()
    assert index.in_namespace("nowhere") == frozenset()


def test_a_change_of_a_job_changes_nothing_and_its_deletion_forgets_it(jobs: Informer) -> None:
    index = JobIndex(jobs)
    jobs._apply("ADDED", job())
    jobs._apply("MODIFIED", job(status={"active": 1}))
    assert index.of_cron_job(CRON_JOB_UID) == {("shop", "backup-1")}
    jobs._apply("DELETED", job())
    assert index.of_cron_job(CRON_JOB_UID) == frozenset()
    assert index.in_namespace("shop") == frozenset()


def test_a_job_that_was_made_anew_for_another_cron_job_is_that_ones(jobs: Informer) -> None:
    index = JobIndex(jobs)
    jobs._apply("ADDED", job())
    jobs._apply("MODIFIED", job(uid="newer", owner=owned_by("CronJob", "backup", "newer")))
    assert index.of_cron_job(CRON_JOB_UID) == frozenset()
    assert index.of_cron_job("newer") == {("shop", "backup-1")}
    assert index.in_namespace("shop") == {"backup-1"}
