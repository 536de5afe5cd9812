"""The Lease over real HTTP: taken, kept through trouble, given back."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes import client
from kubernetes.leaderelection.leaderelectionrecord import LeaderElectionRecord

from tests.unit.webhook.api_server import PATIENCE, ApiServer
from tests.unit.webhook.api_store import Fault
from tests.unit.webhook.objects import CREATED_AT
from webhook.clients import lease as module
from webhook.clients.lease import Earlier, OwnedLeaseLock, lead

LEASES = "/apis/coordination.k8s.io/v1/namespaces/cronitor/leases"
LEASE = f"{LEASES}/release-controller"
OWNER = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "release-sidecar", "uid": "u"}


class Clock:
    """What the package sees of time: it passes by sleeping, and for us in no time. Each thread has its own."""

    def __init__(self) -> None:
        self._slept = threading.local()

    def time(self) -> float:
        return time.time() + getattr(self._slept, "seconds", 0.0)

    def sleep(self, seconds: float) -> None:
        self._slept.seconds = getattr(self._slept, "seconds", 0.0) + seconds
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubernetes.leaderelection.leaderelection.time", Clock())


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Lease that does not expire in a test."""
    monkeypatch.setattr(module, "LEASE_SECONDS", 10**9)


def lock(
    api: ApiServer,
    identity: str = "a",
    lost: Callable[[], None] = lambda: None,
    noted_until: Callable[[], float | None] = lambda: None,
) -> OwnedLeaseLock:
    api_client = client.ApiClient(api.configuration)
    return OwnedLeaseLock(
        "release-controller",
        "cronitor",
        identity,
        owner=OWNER,
        api_client=api_client,
        lost=lost,
        noted_until=noted_until,
    )


class Candidate:
    """One replica that wants to lead."""

    def __init__(self, api: ApiServer, identity: str) -> None:
        self.leads, self.lost = threading.Event(), threading.Event()
        self.noted_until: float | None = None
        self.lock = lock(api, identity, self.lost.set, lambda: self.noted_until)
        self.thread = threading.Thread(target=lead, args=(self.lock, self.leads.set), daemon=True)
        self.thread.start()


def holder(api: ApiServer) -> Any:
    return (api.get(LEASE) or {}).get("spec", {}).get("holderIdentity")


def renewals(api: ApiServer) -> int:
    return len(api.asked("PUT"))


def held_by(identity: str, api: ApiServer, noted_until: str | None = None) -> None:
    """A Lease as another replica has it."""
    annotations = {} if noted_until is None else {module.NOTED_UNTIL: noted_until}
    times = {"acquireTime": "2026-03-01T12:00:00.000000Z", "renewTime": "2026-03-01T12:00:00.000000Z"}
    spec = {"holderIdentity": identity, "leaseDurationSeconds": 15, "leaseTransitions": 0, **times}
    api.put(
        LEASE,
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"annotations": annotations},
            "spec": spec,
        },
    )


def test_the_first_makes_the_lease_and_it_goes_with_the_release(api: ApiServer) -> None:
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    made = api.get(LEASE)
    assert made is not None
    assert made["metadata"]["ownerReferences"] == [OWNER]
    assert made["spec"]["holderIdentity"] == "a"


def test_the_leader_renews(api: ApiServer) -> None:
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    api.wait_for(lambda: renewals(api) >= 3)
    assert candidate.thread.is_alive()


@pytest.mark.usefixtures("lasting")
def test_a_lease_that_is_held_is_waited_for(api: ApiServer) -> None:
    held_by("b", api)
    candidate = Candidate(api, "a")
    api.wait_for(lambda: len(api.asked("GET")) >= 4)
    assert not candidate.leads.is_set()
    assert holder(api) == "b"


def test_a_lease_that_is_not_renewed_is_taken_over(api: ApiServer) -> None:
    held_by("b", api)
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    assert holder(api) == "a"
    assert len(api.asked("GET")) > 2


@pytest.mark.usefixtures("lasting")
def test_of_two_that_make_it_at_once_one_leads(api: ApiServer) -> None:
    api.on_request = lambda request: held_by("b", api) if request.method == "POST" and not holder(api) else None
    candidate = Candidate(api, "a")
    api.wait_for(lambda: len(api.asked("GET")) >= 3)
    assert not candidate.leads.is_set()
    assert holder(api) == "b"


@pytest.mark.usefixtures("lasting")
def test_a_lease_that_is_given_back_has_no_holder_and_the_other_leads_at_once(api: ApiServer) -> None:
    held_by("a", api)
    other = Candidate(api, "b")
    api.wait_for(lambda: len(api.asked("GET")) >= 2)
    assert not other.leads.is_set()
    lock(api, "a").release()
    assert other.leads.wait(PATIENCE)
    assert holder(api) == "b"


def test_what_is_not_held_is_not_given_back(api: ApiServer) -> None:
    lock(api, "a").release()
    held_by("b", api)
    lock(api, "a").release()
    assert holder(api) == "b"
    assert api.asked("PUT") == []


@pytest.mark.parametrize("fault", [Fault(), Fault(500), Fault(409, "Conflict")], ids=str)
def test_giving_back_that_fails_is_not_an_error(api: ApiServer, fault: Fault) -> None:
    held_by("a", api)
    api.fail("PUT", fault)
    lock(api, "a").release()
    assert holder(api) == "a"


TROUBLE: list[Callable[[ApiServer], None]] = [
    lambda api: api.fail("GET", Fault(), times=3),
    lambda api: api.fail("PUT", Fault(), times=3),
    lambda api: api.fail("GET", Fault(500), times=3),
    lambda api: api.fail("PUT", Fault(409, "Conflict"), times=3),
    lambda api: api.fail("GET", Fault(200, body=b"<html>"), times=1),
    lambda api: api.fail("GET", Fault(502, body=b"<html>"), times=3),
]


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_with_the_connection_does_not_end_the_leading(
    api: ApiServer, trouble: Callable[[ApiServer], None]
) -> None:
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    trouble(api)
    api.wait_for(lambda: not api.faults_left)
    before = renewals(api)
    api.wait_for(lambda: renewals(api) >= before + 2)
    assert candidate.thread.is_alive()
    assert holder(api) == "a"


@pytest.mark.usefixtures("lasting")
@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_with_the_connection_does_not_end_the_wait_for_the_lease(
    api: ApiServer, trouble: Callable[[ApiServer], None]
) -> None:
    trouble(api)
    held_by("b", api)
    candidate = Candidate(api, "a")
    api.wait_for(lambda: len(api.asked("GET")) >= 5)
    held_by("", api)
    assert candidate.leads.wait(PATIENCE)
    assert not api.faults_left


def test_an_api_server_that_hangs_is_given_up_in_time(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.05)
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    api.fail("GET", Fault(held=True))
    api.wait_for(lambda: not api.faults_left)
    before = renewals(api)
    api.wait_for(lambda: renewals(api) > before)


def test_a_leader_hears_at_once_that_another_holds_the_lease(api: ApiServer) -> None:
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    assert not candidate.lost.is_set()
    held_by("b", api)
    assert candidate.lost.wait(PATIENCE)


def test_a_leader_hears_at_once_that_the_lease_has_been_deleted(api: ApiServer) -> None:
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    api.delete(LEASE)
    assert candidate.lost.wait(PATIENCE)


@pytest.mark.usefixtures("lasting")
def test_who_never_held_the_lease_has_lost_nothing(api: ApiServer) -> None:
    held_by("b", api)
    candidate = Candidate(api, "a")
    api.wait_for(lambda: len(api.asked("GET")) >= 3)
    held_by("c", api)
    api.wait_for(lambda: len(api.asked("GET")) >= 6)
    assert not candidate.lost.is_set()


def test_a_leader_that_has_given_the_lease_back_takes_it_no_more(api: ApiServer) -> None:
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    candidate.lock.release()
    candidate.thread.join(PATIENCE)
    assert not candidate.thread.is_alive(), "it has tried to renew for as long as it may"
    assert holder(api) == ""
    assert not candidate.lost.is_set()


def test_a_leader_that_has_given_the_lease_back_makes_no_new_one_either(api: ApiServer) -> None:
    given_back = lock(api)
    given_back.release()
    now = "2026-03-01 12:00:00"
    record = LeaderElectionRecord("a", "15", now, now)
    assert not given_back.create("release-controller", "cronitor", record)
    assert api.get(LEASE) is None


def test_a_lease_that_cannot_be_renewed_is_lost_and_the_leading_ends(api: ApiServer) -> None:
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    api.fail("leases", Fault(500), times=100_000)
    candidate.thread.join(PATIENCE)
    assert not candidate.thread.is_alive()


def noted(api: ApiServer) -> float | None:
    """What the Lease says to the next leader."""
    text = (api.get(LEASE) or {}).get("metadata", {}).get("annotations", {}).get(module.NOTED_UNTIL)
    return None if text is None else float(text)


def test_what_the_one_before_has_noted_is_known(api: ApiServer) -> None:
    held_by("another", api, noted_until="4000.250")
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    api.wait_for(lambda: renewals(api) > 2)
    assert candidate.lock.earlier.noted_until == 4000.25, "our own word does not count"
    candidate.lock.release()


@pytest.mark.parametrize("text", [None, "", "yesterday"])
def test_where_nothing_readable_was_written_it_is_the_last_renewal(api: ApiServer, text: str | None) -> None:
    held_by("another", api, noted_until=text)
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    assert candidate.lock.earlier.noted_until == CREATED_AT
    candidate.lock.release()


def test_where_nobody_ever_led_nothing_is_known(api: ApiServer) -> None:
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    api.wait_for(lambda: renewals(api) > 1)
    assert candidate.lock.earlier == Earlier()
    candidate.lock.release()


def test_a_new_lease_says_that_nothing_before_it_counts(api: ApiServer) -> None:
    before = time.time()
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    assert before - 0.001 <= (noted(api) or 0.0) <= time.time()
    candidate.lock.release()


def test_who_has_noted_nothing_yet_passes_on_what_the_one_before_had_noted(api: ApiServer) -> None:
    held_by("another", api, noted_until="4000.000")
    candidate = Candidate(api, "a")
    candidate.noted_until = None
    assert candidate.leads.wait(PATIENCE)
    api.wait_for(lambda: renewals(api) > 3)
    assert noted(api) == 4000.0
    candidate.noted_until = 5000.0
    api.wait_for(lambda: noted(api) == 5000.0)
    candidate.lock.release()


def test_giving_back_says_up_to_when_all_was_noted(api: ApiServer) -> None:
    candidate = Candidate(api, "a")
    assert candidate.leads.wait(PATIENCE)
    candidate.noted_until = 7000.0
    candidate.lock.release(datetime.fromtimestamp(6000.0, UTC))
    assert noted(api) == 6000.0
    second = Candidate(api, "b")
    assert second.leads.wait(PATIENCE)
    assert second.lock.earlier.noted_until == 6000.0
    second.lock.release()
