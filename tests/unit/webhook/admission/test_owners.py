"""The chain above a pod: from the caches without a request, else by one exact read each, within its deadline."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.webhook.api_server import ApiServer
from tests.unit.webhook.api_store import Fault
from tests.unit.webhook.conftest import Watch
from tests.unit.webhook.objects import CRON_JOB_UID, JOB_UID, cron_job, job, owned_by, pod
from webhook import run_mark, workloads
from webhook.admission import owners
from webhook.admission.decide import Owners, Reason, Skipped
from webhook.admission.owners import OwnerLookup
from webhook.clients.informer import Source
from webhook.clients.kube import KubeClient
from webhook.run_mark import RunMark

JOBS, CRON_JOBS = "/apis/batch/v1/jobs", "/apis/batch/v1/cronjobs"
JOB = "/apis/batch/v1/namespaces/shop/jobs/backup-1"
CRON_JOB = "/apis/batch/v1/namespaces/shop/cronjobs/backup"

Json = dict[str, Any]


@pytest.fixture
def lookup(api: ApiServer, kube: KubeClient, watch: Watch) -> OwnerLookup:
    """Over caches of what is there now; nothing more reaches them."""
    caches = [
        watch(Source("jobs", JOBS, trim=workloads.trim_job)).informer,
        watch(Source("cronjobs", CRON_JOBS, trim=workloads.trim_cron_job)).informer,
    ]
    for cache in caches:
        cache.stop()
    api.end_watches()
    api.requests.clear()
    return OwnerLookup(kube, *caches)


@pytest.fixture
def chain(api: ApiServer) -> None:
    api.put(JOB, job())
    api.put(CRON_JOB, cron_job(include="true"))


def names(found: Owners | Skipped) -> tuple[str, str | None]:
    assert isinstance(found, Owners), found
    return found.job["metadata"]["name"], found.cron_job["metadata"]["name"] if found.cron_job else None


@pytest.mark.usefixtures("chain")
class TestCached:
    def test_what_is_cached_is_asked_of_nobody(self, lookup: OwnerLookup, api: ApiServer) -> None:
        assert names(lookup.find("shop", pod())) == ("backup-1", "backup")
        assert api.asked() == []

    def test_another_namespace_is_another_job(self, lookup: OwnerLookup, api: ApiServer) -> None:
        assert lookup.find("other", pod()) == Skipped(Reason.JOB_NOT_FOUND)
        assert api.asked() == ["GET /apis/batch/v1/namespaces/other/jobs/backup-1"]

    def test_a_job_that_was_made_anew_under_its_name_is_read(self, lookup: OwnerLookup, api: ApiServer) -> None:
        api.delete(JOB)
        api.put(JOB, job(uid="newer"))
        found = lookup.find("shop", pod(metadata={"ownerReferences": [owned_by("Job", "backup-1", "newer")]}))
        assert names(found) == ("backup-1", "backup")
        assert isinstance(found, Owners)
        assert found.job["metadata"]["uid"] == "newer"
        assert api.asked() == [f"GET {JOB}"]

    def test_a_pod_of_a_job_that_has_been_replaced_has_no_owners(self, lookup: OwnerLookup, api: ApiServer) -> None:
        given = pod(metadata={"ownerReferences": [owned_by("Job", "backup-1", "older")]})
        assert lookup.find("shop", given) == Skipped(Reason.JOB_NOT_FOUND)
        assert api.asked() == [f"GET {JOB}"]


def test_what_is_not_cached_yet_is_read_once_each(lookup: OwnerLookup, api: ApiServer, chain: None) -> None:
    assert names(lookup.find("shop", pod())) == ("backup-1", "backup")
    assert api.asked() == [f"GET {JOB}", f"GET {CRON_JOB}"]


@pytest.mark.parametrize(
    "references",
    [None, [], [owned_by("ReplicaSet", "web", "u", "apps/v1")], [owned_by("Job", "x", "u", "example.org/v1")]],
)
def test_a_pod_of_no_job_makes_no_request(lookup: OwnerLookup, api: ApiServer, references: Any) -> None:
    assert lookup.find("shop", pod(metadata={"ownerReferences": references})) == Skipped(Reason.NO_JOB)
    assert api.asked() == []


def test_a_bare_job_has_no_cron_job(lookup: OwnerLookup, api: ApiServer) -> None:
    api.put(JOB, job(owner={}))
    assert lookup.find("shop", pod()) == Skipped(Reason.NO_CRON_JOB)
    assert api.asked() == [f"GET {JOB}"]


def test_a_bare_job_that_is_cached_makes_no_request(api: ApiServer, kube: KubeClient, watch: Watch) -> None:
    api.put(JOB, job(owner={}))
    jobs = watch(Source("jobs", JOBS, trim=workloads.trim_any_job)).informer
    api.requests.clear()
    assert OwnerLookup(kube, jobs, jobs).find("shop", pod()) == Skipped(Reason.NO_CRON_JOB)
    assert api.asked() == []


def test_a_mark_of_another_job_opens_no_run(lookup: OwnerLookup, api: ApiServer) -> None:
    mark = {run_mark.ANNOTATION: run_mark.write(RunMark(CRON_JOB_UID, "shop/backup", job="another"))}
    api.put(JOB, job(annotations=mark))
    assert lookup.find("shop", pod()) == Skipped(Reason.CRON_JOB_NOT_FOUND)


def test_a_job_that_is_not_there_is_told(lookup: OwnerLookup, api: ApiServer) -> None:
    assert lookup.find("shop", pod()) == Skipped(Reason.JOB_NOT_FOUND)
    assert api.asked() == [f"GET {JOB}"]


def test_a_cron_job_that_has_gone_is_told(lookup: OwnerLookup, api: ApiServer) -> None:
    api.put(JOB, job())
    assert lookup.find("shop", pod()) == Skipped(Reason.CRON_JOB_NOT_FOUND)


def test_a_cron_job_that_was_made_anew_is_not_the_owner(lookup: OwnerLookup, api: ApiServer) -> None:
    api.put(JOB, job())
    api.put(CRON_JOB, cron_job(uid="newer"))
    assert lookup.find("shop", pod()) == Skipped(Reason.CRON_JOB_NOT_FOUND)


def test_an_open_run_needs_no_cron_job(lookup: OwnerLookup, api: ApiServer) -> None:
    mark = {run_mark.ANNOTATION: run_mark.write(RunMark(CRON_JOB_UID, "shop/backup"))}
    api.put(JOB, job(annotations=mark))
    assert names(lookup.find("shop", pod())) == ("backup-1", None)


@pytest.mark.parametrize(
    "fault", [Fault(500), Fault(403, "Forbidden"), Fault(429), Fault(200, body=b"<html>"), Fault()], ids=str
)
@pytest.mark.parametrize("path", [JOB, CRON_JOB])
def test_an_api_server_that_fails_is_asked_no_further(
    lookup: OwnerLookup, api: ApiServer, chain: None, path: str, fault: Fault
) -> None:
    api.fail(f"GET {path}", fault, times=2)
    assert lookup.find("shop", pod()) == Skipped(Reason.OWNERS_LATE)
    assert api.asked()[-1] == f"GET {path}"
    # Once more where no answer came at all: a connection that was kept may have been dropped.
    assert len(api.asked(path)) == (1 if fault.status else 2)


def test_an_api_server_that_hangs_is_not_waited_for_beyond_the_deadline(
    lookup: OwnerLookup, api: ApiServer, chain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "LOOKUP_SECONDS", 0.1)
    api.fail(f"GET {JOB}", Fault(held=True))
    assert lookup.find("shop", pod()) == Skipped(Reason.OWNERS_LATE)
    assert api.asked() == [f"GET {JOB}"]


def test_the_deadline_is_for_both_reads_together(
    lookup: OwnerLookup, api: ApiServer, chain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(owners, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def pass_time(_request: object) -> None:
        now[0] += owners.LOOKUP_SECONDS

    monkeypatch.setattr(api, "on_request", pass_time)
    assert lookup.find("shop", pod()) == Skipped(Reason.OWNERS_LATE)
    assert api.asked() == [f"GET {JOB}"]


def test_what_is_read_counts_as_what_is_cached(lookup: OwnerLookup, api: ApiServer, chain: None) -> None:
    found = lookup.find("shop", pod())
    assert isinstance(found, Owners)
    assert found.job["metadata"]["uid"] == JOB_UID
    assert not workloads.is_crowd(found.job)
