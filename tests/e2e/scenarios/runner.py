"""Runs shapes, each in a thread of its own, and says of each what was heard and whether all of it was right."""

import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.cronitor.stand_in import StandIn
from tests.e2e.faults.processes import ProcessTable
from tests.e2e.faults.watcher import Watcher
from tests.e2e.scenarios import judge
from tests.e2e.scenarios.disturbances import Disturbance, Stage
from tests.e2e.scenarios.judge import Expected, Explain, Repeat, unexplained
from tests.e2e.scenarios.killer import LeaderKiller, leader
from tests.e2e.scenarios.play import Play
from tests.e2e.scenarios.shapes import Shape, seen_late
from tests.e2e.world import eventually

AT_ONCE = 24
"""Shapes under way. Two thirds of them wait for something; more at work would starve the node's two cores."""
NAMESPACES_AT_ONCE = 4
KILLED_OVER_PATIENT = 2
"""Leaders that are killed while a start hangs: each one counts the threshold from its own beginning."""

Act = Callable[[Play], None]
Expects = Callable[[Play], Sequence[Expected]]
"""What must have been heard of each Job of a shape that has ended."""


@dataclass(slots=True)
class Result:
    """`wrong`: what was wrong with each Job of the shape, in their order; `broken`: what went wrong before it ended."""

    play: Play
    broken: str = ""
    wrong: list[list[str]] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    heard: str = ""

    @property
    def problems(self) -> list[str]:
        return [self.broken] if self.broken else [one for found in self.wrong for one in found]

    @property
    def line(self) -> str:
        """One line of the table: name, what was heard from whom, whether all was right."""
        twice = f" ({len(self.repeats)} twice: {self.repeats[0].reason or 'why?'})" if self.repeats else ""
        return f"{self.play.shape.name:48} {self.heard or '-':44} {'; '.join(self.problems) or 'ok'}{twice}"


def summary(results: Sequence[Result]) -> str:
    """The last line: how many were right, and what came twice."""
    right = sum(not one.problems for one in results)
    twice = [repeat for one in results for repeat in one.repeats]
    known = sum(bool(repeat.reason) for repeat in twice)
    return f"{right} of {len(results)} right" + (f", {len(twice)} events twice ({known} explained)" if twice else "")


@dataclass(slots=True)
class Runner:
    """`namespace` gives the one for a shape. What the stand-in has heard before is no concern of a run's."""

    stage: Stage
    watcher: Watcher
    table: ProcessTable = field(default_factory=ProcessTable)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _going: set[str] = field(default_factory=set)

    def side_by_side(
        self,
        shapes: Iterable[Shape],
        namespace: Callable[[Shape], str],
        explain: Callable[[Play], Explain] = lambda _play: unexplained,
        expected: Expects = Play.expected,
    ) -> list[Result]:
        """Start every shape, do what is done to it, wait for its end; judge when the last one has ended."""
        results = self._results(shapes, namespace)
        self._each(results, _from_begin_to_end)
        return self._judged(results, explain, expected=expected)

    def while_killed(
        self, shapes: Iterable[Shape], namespace: Callable[[Shape], str], killer: LeaderKiller
    ) -> list[Result]:
        """The same while leaders are killed, some more of them for the patient shapes, and no more for the led ones."""
        results = self._results(map(seen_late, shapes), namespace)
        led = [one for one in results if one.play.shape.led]
        patient = [one for one in results if one.play.shape.patient]
        steady = [one for one in results if not (one.play.shape.led or one.play.shape.patient)]
        self._going = {one.play.shape.name for one in steady}
        with killer.at_work(lambda: bool(self._going)):
            self._each(steady, _from_begin_to_end)
        enough = len(killer.fell) + KILLED_OVER_PATIENT
        with killer.at_work(lambda: len(killer.fell) < enough):
            self._each(patient, _from_begin_to_end)
        eventually(lambda: leader(self.stage.world), "a leader")
        self._each(led, _from_begin_to_end)
        assert len(killer.fell) >= enough, "a leader that is killed while starts hang"
        return self._judged(
            results, lambda play: lambda *pair: killer.explain(*pair) or play.unanswered(*pair), in_other_words=True
        )

    def through(self, disturbance: Disturbance, namespace: Callable[[Shape], str]) -> list[Result]:
        """The disturbance's shapes, each brought so far as its act says when it begins."""
        results = self._results(disturbance.shapes, namespace)
        within = [one for one in results if one.play.shape.within]
        self._each([one for one in results if not one.play.shape.within], _begin)
        try:
            disturbance.begins(self.stage)
            self._each(within, _begin)
            self._each(results, lambda play: play.shape.meanwhile(play))
        finally:
            disturbance.passes(self.stage)
        self._each(results, _go_on)
        return self._judged(results, lambda _play: disturbance.explain)

    def _results(self, shapes: Iterable[Shape], namespace: Callable[[Shape], str]) -> list[Result]:
        ordered = list(shapes)
        with ThreadPoolExecutor(NAMESPACES_AT_ONCE) as threads:
            places = list(threads.map(namespace, ordered))
        return [Result(self._play(shape, place)) for shape, place in zip(ordered, places, strict=True)]

    def _play(self, shape: Shape, namespace: str) -> Play:
        stage = self.stage
        return Play(shape.row, stage.world, stage.cronitor, self.watcher, self.table, namespace, shape=shape)

    def _each(self, results: Iterable[Result], act: Act) -> None:
        """Do it to all at once, but for those that something has gone wrong with."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(lambda one: self._try(one, act), [one for one in results if not one.broken]))

    def _try(self, result: Result, act: Act) -> None:
        try:
            act(result.play)
        except Exception as error:
            where = "".join(traceback.format_exception(error)[-3:-1]).strip().replace("\n", " ")
            result.broken = f"{type(error).__name__}: {error} ({where})"
        finally:
            with self._lock:
                self._going.discard(result.play.shape.name)

    def _judged(
        self,
        results: list[Result],
        explain: Callable[[Play], Explain] = lambda _play: unexplained,
        *,
        in_other_words: bool = False,
        expected: Expects = Play.expected,
    ) -> list[Result]:
        for result in results:
            found = expected(result.play) if result.play.job else []
            _judge(result, found, self.stage.cronitor, explain(result.play), in_other_words=in_other_words)
        return results


def _begin(play: Play) -> None:
    play.begin()
    play.shape.act(play)


def _go_on(play: Play) -> None:
    play.shape.after(play)
    play.settle()


def _from_begin_to_end(play: Play) -> None:
    _begin(play)
    play.settle()


def _judge(
    result: Result, expected: Sequence[Expected], cronitor: StandIn, explain: Explain, *, in_other_words: bool
) -> None:
    """Also of what is broken it is told what was heard. `in_other_words`: so may come again what is explained."""
    play, runs, violations = result.play, cronitor.runs(), cronitor.violations()
    if not play.job:
        return
    seen = [one.seen() for one in play.all]
    known = frozenset(one.series for one in seen)
    pairs = list(zip(expected, seen, strict=False))
    result.repeats = [repeat for one in seen for repeat in judge.repeats(one.series, runs, explain)]
    again = []
    if in_other_words:
        again = [found for one, job in pairs for found in judge.retold(one, job.series, runs, explain)]
    result.repeats += [repeat for _, repeat in again]
    passed_over = {event.number for event, _ in again}
    runs = judge.without(passed_over, runs)
    violations = [
        found for found in violations if found.number not in passed_over or found.kind not in judge.TOLD_AGAIN
    ]
    result.wrong = [judge.problems(*pair, runs, violations) for pair in pairs]
    result.wrong.append(judge.strangers(play.monitors, known, runs))
    if len(seen) != len(expected):
        result.wrong.append([f"{len(seen)} Jobs, not {len(expected)}"])
    result.wrong.append([f"{repeat.state} came twice" for repeat in result.repeats if not repeat.reason])
    result.heard = " | ".join(_heard(one, cronitor) for one in play.all[:2])


def _heard(play: Play, cronitor: StandIn) -> str:
    """Such as `s:run c:fail(3)`: who told it, sidecar or controller, and the code."""
    run = play.run()
    senders = {one.number: one.headers.get("User-Agent", "") for one in cronitor.requests()} if run else {}
    return " ".join(
        f"{'s' if 'sidecar' in senders.get(event.number, '') else 'c'}:{event.state}"
        + ("" if event.status_code is None else f"({event.status_code})")
        for event in (run.events if run else ())
    )
