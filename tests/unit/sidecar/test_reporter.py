"""The loop: when the journal is written, when events go out, when the sidecar leaves.

What comes in is put into the queue beforehand, and time passes only as the test says: at each look at the clock, or not
at all. So a loop that waits for something that does not come shows as one that ends too early or never.
"""

import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sidecar import journal as journals
from sidecar.earlier import Beginning
from sidecar.events import Event, State
from sidecar.journal import Delivery, Entry, Journal
from sidecar.pod import parse
from sidecar.reporter import Broken, Delivered, Earlier, Incoming, Reporter, Seen, delivery_limit, earlier_journal
from sidecar.settings import Settings
from tests.unit.sidecar.conftest import Lines, Load
from tests.unit.sidecar.pods import CREATED, container, ended, own, pod, running, waiting

pytestmark = pytest.mark.timeout(20)

RUNNING = pod(container("app", running()))
SUCCEEDED = pod(container("app", ended(0)))
UNDECIDED = pod(container("app", ended(3), restartPolicyRules=[{"action": "Restart"}]))
FAILED_ONCE = pod(container("app", ended(1)), restart_policy="OnFailure")
SUCCEEDED_AGAIN = pod(container("app", ended(0, end=6), last=ended(1), restarts=1), restart_policy="OnFailure")
STUCK = pod(container("app", waiting("ImagePullBackOff")))
SIGTERM = None


@dataclass
class Rig:
    """A reporter, and all that it touches. `step` is how far the monotonic clock moves at each look at it."""

    settings: Settings
    lines: Lines
    step: float = 0.0
    acknowledge: bool = True
    process_started_at: float = CREATED
    wall: Callable[[], float] = lambda: CREATED + 6.0
    sent: list[Event] = field(default_factory=list)
    journaled_before: list[bool] = field(default_factory=list)
    hurried: int = 0
    now: float = 100.0

    def run(self, *incoming: Incoming) -> "Rig":
        self.inbox: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
        for one in incoming:
            self.inbox.put(one)
        Reporter(
            self.settings,
            self.lines.log(),
            self.inbox,
            self._send,
            self._hurry,
            self.process_started_at,
            clock=self.wall,
            monotonic=self._monotonic,
        ).run()
        return self

    def _send(self, event: Event) -> None:
        self.journaled_before.append(event in [entry.event for entry in self.journal.entries])
        self.sent.append(event)
        if self.acknowledge:
            self.inbox.put(Delivered(event, Delivery.ACCEPTED))

    def _hurry(self, _seconds: float) -> None:
        self.hurried += 1

    def _monotonic(self) -> float:
        self.now += self.step
        return self.now

    @property
    def journal(self) -> Journal:
        return journals.decode(self.settings.termination_log.read_text())

    @property
    def told(self) -> list[str]:
        return [event.state.value for event in self.sent]

    @property
    def was_told_to_leave(self) -> bool:
        return self.lines.holds("event=sigterm")


@pytest.fixture
def rig(settings: Load, lines: Lines) -> Callable[..., Rig]:
    return lambda **more: Rig(settings(), lines, **more)


def seen(raw: Any, *, deleted: bool = False) -> Seen:
    return Seen(raw, deleted)


# --- the start of the run, in a pod that is not its first ----------------------------------------------------------

EARLIER = Event(State.RUN, CREATED - 60.0)


@pytest.fixture
def later(settings: Load, lines: Lines) -> Callable[..., Rig]:
    return lambda **more: Rig(settings(CRONITOR_TELLS="earlier-run,complete,fail"), lines, **more)


def test_what_an_earlier_pod_owes_is_told_before_our_verdict(later: Callable[..., Rig]) -> None:
    ran = later().run(seen(SUCCEEDED), Earlier(Beginning(EARLIER, owed=True)), SIGTERM)
    assert ran.told == ["run", "complete"]
    assert ran.sent[0] == EARLIER
    assert [entry.delivery for entry in ran.journal.entries] == [Delivery.ACCEPTED] * 2


@pytest.mark.parametrize("beginning", [None, Beginning(EARLIER)])
def test_what_is_not_owed_or_not_known_is_not_told(later: Callable[..., Rig], beginning: Beginning | None) -> None:
    assert later().run(seen(RUNNING), Earlier(beginning), seen(SUCCEEDED), SIGTERM).told == ["complete"]


def test_what_is_found_of_earlier_pods_may_come_before_the_first_view(later: Callable[..., Rig]) -> None:
    ran = later().run(Earlier(Beginning(EARLIER, owed=True)), seen(RUNNING), seen(SUCCEEDED), SIGTERM)
    assert ran.told == ["run", "complete"]


def test_the_verdict_does_not_wait_for_ever_for_what_earlier_pods_leave(later: Callable[..., Rig]) -> None:
    assert later(step=0.2).run(seen(SUCCEEDED), SIGTERM).told == ["complete"]


@pytest.mark.parametrize("beginning", [Beginning(owed=True), None])
def test_a_pod_that_may_be_the_first_tells_its_own_start_once_no_other_is_known(
    settings: Load, lines: Lines, beginning: Beginning | None
) -> None:
    perhaps = settings(CRONITOR_TELLS="run,earlier-run,complete,fail")
    ran = Rig(perhaps, lines).run(seen(RUNNING), Earlier(beginning), seen(SUCCEEDED), SIGTERM)
    assert ran.told == ["run", "complete"]
    ran = Rig(perhaps, lines).run(seen(RUNNING), Earlier(Beginning(EARLIER)), seen(SUCCEEDED), SIGTERM)
    assert ran.told == ["complete"]


def test_a_pod_that_may_be_the_first_tells_its_start_rather_than_a_verdict_alone(settings: Load, lines: Lines) -> None:
    perhaps = settings(CRONITOR_TELLS="run,earlier-run,complete,fail")
    assert Rig(perhaps, lines, step=0.2).run(seen(SUCCEEDED), SIGTERM).told == ["run", "complete"]


def test_failures_that_the_job_did_not_count_yet_are_counted(later: Callable[..., Rig]) -> None:
    ran = later().run(seen(RUNNING), Earlier(None, failed=2), seen(SUCCEEDED), SIGTERM)
    assert [(event.message, event.error_count) for event in ran.sent] == [("attempt 3/1 · app 0", 2)]


def killed_with(journal: Journal) -> dict[str, Any]:
    """Our container in its second incarnation, after one that left this."""
    message = journals.encode(journal).decode()
    return own(running(0), last={"terminated": {**ended(137)["terminated"], "message": message}}, restarts=1)


def test_after_a_restart_what_was_passed_on_is_not_told_again(later: Callable[..., Rig]) -> None:
    ours = killed_with(Journal((Entry(EARLIER, Delivery.ACCEPTED),)))
    ran = later().run(
        seen(pod(container("app", running()), init=(ours,))),
        Earlier(Beginning(EARLIER, owed=True)),
        seen(pod(container("app", ended(0)), init=(ours,))),
        SIGTERM,
    )
    assert ran.told == ["complete"]
    assert ran.sent[0].duration == 65


@pytest.mark.parametrize("before", [Journal(), Journal((Entry(EARLIER, Delivery.ACCEPTED),))])
def test_what_an_earlier_pod_has_completed_is_not_told_again_nor_after_a_restart(
    later: Callable[..., Rig], before: Journal
) -> None:
    ours = killed_with(before)
    ran = later().run(
        seen(pod(container("app", running()), init=(ours,))),
        Earlier(Beginning(EARLIER, completed=True)),
        seen(pod(container("app", ended(0)), init=(ours,))),
        SIGTERM,
    )
    assert ran.told == []
    assert "complete is told" in ran.journal.left


# --- telling -------------------------------------------------------------------------------------------------------


def test_each_event_is_journaled_sent_and_acknowledged(rig: Callable[..., Rig]) -> None:
    ran = rig().run(seen(RUNNING), seen(SUCCEEDED), SIGTERM)
    assert ran.told == ["run", "complete"]
    assert ran.journaled_before == [True, True]
    assert [entry.delivery for entry in ran.journal.entries] == [Delivery.ACCEPTED] * 2
    assert (ran.journal.left, ran.hurried) == ("", 1)


def test_a_view_that_cannot_be_read_is_passed_over(rig: Callable[..., Rig]) -> None:
    ran = rig().run(seen(["no pod"]), seen(RUNNING), seen({"spec": {"containers": [{}]}}), seen(SUCCEEDED), SIGTERM)
    assert ran.told == ["run", "complete"]
    assert ran.lines.holds("passed_over error=AttributeError")
    assert ran.lines.holds("passed_over error=KeyError")


def test_a_pod_that_vanishes_is_being_deleted(rig: Callable[..., Rig]) -> None:
    ran = rig().run(seen(RUNNING), seen(RUNNING, deleted=True), SIGTERM)
    assert ran.told == ["run"]
    assert ran.journal.left == "the pod is being deleted"


def test_the_journal_is_written_over_and_never_empty(settings: Load, lines: Lines) -> None:
    """A kill may come at any moment, and what is emptied first would be lost."""
    given = settings()
    given.termination_log.write_text("x" * 2000)
    sizes = []
    rig = Rig(given, lines)
    rig.wall = lambda: sizes.append(given.termination_log.stat().st_size) or CREATED + 6.0  # type: ignore[func-returns-value]
    rig.run(seen(RUNNING), seen(SUCCEEDED), SIGTERM)
    assert set(sizes) == {2000}
    assert [entry.delivery for entry in rig.journal.entries] == [Delivery.ACCEPTED] * 2


@pytest.mark.parametrize("place", ["/nowhere/at/all", "/dev/full"])
def test_a_journal_that_cannot_be_written_stops_nothing(settings: Load, lines: Lines, place: str) -> None:
    given = settings(CRONITOR_TERMINATION_LOG=place)
    sent: list[Event] = []
    inbox: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
    for one in (seen(SUCCEEDED), SIGTERM):
        inbox.put(one)

    def send(event: Event) -> None:
        sent.append(event)
        inbox.put(Delivered(event, Delivery.ACCEPTED))

    Reporter(given, lines.log(), inbox, send, lambda _: None, CREATED, clock=lambda: CREATED + 6.0).run()
    assert [event.state for event in sent] == [State.RUN, State.COMPLETE]
    assert lines.holds("journal_not_written")


def test_a_step_of_the_nodes_clock_makes_no_start_stuck(rig: Callable[..., Rig]) -> None:
    steps = iter([CREATED + 6.0])
    ran = rig(wall=lambda: next(steps, CREATED + 7200.0), step=0.5).run(seen(STUCK), seen(STUCK), seen(STUCK), SIGTERM)
    assert ran.told == []


@pytest.mark.parametrize("step", [-86400.0, 86400.0])
def test_a_step_of_the_nodes_clock_changes_neither_what_is_told_nor_when_it_leaves(
    rig: Callable[..., Rig], step: float
) -> None:
    clock = iter([CREATED + 6.0])
    ran = rig(wall=lambda: next(clock, CREATED + 6.0 + step), step=0.25, acknowledge=False)
    ran.run(seen(RUNNING), seen(SUCCEEDED), SIGTERM)
    assert [(event.state, event.stamp) for event in ran.sent] == [
        (State.RUN, CREATED + 1.0),
        (State.COMPLETE, CREATED + 5.0),
    ]
    assert delivery_limit(30) <= ran.now - 100.0 <= delivery_limit(30) + 3.0, "by the clock that nobody sets"


def test_what_is_recovered_is_told_again_word_for_word(settings: Load, lines: Lines) -> None:
    many = [container(f"container-number-{number}", ended(3)) for number in range(40)]
    first = Rig(settings(), lines, step=0.5, acknowledge=False).run(seen(pod(*many)), SIGTERM)
    killed = ended(137)
    killed["terminated"]["message"] = first.settings.termination_log.read_text()
    again = Rig(settings(), lines).run(seen(pod(*many, init=(own(last=killed, restarts=1),))), SIGTERM)
    assert first.told == ["run", "fail"]
    assert again.sent == first.sent


def test_a_start_that_stays_stuck_is_told(rig: Callable[..., Rig]) -> None:
    ran = rig(step=70).run(seen(STUCK), seen(STUCK), seen(STUCK), SIGTERM)
    assert ran.told == ["fail"]


# --- leaving -------------------------------------------------------------------------------------------------------


def test_nothing_but_sigterm_ends_it_however_long_that_takes(rig: Callable[..., Rig]) -> None:
    ran = rig(step=1000).run(seen(RUNNING), seen(SUCCEEDED), Broken(), Broken(), seen(SUCCEEDED), SIGTERM)
    assert ran.told == ["run", "complete"]
    assert ran.was_told_to_leave


@pytest.mark.parametrize("first", [SUCCEEDED, pod(container("app", running()), deleted=4)])
def test_sigterm_may_have_been_lost_where_the_first_view_shows_the_end(
    rig: Callable[..., Rig], first: dict[str, Any]
) -> None:
    ran = rig(step=0.5).run(seen(first))
    assert (ran.was_told_to_leave, ran.hurried) == (False, 1)


def test_sigterm_may_have_been_lost_where_the_first_view_was_old(rig: Callable[..., Rig]) -> None:
    ran = rig(step=0.5).run(seen(RUNNING), seen(SUCCEEDED))
    assert (ran.told, ran.was_told_to_leave) == (["run", "complete"], False)


def test_a_pod_that_goes_on_after_all_has_not_ended(rig: Callable[..., Rig]) -> None:
    ran = rig(step=0.5).run(seen(SUCCEEDED), *[seen(RUNNING)] * 20, SIGTERM)
    assert ran.was_told_to_leave


def test_it_leaves_at_once_when_all_is_told(rig: Callable[..., Rig]) -> None:
    assert rig(step=0).run(seen(SUCCEEDED), SIGTERM).told == ["run", "complete"]


def test_what_is_acknowledged_as_the_time_is_up_is_not_left_to_the_controller(rig: Callable[..., Rig]) -> None:
    ran = rig(step=10.0).run(seen(SUCCEEDED), SIGTERM)
    assert [entry.delivery for entry in ran.journal.entries] == [Delivery.ACCEPTED] * 2
    assert ran.journal.left == ""


def test_it_leaves_at_once_where_no_view_ever_came(rig: Callable[..., Rig]) -> None:
    ran = rig(step=0).run(Broken(), SIGTERM)
    assert ran.journal.left == "the pod ended before its containers were seen to end"


def test_an_end_that_may_be_followed_by_another_attempt_is_waited_on_for_a_moment(
    settings: Load, lines: Lines, rig: Callable[..., Rig]
) -> None:
    restarting = Rig(settings(CRONITOR_BACKOFF_LIMIT="6"), lines, step=0.01)
    assert restarting.run(seen(FAILED_ONCE), SIGTERM, seen(SUCCEEDED_AGAIN)).told == ["run", "complete"]
    ran = rig(step=0.5).run(seen(RUNNING), seen(UNDECIDED), SIGTERM)
    assert (ran.told, bool(ran.journal.left)) == (["run"], True)


def test_the_siblings_ends_are_waited_for_a_moment(rig: Callable[..., Rig]) -> None:
    assert rig(step=0.01).run(seen(RUNNING), SIGTERM, seen(SUCCEEDED)).told == ["run", "complete"]
    ran = rig(step=0.5).run(seen(RUNNING), SIGTERM)
    assert ran.journal.left == "the pod ended before its containers were seen to end"


def test_what_cannot_be_delivered_is_left_to_the_controller(rig: Callable[..., Rig]) -> None:
    ran = rig(step=0.5, acknowledge=False).run(seen(SUCCEEDED), SIGTERM)
    assert [entry.delivery for entry in ran.journal.entries] == [Delivery.PENDING] * 2
    assert ran.journal.left == "not delivered before the pod's end"


@pytest.mark.parametrize(("grace", "limit"), [(0, 1.5), (2, 1.5), (4, 3), (30, 5)])
def test_delivery_takes_no_longer_than_the_grace_period(grace: float, limit: float) -> None:
    assert delivery_limit(grace) == limit


# --- taking up where an earlier incarnation was ---------------------------------------------------------------------

TOLD_RUN = Entry(Event(State.RUN, CREATED + 1.0), Delivery.ACCEPTED)
COMPLETE = Event(State.COMPLETE, CREATED + 5.0, "attempt 1/1 · app 0", status_code=0)


def ended_with(journal: Journal) -> dict[str, Any]:
    found = ended(137)
    found["terminated"]["message"] = journals.encode(journal).decode()
    return found


def test_what_was_told_is_not_told_again_and_what_was_not_is(rig: Callable[..., Rig]) -> None:
    journal = Journal((TOLD_RUN, Entry(COMPLETE)))
    raw = pod(container("app", ended(0)), init=(own(running(0), last=ended_with(journal), restarts=1),))
    ran = rig().run(seen(raw), SIGTERM)
    assert ran.sent == [COMPLETE]
    assert [entry.delivery for entry in ran.journal.entries] == [Delivery.ACCEPTED] * 2


@pytest.mark.parametrize(
    "before",
    [
        container("app", waiting("CrashLoopBackOff"), last=ended(7, end=9), restarts=1),
        container("app", ended(7, end=9), restarts=1),
    ],
)
@pytest.mark.parametrize("now", [running(12), ended(0, start=12, end=13)])
def test_a_failure_that_the_kubelet_tells_no_more_is_remembered(
    settings: Load, lines: Lines, before: dict[str, object], now: dict[str, object]
) -> None:
    views = [pod(one, restart_policy="OnFailure") for one in (before, container("app", now, restarts=2))]
    ran = Rig(settings(CRONITOR_BACKOFF_LIMIT="2"), lines).run(*map(seen, views), SIGTERM)
    told = ran.sent[-1]
    assert (told.state, told.status_code, told.stamp) == (State.FAIL, 7, CREATED + 9)
    assert told.message == "attempt 3/3 · app 7"


def test_an_end_that_is_not_that_of_the_last_attempt_is_not_taken_for_it(settings: Load, lines: Lines) -> None:
    first = container("app", running(6), last=ended(6, end=5), restarts=1)
    views = [pod(one, restart_policy="OnFailure") for one in (first, container("app", running(12), restarts=2))]
    told = Rig(settings(CRONITOR_BACKOFF_LIMIT="2"), lines).run(*map(seen, views), SIGTERM).sent[-1]
    assert (told.state, told.status_code) == (State.FAIL, None)


def test_a_view_from_before_the_restart_holds_the_journal_in_its_state(rig: Callable[..., Rig]) -> None:
    raw = pod(container("app", ended(0)), init=(own(ended_with(Journal((TOLD_RUN,)))),))
    assert rig().run(seen(raw), SIGTERM).told == ["complete"]


def test_an_old_view_is_waited_out_then_what_it_holds_is_used(rig: Callable[..., Rig]) -> None:
    old = own(running(0), last=ended_with(Journal((TOLD_RUN,))), restarts=1)
    views = [pod(container("app", state), init=(old,)) for state in (running(), ended(0))]
    assert earlier_journal(parse(views[0]).own, CREATED + 100.0) is None
    ran = rig(step=3, process_started_at=CREATED + 100.0).run(*[seen(views[0])] * 6, seen(views[1]), SIGTERM)
    assert ran.told == ["complete"]


@pytest.mark.parametrize(("process_began", "is_ours"), [(0.9, True), (1.3, False)])
def test_a_start_in_whole_seconds_is_told_from_that_of_an_incarnation_killed_soon_after(
    process_began: float, is_ours: bool
) -> None:
    found = earlier_journal(parse(RUNNING).own, CREATED + process_began)
    assert found == (Journal() if is_ours else None)


def test_our_own_start_that_is_not_known_yet_is_waited_for() -> None:
    unknown = pod(container("app", running()), init=(own(running(None)),))
    assert earlier_journal(parse(unknown).own, CREATED) is None
    assert earlier_journal(parse(RUNNING).own, CREATED) == Journal()
