"""The work queue. Most of it in virtual time and one thread; what is about threads meets at events, not at times."""

import itertools
import logging
import queue
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from webhook.controller import queue as module
from webhook.controller.queue import Key, WorkQueue
from webhook.errors import Conflict, KubeError

PATIENCE = 10.0
A, B, C = Key("job", "shop", "a"), Key("job", "shop", "b"), Key("job", "shop", "c")
STOP = Key("stop")


class Clock(threading.Condition):
    """Stands for `time` and for the queue's condition: to wait is to let that time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None, "nothing will ever be due"
        self.now += timeout
        return False


class Scene:
    """A queue in virtual time. `on(key)` gives what to return, or raises; `done` says what was done, and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.done: list[tuple[Key, float]] = []
        self.on: Callable[[Key], float | None] = lambda key: None
        self.queue = WorkQueue({"job": self, "stop": self})
        self.queue._changed = clock

    def reconcile(self, key: Key) -> float | None:
        if key == STOP:
            self.queue.stop()
            return None
        self.done.append((key, round(self.clock.now - 1000, 6)))
        return self.on(key)

    def run(self, seconds: float) -> list[tuple[Key, float]]:
        """Let so much time pass."""
        self.queue.add(STOP, seconds)
        self.queue.work()
        return self.done


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr("webhook.controller.queue.random.uniform", lambda _least, most: most)
    return Scene(clock)


def test_what_is_added_is_done_once_in_its_order(scene: Scene) -> None:
    for key in (A, B, A, C, A):
        scene.queue.add(key)
    assert scene.run(1) == [(A, 0), (B, 0), (C, 0)]


def test_a_delay_passes_first(scene: Scene) -> None:
    scene.queue.add(A, 5)
    scene.queue.add(B, 3)
    scene.queue.add(C)
    assert scene.run(10) == [(C, 0), (B, 3), (A, 5)]


@pytest.mark.parametrize("delays", [(5, 2), (2, 5), (2, 2), (5, 3, 2, 4)])
def test_the_earliest_of_several_adds_wins_and_the_others_are_forgotten(
    scene: Scene, delays: tuple[float, ...]
) -> None:
    for delay in delays:
        scene.queue.add(A, delay)
    assert scene.run(10) == [(A, 2)]


def test_what_is_to_be_looked_at_again_is(scene: Scene) -> None:
    again = [7.0, 2.0, None]
    scene.on = lambda key: again.pop(0)
    scene.queue.add(A)
    assert scene.run(100) == [(A, 0), (A, 7), (A, 9)]


def test_a_change_comes_before_the_time_to_look_again(scene: Scene) -> None:
    again = [50.0, None]
    scene.on = lambda key: again.pop(0)
    scene.queue.add(A)
    scene.run(1)
    scene.queue._stopped = False
    scene.queue.add(A, 2)
    assert scene.run(100) == [(A, 0), (A, 3)]


@pytest.mark.parametrize("times", [1, 3])
def test_what_is_added_while_it_is_worked_on_is_done_once_more(scene: Scene, times: int) -> None:
    def add_again(key: Key) -> float | None:
        if len(scene.done) == 1:
            for _ in range(times):
                scene.queue.add(key)
        return None

    scene.on = add_again
    scene.queue.add(A)
    assert scene.run(1) == [(A, 0), (A, 0)]


def test_what_is_added_with_a_delay_while_it_is_worked_on_is_done_after_it(scene: Scene) -> None:
    def add_again(key: Key) -> float | None:
        if len(scene.done) == 1:
            scene.queue.add(key, 4)
        return None

    scene.on = add_again
    scene.queue.add(A)
    assert scene.run(10) == [(A, 0), (A, 4)]


def test_failures_are_tried_again_later_and_later_up_to_a_limit(scene: Scene) -> None:
    def fail(_key: Key) -> float | None:
        raise KubeError("500")

    scene.on = fail
    scene.queue.add(A)
    times = [at for _, at in scene.run(300)]
    assert [after - before for before, after in itertools.pairwise(times)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_success_forgets_the_failures_before_it(scene: Scene) -> None:
    outcomes: list[Exception | float | None] = [KubeError("x"), KubeError("x"), 10.0, KubeError("x"), None]

    def turn(_key: Key) -> float | None:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    scene.on = turn
    scene.queue.add(A)
    assert [at for _, at in scene.run(100)] == [0, 1, 3, 13, 14]


def test_the_failures_of_one_key_are_nothing_to_another(scene: Scene) -> None:
    def fail(key: Key) -> float | None:
        if key == A:
            raise KubeError("x")
        return None

    scene.on = fail
    scene.queue.add(A)
    scene.queue.add(B, 1.5)
    assert scene.run(2) == [(A, 0), (A, 1), (B, 1.5)]


@pytest.mark.parametrize(
    ("error", "result", "traceback"),
    [
        (KubeError("GET /x: 500", status=500), "error", False),
        (Conflict("PATCH /x: 409", status=409), "conflict", False),
        (RuntimeError("nobody foresaw this"), "error", True),
    ],
)
def test_a_failure_is_logged_with_its_key_and_counted(
    scene: Scene, caplog: pytest.LogCaptureFixture, error: Exception, result: str, traceback: bool
) -> None:
    def count() -> float:
        labels = {"kind": "job", "result": result}
        return REGISTRY.get_sample_value("cronitor_controller_reconciles_total", labels) or 0.0

    def fail(_key: Key) -> float | None:
        raise error

    before = count()
    scene.on = fail
    scene.queue.add(A)
    with caplog.at_level(logging.WARNING):
        scene.run(0.5)
    (record,) = [record for record in caplog.records if record.message == "reconcile_failed"]
    fields = record.__dict__
    assert (fields["kind"], fields["namespace"], fields["object"]) == ("job", "shop", "a")
    assert (fields["error"], fields["failures"]) == (str(error), 1)
    assert bool(record.exc_info) is traceback
    assert count() == before + 1


def test_a_key_that_nobody_reconciles_ends_nothing(scene: Scene) -> None:
    scene.queue.add(Key("unknown"))
    scene.queue.add(A)
    assert scene.run(0.5) == [(A, 0)]


@pytest.mark.parametrize("delay", [float("inf"), 1e300])
def test_a_delay_without_end_is_one_of_a_day(scene: Scene, delay: float) -> None:
    scene.queue.add(A, delay)
    scene.queue.add(B, 1)
    assert scene.run(80_000) == [(B, 1)]
    scene.queue._stopped = False
    assert scene.run(80_000) == [(B, 1), (A, 86_400)]


def test_what_waits_is_counted(scene: Scene) -> None:
    scene.queue.add(A, 50)
    scene.queue.add(B, 50)
    assert REGISTRY.get_sample_value("cronitor_controller_queue_depth", {"queue": "objects"}) == 2
    scene.run(60)
    assert REGISTRY.get_sample_value("cronitor_controller_queue_depth", {"queue": "objects"}) == 0


# --- threads ---------------------------------------------------------------------------------------------------------


class Meeting:
    """Threads that tell when they begin, and go on when the test lets them."""

    def __init__(self, threads: int) -> None:
        self.begun: queue.SimpleQueue[Key] = queue.SimpleQueue()
        self.ended: queue.SimpleQueue[Key] = queue.SimpleQueue()
        self.gates: dict[Key, threading.Semaphore] = {key: threading.Semaphore(0) for key in (A, B, C)}
        self.at_once: dict[Key, int] = dict.fromkeys(self.gates, 0)
        self.overlaps: list[Key] = []
        self.queue = WorkQueue({"job": self})
        self.threads = [threading.Thread(target=self.queue.work) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def reconcile(self, key: Key) -> float | None:
        self.at_once[key] += 1
        if self.at_once[key] > 1:
            self.overlaps.append(key)
        self.begun.put(key)
        assert self.gates[key].acquire(timeout=PATIENCE)
        self.at_once[key] -= 1
        self.ended.put(key)
        return None

    def next_begun(self) -> Key:
        return self.begun.get(timeout=PATIENCE)

    def let(self, key: Key, times: int = 1) -> None:
        self.gates[key].release(times)

    def end(self) -> None:
        self.queue.stop()
        for key in self.gates:
            self.let(key, 10)
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert self.overlaps == []


def test_a_key_is_worked_on_by_one_thread_at_a_time_and_the_others_do_the_rest() -> None:
    meeting = Meeting(threads=2)
    meeting.queue.add(A)
    assert meeting.next_begun() == A
    meeting.queue.add(A)
    meeting.queue.add(B)
    assert meeting.next_begun() == B
    meeting.let(B)
    assert meeting.ended.get(timeout=PATIENCE) == B
    meeting.queue.add(C)
    assert meeting.next_begun() == C, "A is still being worked on"
    meeting.let(A)
    assert meeting.ended.get(timeout=PATIENCE) == A
    assert meeting.next_begun() == A
    meeting.end()


def test_what_is_due_soon_is_not_forgotten_by_those_who_wait_when_another_begins_something_long() -> None:
    meeting = Meeting(threads=2)
    meeting.queue.add(A, 0.05)
    meeting.queue.add(B)
    assert meeting.next_begun() == B
    assert meeting.next_begun() == A
    meeting.end()


def test_all_threads_are_used() -> None:
    meeting = Meeting(threads=3)
    for key in (A, B, C):
        meeting.queue.add(key)
    assert {meeting.next_begun() for _ in range(3)} == {A, B, C}
    meeting.end()


def test_stopping_waits_for_what_is_under_way_and_takes_up_nothing_more() -> None:
    meeting = Meeting(threads=2)
    meeting.queue.add(A)
    assert meeting.next_begun() == A
    ended_before: list[bool] = []

    def stop() -> None:
        meeting.queue.stop(PATIENCE)
        ended_before.append(not meeting.ended.empty())

    stopping = threading.Thread(target=stop)
    stopping.start()
    with meeting.queue._changed:
        assert meeting.queue._changed.wait_for(lambda: meeting.queue._stopped, PATIENCE)
    meeting.queue.add(B)
    meeting.let(A)
    stopping.join(PATIENCE)
    assert ended_before == [True]
    meeting.end()
    assert meeting.begun.empty()


def test_stopping_waits_no_longer_than_it_may() -> None:
    meeting = Meeting(threads=1)
    meeting.queue.add(A)
    assert meeting.next_begun() == A
    meeting.queue.stop(0.01)
    assert meeting.ended.empty()
    meeting.end()


def test_a_thread_that_ends_ends_the_process() -> None:
    """Of a process with one thread less nobody would notice that it does less."""
    program = """
import threading
from webhook.controller.queue import Key, WorkQueue

class Ending:
    def reconcile(self, key):
        raise SystemExit(0)

queue = WorkQueue({"job": Ending()})
queue.add(Key("job"))
queue.start(2)
threading.Event().wait()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "reconciling_ended" in ended.stderr


def test_stopping_ends_every_thread_that_waits() -> None:
    meeting = Meeting(threads=3)
    meeting.queue.add(A, 3600)
    meeting.end()
    assert meeting.begun.empty()
