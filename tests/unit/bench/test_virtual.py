"""Virtual time: order, pauses, failures."""

import pytest

from tests.bench.virtual import VirtualTime


def test_tasks_run_in_the_order_of_their_moments() -> None:
    time = VirtualTime()
    seen: list[tuple[str, float]] = []

    def task(name: str, pause: float) -> None:
        seen.append((name, time.now))
        time.pause(pause)
        seen.append((name, time.now))

    time.begin(lambda: task("late", 1.0), at=2.0)
    time.begin(lambda: task("early", 2.5), at=0.5)
    time.run()
    assert seen == [("early", 0.5), ("late", 2.0), ("early", 3.0), ("late", 3.0)]


def test_a_pause_of_nothing_lets_the_others_go_first() -> None:
    time = VirtualTime()
    seen: list[str] = []

    def yielding() -> None:
        time.pause(-1.0)
        seen.append("after")

    time.begin(yielding)
    time.begin(lambda: seen.append("other"))
    time.run()
    assert (seen, time.now) == (["other", "after"], 0.0)


def test_what_a_task_raises_ends_it_all() -> None:
    time = VirtualTime()

    def failing() -> None:
        raise LookupError("of the task")

    time.begin(failing)
    with pytest.raises(LookupError, match="of the task"):
        time.run()
