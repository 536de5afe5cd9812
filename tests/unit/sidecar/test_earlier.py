"""What a later pod of the run finds of its start: by the states and journals of the earlier ones."""

from typing import Any

import pytest

from sidecar.earlier import Beginning, Found, find
from sidecar.events import Event, State
from sidecar.journal import Delivery, Entry, Journal, encode
from sidecar.rules import Rules
from tests.unit.sidecar.pods import CREATED, container, ended, own, pod, running, waiting

Json = dict[str, Any]

RULES = Rules(tells=frozenset({State.COMPLETE, State.FAIL}), passes_run_on=True, failed_before=1)
RUN = Event(State.RUN, CREATED + 3.0)
OF_ITS_CONTAINER = Event(State.RUN, CREATED + 1.0)
COMPLETE, FAIL = (Entry(Event(state, CREATED + 9.0)) for state in (State.COMPLETE, State.FAIL))
TAKEN, REFUSED, OWED = (Entry(RUN, delivery) for delivery in (Delivery.ACCEPTED, Delivery.REFUSED, Delivery.PENDING))


def journal(*entries: Entry) -> Json:
    state = ended(0)
    state["terminated"]["message"] = encode(Journal(entries)).decode()
    return state


def earlier(
    *regular: Json, sidecar: Json | None = None, phase: str = "Failed", name: str = "first", injected: bool = True
) -> Json:
    """A pod before ours; `sidecar` is the state of our container in it."""
    made = pod(*(regular or (container("app", ended(1)),)), init=(own(sidecar or journal()),))
    made["metadata"]["name"] = name
    made["status"]["phase"] = phase
    if not injected:
        del made["spec"]["initContainers"], made["status"]["initContainerStatuses"]
    return made


ROWS = [
    ("told", [earlier(sidecar=journal(TAKEN))], Beginning(RUN)),
    ("turned down for good", [earlier(sidecar=journal(REFUSED))], Beginning(RUN)),
    ("not delivered", [earlier(sidecar=journal(OWED))], Beginning(RUN, owed=True)),
    ("a completion beside it", [earlier(sidecar=journal(COMPLETE, OWED))], Beginning(RUN, owed=True, completed=True)),
    ("told, and so was its completion", [earlier(sidecar=journal(TAKEN, COMPLETE))], Beginning(RUN, completed=True)),
    ("told, and so was a failure that was not the last", [earlier(sidecar=journal(TAKEN, FAIL))], Beginning(RUN)),
    ("never seen by its sidecar", [earlier()], Beginning(OF_ITS_CONTAINER, owed=True)),
    ("without a sidecar", [earlier(injected=False)], Beginning(OF_ITS_CONTAINER, owed=True)),
    ("nothing has started", [earlier(container("app", waiting("ImagePullBackOff")))], Beginning(owed=True)),
    ("one of two told it", [earlier(), earlier(name="second", sidecar=journal(TAKEN))], Beginning(RUN)),
    (
        "one of two owes it, the other passed it on",
        [earlier(sidecar=journal(OWED)), earlier(name="second", sidecar=journal(TAKEN))],
        Beginning(RUN),
    ),
]


@pytest.mark.parametrize(("pods", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_how_the_run_began(pods: list[Json], expected: Beginning) -> None:
    assert find(pods, "ours", RULES) == Found(expected, final=True, failed=len(pods))


def test_the_journal_of_the_incarnation_before_counts_where_the_newest_wrote_none() -> None:
    found = earlier()
    found["status"]["initContainerStatuses"][0]["lastState"] = journal(TAKEN)
    assert find([found], "ours", RULES).beginning == Beginning(RUN)


def test_our_own_pod_is_no_earlier_one() -> None:
    assert find([earlier(name="ours", sidecar=journal(TAKEN))], "ours", RULES) == Found(None, final=True)


def test_a_pod_that_is_not_over_may_still_tell_it() -> None:
    ends = earlier(container("app", running()), sidecar=running(), phase="Running")
    assert find([ends], "ours", RULES) == Found(None, final=False)


def test_what_a_pod_that_is_being_deleted_owes_is_the_controllers_to_tell() -> None:
    going = earlier(sidecar=journal(OWED))
    going["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    assert find([going], "ours", RULES) == Found(None, final=True, failed=0)


def test_that_it_was_told_is_known_though_another_pod_is_not_over() -> None:
    ends = earlier(container("app", running()), sidecar=running(), phase="Running", name="second")
    assert find([earlier(sidecar=journal(TAKEN)), ends], "ours", RULES) == Found(Beginning(RUN), final=True, failed=1)


@pytest.mark.parametrize(("failed_before", "pods"), [(1, 0), (2, 1), (0, 0)])
def test_what_a_pod_that_is_gone_has_told_cannot_be_known(failed_before: int, pods: int) -> None:
    rules = Rules(tells=frozenset(), passes_run_on=True, failed_before=failed_before)
    assert find([earlier()] * pods, "ours", rules) == Found(None, final=True, failed=pods)


PERHAPS_FIRST = Rules(tells=frozenset(State), passes_run_on=True)


def test_where_there_is_no_other_pod_ours_may_be_the_first() -> None:
    assert find([earlier(name="ours")], "ours", PERHAPS_FIRST) == Found(Beginning(owed=True), final=True)


def test_where_there_is_another_pod_it_may_be_that_one_which_began() -> None:
    assert find([earlier(sidecar=journal(TAKEN))], "ours", PERHAPS_FIRST).beginning == Beginning(RUN)
    assert find([earlier()], "ours", PERHAPS_FIRST).beginning == Beginning(OF_ITS_CONTAINER, owed=True)


def test_an_earlier_start_that_admission_knew_counts() -> None:
    rules = Rules(tells=frozenset(), passes_run_on=True, run_started_at=CREATED - 7.0, manual=True)
    expected = Beginning(Event(State.RUN, CREATED - 7.0, "manual"), owed=True)
    assert find([earlier()], "ours", rules) == Found(expected, final=True, failed=1)
