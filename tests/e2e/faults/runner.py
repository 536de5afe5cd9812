"""Runs rows, each in a thread of its own, and keeps what came of them."""

import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.cronitor.stand_in import StandIn
from tests.e2e.faults.controller import controller_away
from tests.e2e.faults.judge import problems
from tests.e2e.faults.processes import ProcessTable
from tests.e2e.faults.rows import Row
from tests.e2e.faults.scene import PATIENCE_SECONDS, Scene, finished
from tests.e2e.faults.storms import Storm
from tests.e2e.faults.watcher import Watcher
from tests.e2e.logs import LogKeeper
from tests.e2e.world import World

AT_ONCE = 10
"""Rows under way: more would starve the sidecars of the little CPU that they ask for, when a pod's end waits for it."""


@dataclass(slots=True)
class Result:
    scene: Scene
    problems: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """One line of the table: name, what was heard, whether all was right."""
        run = self.scene.run() if self.scene.job else None
        heard = " ".join(
            event.state
            + ("" if event.status_code is None else f"({event.status_code})")
            + ("²" if event.repeat_of else "")
            for event in (run.events if run else ())
        )
        return f"{self.scene.row.name:42} {heard or '-':34} {'; '.join(self.problems) or 'ok'}"


@dataclass(slots=True)
class Runner:
    world: World
    cronitor: StandIn
    logs: LogKeeper
    watcher: Watcher
    table: ProcessTable = field(default_factory=ProcessTable)
    results: dict[str, Result] = field(default_factory=dict)

    def side_by_side(self, rows: Iterable[Row], namespace: Callable[[Row], str]) -> None:
        """Start every row, do its fault, wait for its end; judge when the last one has ended."""
        scenes = self._scenes(rows, namespace)

        def play(scene: Scene) -> None:
            if not scene.row.controller_away:
                controller_away.wait_until_over()
            try:
                scene.begin()
                scene.row.fault(scene)
            finally:
                controller_away.end(self.world, scene.row.name)
            self._wait_for_the_end(scene)

        scenes.sort(key=lambda scene: not scene.row.controller_away)
        controller_away.announce(scene.row.name for scene in scenes if scene.row.controller_away)
        self._each(scenes, play)
        self._judge(scenes)

    def storm(self, storm: Storm, namespace: Callable[[Row], str]) -> None:
        """Its rows side by side, each brought so far as its `fault` says when the storm begins."""
        scenes = self._scenes(storm.rows, namespace)

        def prepare(scene: Scene) -> None:
            scene.begin()
            scene.row.fault(scene)

        def go_on(scene: Scene) -> None:
            scene.row.after(scene)
            self._wait_for_the_end(scene)

        self._each(scenes, prepare)
        storm.begins(scenes[0])
        try:
            self._each(scenes, lambda scene: scene.row.meanwhile(scene))
        finally:
            storm.passes(scenes[0])
        self._each(scenes, go_on)
        self._judge(scenes)

    def problems(self, rows: Iterable[Row]) -> dict[str, list[str]]:
        """What went wrong, by row; nothing if all was right."""
        return {row.name: found for row in rows if (found := self.results[row.name].problems)}

    def _scenes(self, rows: Iterable[Row], namespace: Callable[[Row], str]) -> list[Scene]:
        scenes = [Scene(row, self.world, self.cronitor, self.watcher, self.table, namespace(row)) for row in rows]
        self.results |= {scene.row.name: Result(scene) for scene in scenes}
        return scenes

    def _judge(self, scenes: Iterable[Scene]) -> None:
        files = dict(self.logs.files())
        for scene in scenes:
            if not self.results[scene.row.name].problems:
                self.results[scene.row.name].problems = problems(scene, files)

    def _wait_for_the_end(self, scene: Scene) -> None:
        finished(scene)
        heard = len(scene.row.heard)
        self.cronitor.account.recording.wait_for(lambda: len(_told(scene)) >= heard, PATIENCE_SECONDS)

    def _each(self, scenes: Iterable[Scene], act: Callable[[Scene], None]) -> None:
        """Do it to all at once, but for those that something has gone wrong with."""
        going = [scene for scene in scenes if not self.results[scene.row.name].problems]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(lambda scene: self._try(scene, act), going))

    def _try(self, scene: Scene, act: Callable[[Scene], None]) -> None:
        try:
            act(scene)
        except Exception as error:
            where = "".join(traceback.format_exception(error)[-3:-1]).strip().replace("\n", " ")
            self.results[scene.row.name].problems = [f"{type(error).__name__}: {error} ({where})"]


def _told(scene: Scene) -> list[str]:
    run = scene.run()
    return run.states if run else []
