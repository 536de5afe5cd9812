"""What is owed goes out: in order within a series, at a pace, for ever, and no event twice. Time is virtual."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from webhook.clients.telemetry import Taken
from webhook.controller.outbox import BURST_SECONDS, KIND, DryRun, Outbox, Pace
from webhook.controller.queue import Key
from webhook.errors import CronitorError, TooManyRequests
from webhook.monitor_identity import MonitorIdentity
from webhook.telemetry import Event, State

PATIENCE = 10.0
JOB = Key("job", "shop", "backup-1")
IDENTITY = MonitorIdentity("key", "shop/backup", "prod")
RUN = Event(State.RUN, 1.0)
STUCK = Event(State.FAIL, 0.5, "attempt 1/7 · pod Unschedulable", stuck=True)
COMPLETE = Event(State.COMPLETE, 9.0, "attempt 1/7 · app 0", 0, 8.0, 0)


class Clock:
    """Stands for `time.monotonic`, and for the event that ends a wait: to wait is to let that time pass."""

    def __init__(self) -> None:
        self.now, self.stopped = 1000.0, False
        self.on_wait: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        if seconds > 0:
            self.now += seconds
            self.on_wait()
        return self.stopped

    def set(self) -> None:
        self.stopped = True


class Cronitor:
    """Takes events, or answers by script; `sent` holds every try with its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sent: list[tuple[str, str, float]] = []
        self.script: dict[str, list[Exception | Taken]] = {}
        self.namespaces: set[str] = set()

    def send(self, identity: MonitorIdentity, series: str, event: Event, namespace: str = "") -> Taken:
        assert identity == IDENTITY
        self.namespaces.add(namespace)
        answers = self.script.get(series, [])
        self.sent.append((series, event.state.value, round(self._clock.now - 1000, 6)))
        answer = answers.pop(0) if answers else Taken.ACCEPTED
        if isinstance(answer, Exception):
            raise answer
        return answer


class Scene:
    """An outbox whose queue the test works off by hand."""

    def __init__(self, per_second: float = 10) -> None:
        self.clock = Clock()
        self.cronitor = Cronitor(self.clock)
        self.taken: list[tuple[str, Event]] = []
        self.outbox = Outbox(self.cronitor, per_second, self._taken, monotonic=self.clock)
        self.outbox._stopped = self.clock  # type: ignore[assignment]

    def _taken(self, job: Key, series: str, event: Event) -> None:
        assert job == JOB
        self.taken.append((series, event))

    def owe(self, *events: Event, series: str = "one") -> None:
        self.outbox.owe(JOB, series, IDENTITY, events)

    def deliver(self, series: str = "one") -> None:
        while self.outbox.reconcile(Key(KIND, "shop", series)) is not None:
            pass

    @property
    def sent(self) -> list[tuple[str, str]]:
        return [(series, state) for series, state, _ in self.cronitor.sent]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def count(result: str, state: str = "run") -> float:
    return REGISTRY.get_sample_value("cronitor_controller_events_total", {"state": state, "result": result}) or 0.0


def waiting() -> float | None:
    return REGISTRY.get_sample_value("cronitor_controller_events_waiting")


# --- order -----------------------------------------------------------------------------------------------------------


def test_the_events_of_a_series_go_in_their_order(scene: Scene) -> None:
    scene.owe(STUCK, RUN, COMPLETE)
    scene.deliver()
    assert scene.sent == [("one", "fail"), ("one", "run"), ("one", "complete")]
    assert scene.taken == [("one", STUCK), ("one", RUN), ("one", COMPLETE)]


def test_the_namespace_of_the_run_goes_along_since_it_may_have_a_key_of_its_own(scene: Scene) -> None:
    scene.owe(RUN)
    scene.deliver()
    assert scene.cronitor.namespaces == {JOB.namespace}


def test_what_fails_is_tried_again_before_what_follows_it(scene: Scene) -> None:
    scene.cronitor.script["one"] = [CronitorError("telemetry answered 503", 503)]
    scene.owe(RUN, COMPLETE)
    with pytest.raises(CronitorError):
        scene.deliver()
    assert scene.taken == []
    scene.deliver()
    assert scene.sent == [("one", "run"), ("one", "run"), ("one", "complete")]
    assert scene.taken == [("one", RUN), ("one", COMPLETE)]


def test_what_is_turned_down_for_good_is_done_and_the_next_goes(scene: Scene) -> None:
    before = count("refused")
    scene.cronitor.script["one"] = [Taken.REFUSED]
    scene.owe(RUN, COMPLETE)
    scene.deliver()
    assert scene.taken == [("one", RUN), ("one", COMPLETE)]
    assert count("refused") == before + 1


def test_what_comes_later_follows(scene: Scene) -> None:
    scene.owe(RUN)
    scene.deliver()
    scene.owe(RUN, COMPLETE)
    scene.deliver()
    assert scene.sent == [("one", "run"), ("one", "complete")]


def test_a_series_that_fails_does_not_hold_the_others(scene: Scene) -> None:
    scene.cronitor.script["bad"] = [CronitorError("telemetry failed: ConnectionError")] * 3
    scene.owe(RUN, COMPLETE, series="bad")
    scene.owe(RUN, COMPLETE)
    for _ in range(3):
        with pytest.raises(CronitorError):
            scene.deliver("bad")
    scene.deliver()
    assert scene.taken == [("one", RUN), ("one", COMPLETE)]


# --- once ------------------------------------------------------------------------------------------------------------


def test_no_event_goes_twice_when_its_record_is_written_late(scene: Scene) -> None:
    scene.owe(RUN)
    scene.deliver()
    for _ in range(3):
        scene.owe(RUN)  # the mark still says so
        scene.deliver()
    assert scene.sent == [("one", "run")]


def test_once_it_is_recorded_it_is_forgotten(scene: Scene) -> None:
    scene.owe(RUN)
    scene.deliver()
    scene.owe()
    assert (scene.outbox._parcels, scene.outbox._delivered) == ({}, {})


def test_what_is_owed_no_more_is_not_sent(scene: Scene) -> None:
    scene.owe(RUN, COMPLETE)
    scene.owe()
    scene.deliver()
    scene.owe(RUN)
    scene.owe(COMPLETE)
    scene.deliver()
    assert scene.sent == [("one", "complete")]


def test_what_is_no_longer_owed_is_dropped_though_the_rest_is_delivered(scene: Scene) -> None:
    scene.owe(RUN, STUCK)
    assert scene.outbox.reconcile(Key(KIND, "shop", "one")) is not None
    scene.owe(RUN)
    scene.deliver()
    assert scene.sent == [("one", "run")]


def test_what_is_owed_no_more_after_the_wait_is_not_sent(scene: Scene) -> None:
    scene.outbox._pace.pause(scene.clock.now + 3600)
    scene.owe(STUCK)
    scene.clock.on_wait = lambda: scene.owe()
    scene.deliver()
    assert scene.sent == []


def test_a_series_that_is_unknown_is_nothing_to_do(scene: Scene) -> None:
    assert scene.outbox.reconcile(Key(KIND, "shop", "unknown")) is None


# --- pace ------------------------------------------------------------------------------------------------------------


def test_a_burst_goes_at_once_and_the_rest_at_the_pace(scene: Scene) -> None:
    for number in range(100):
        scene.owe(RUN, series=str(number))
        scene.deliver(str(number))
    times = [moment for _, _, moment in scene.cronitor.sent]
    assert times[: 10 * BURST_SECONDS] == pytest.approx([0.0] * 40, abs=1e-6)
    assert times[40:] == pytest.approx([number / 10 for number in range(1, 61)])


@pytest.mark.parametrize(("per_second", "events"), [(50, 5000), (30, 1000), (1, 20)])
def test_no_second_sees_more_than_the_burst_and_the_pace(per_second: int, events: int) -> None:
    pace, now, times = Pace(per_second), 0.0, []
    for _ in range(events):
        now += pace.reserve(now)
        times.append(now)
    assert now == pytest.approx(max(0.0, events / per_second - BURST_SECONDS))
    for start in (0.0, 1.0, now / 2):
        within = sum(start <= moment <= start + 1 for moment in times)
        assert within <= per_second * (BURST_SECONDS + 1 if start == 0.0 else 1) + 1


def test_a_quiet_time_gives_no_more_than_one_burst() -> None:
    pace = Pace(10)
    assert [pace.reserve(0.0) for _ in range(10 * BURST_SECONDS)] == pytest.approx([0.0] * 40, abs=1e-6)
    assert pace.reserve(0.0) == pytest.approx(0.1)
    assert [pace.reserve(9000.0) for _ in range(10 * BURST_SECONDS)] == pytest.approx([0.0] * 40, abs=1e-6)
    assert pace.reserve(9000.0) == pytest.approx(0.1)


def test_a_pause_that_cronitor_asks_for_is_kept_by_every_series(scene: Scene) -> None:
    scene.cronitor.script["one"] = [TooManyRequests("telemetry answered 429", 30.0)]
    scene.owe(RUN)
    scene.owe(RUN, series="two")
    with pytest.raises(TooManyRequests):
        scene.deliver()
    scene.deliver("two")
    scene.deliver()
    assert [moment for _, _, moment in scene.cronitor.sent] == pytest.approx([0.0, 30.1, 30.2])


def test_after_a_pause_there_is_no_burst() -> None:
    pace = Pace(10)
    pace.pause(100.0)
    assert [pace.reserve(100.0) for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])


def test_a_pause_of_nothing_ends_a_burst(scene: Scene) -> None:
    scene.cronitor.script["one"] = [TooManyRequests("telemetry answered 429")]
    scene.owe(RUN)
    with pytest.raises(TooManyRequests):
        scene.deliver()
    scene.deliver()
    assert [moment for _, _, moment in scene.cronitor.sent] == pytest.approx([0.0, 0.1])


# --- metrics and end -------------------------------------------------------------------------------------------------


def test_how_many_wait_is_a_metric(scene: Scene) -> None:
    assert waiting() == 0
    scene.owe(RUN, COMPLETE)
    scene.owe(RUN, series="two")
    assert waiting() == 3
    scene.deliver()
    assert waiting() == 1
    scene.deliver("two")
    assert waiting() == 0


def test_tries_are_counted_by_their_result(scene: Scene) -> None:
    before = count("failed"), count("accepted")
    scene.cronitor.script["one"] = [CronitorError("x"), TooManyRequests("y", 1.0)]
    scene.owe(RUN)
    for _ in range(2):
        with pytest.raises(CronitorError):
            scene.deliver()
    scene.deliver()
    assert (count("failed"), count("accepted")) == (before[0] + 2, before[1] + 1)


def test_stopped_it_sends_nothing_more_and_waits_for_no_place(scene: Scene) -> None:
    scene.owe(RUN)
    scene.outbox.stop(0.0)
    scene.deliver()
    assert scene.sent == []
    assert waiting() == 1


def test_a_dry_run_takes_all_and_says_what_it_would_tell(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert DryRun().send(IDENTITY, "uid", COMPLETE, "shop") is Taken.ACCEPTED
    (record,) = caplog.records
    fields: dict[str, Any] = record.__dict__
    assert (record.message, fields["series"], fields["state"]) == ("would_tell", "uid", "complete")


# --- with its threads ------------------------------------------------------------------------------------------------


class Gate:
    """Takes events; those of a series in `held` only once it is let go."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, State]] = []
        self.changed = threading.Condition()
        self.held: set[str] = set()

    def send(self, identity: MonitorIdentity, series: str, event: Event, namespace: str = "") -> Taken:
        with self.changed:
            assert self.changed.wait_for(lambda: series not in self.held, PATIENCE)
            self.sent.append((series, event.state))
            self.changed.notify_all()
        return Taken.ACCEPTED

    def wait_for(self, holds: Callable[[], Any]) -> None:
        with self.changed:
            assert self.changed.wait_for(holds, PATIENCE)

    def let_go(self) -> None:
        with self.changed:
            self.held.clear()
            self.changed.notify_all()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.let_go()


def test_series_go_side_by_side_each_in_its_order(gate: Gate) -> None:
    outbox = Outbox(gate, 50, lambda job, series, event: None)
    gate.held = {"0"}
    for number in range(20):
        outbox.owe(JOB, str(number), IDENTITY, (STUCK, RUN, COMPLETE))
    outbox.queue.start(4)
    gate.wait_for(lambda: len(gate.sent) == 19 * 3)
    gate.let_go()
    gate.wait_for(lambda: len(gate.sent) == 20 * 3)
    for number in range(20):
        assert [state for series, state in gate.sent if series == str(number)] == [
            State.FAIL,
            State.RUN,
            State.COMPLETE,
        ]
    outbox.stop(PATIENCE)
