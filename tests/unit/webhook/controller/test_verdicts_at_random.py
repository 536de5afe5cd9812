"""Any sequence of views, likely or not: whatever the API shows, a run is told once, in order, and nothing raises.

What a seed makes is always the same. Deliveries lag behind at random, as they do when Cronitor is out of reach.
"""

import random
from dataclasses import dataclass, field, replace

import pytest

from tests.unit.webhook.controller.histories import (
    ALERTED,
    ALL,
    COMPLETE,
    FAIL,
    MARK,
    RULES,
    RUN,
    SILENT,
    STUCK,
    VERDICT,
    Json,
    T,
    a_job,
    attempt,
    container,
    ended,
    ends,
    journal,
    runs,
    up,
    waits,
    words,
)  # fmt: skip
from tests.unit.webhook.objects import verdict_told
from webhook.controller.alerts import deliverable
from webhook.controller.attempts import Attempt
from webhook.controller.verdicts import Rules, Seen, decide, is_closed
from webhook.run_mark import RunMark
from webhook.telemetry import Event, State

SEEDS = range(400)
DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}


class Dice(random.Random):
    def happens(self, chance: float) -> bool:
        return self.random() < chance


@dataclass(slots=True)
class Pod:
    """A pod as it goes on from view to view; `journal` is what its sidecar will leave, None for no sidecar."""

    name: str
    created: float
    journal: Json | None
    tells: str
    policy: str
    stage: int = 0
    code: int = 0
    deleted: float | None = None
    gone: float | None = None
    more: Json = field(default_factory=dict)

    def seen(self) -> Attempt:
        start, end = self.created + 5, self.created + 90
        app = [waits(), waits("ImagePullBackOff"), runs(start), ended(self.code, end, start)][self.stage]
        has_ended = self.stage == 3
        restarts = int(self.created) % 3 if self.policy == "OnFailure" and self.stage > 1 else 0
        last = ended(4, start + restarts, start) if restarts else None
        sidecar = None if self.journal is None else (self.journal if has_ended else up())
        phase = ("Failed" if self.code else "Succeeded") if has_ended else "Running"
        return attempt(
            container("app", app, last=last, restarts=restarts),
            container("helper", runs(start) if self.stage > 1 else waits()),
            sidecar=sidecar, tells=self.tells, name=self.name, created=self.created, policy=self.policy, phase=phase,
            deleted=self.deleted, gone=self.gone, **self.more,
        )  # fmt: skip


def a_journal(dice: Dice, *, verdict: bool) -> Json | None:
    """What was told, then what was not delivered: always in the order in which it happened."""
    if dice.happens(0.3):
        return None
    likely = [STUCK] * dice.happens(0.2) + [RUN] * dice.happens(0.7)
    likely += [dice.choice([COMPLETE, FAIL])] * (verdict and dice.happens(0.5))
    told = dice.randint(0, len(likely))
    return journal(*likely[:told], pending=likely[told:], left="?" if dice.happens(0.3) else "")


def go_on(pods: list[Pod], now: float, dice: Dice, policy: str, last: int) -> None:
    """Something happens to some pod. Sidecars tell one verdict at most: that of pod number `last`."""
    if not pods or dice.happens(0.3):
        tells = dice.choice([ALL, VERDICT, "complete", ""])
        more: Json = {"conditions": [DISRUPTED]} if dice.happens(0.1) else {}
        more |= {"chosen": ("app",)} if dice.happens(0.2) else {}
        left, code = a_journal(dice, verdict=len(pods) == last), dice.choice([0, 0, 3])
        pods.append(Pod(f"p{len(pods)}", now, left, tells, policy, code=code, more=more))
    pod = dice.choice(pods)
    if pod.gone is None:
        pod.stage = max(pod.stage, dice.choice([0, 1, 2, 3, 3]))
        if dice.happens(0.2):
            pod.deleted = pod.deleted or now
        if dice.happens(0.15):
            pod.gone = now


def job_of(dice: Dice, conditions: list[Json], shape: Json) -> Json:
    return a_job(conditions=conditions, failed=dice.randint(0, 2), succeeded=dice.randint(0, 1), **shape)


def views(dice: Dice) -> list[tuple[float, Seen]]:
    """A Job from its first sight to long after its end; it may go at any time."""
    shape: Json = {"backoffLimit": dice.randint(0, 3)}
    shape |= {"completions": 2} if dice.happens(0.2) else {}
    policy, last, now = dice.choice(["Never", "OnFailure"]), dice.randint(0, 2), 0.0
    pods: list[Pod] = []
    conditions: list[Json] = []
    found: list[tuple[float, Seen]] = []
    gone: float | None = None
    vanished = False
    for _ in range(dice.randint(2, 12)):
        now += dice.choice([1, 5, 30, 61, 400, 1000])
        go_on(pods, now, dice, policy, last)
        if not conditions and dice.happens(0.15):
            conditions = ends(dice.choice(["SuccessCriteriaMet", "FailureTarget"]), "DeadlineExceeded", now)
        if not any(one["type"] in ("Complete", "Failed") for one in conditions) and dice.happens(0.2):
            conditions = [*conditions, *ends(dice.choice(["Complete", "Failed"]), "BackoffLimitExceeded", now)]
        if gone is None and dice.happens(0.08):
            gone, vanished = now, dice.happens(0.3)
        a_shape = shape | ({"suspend": True} if dice.happens(0.1) else {})
        attempts = tuple(pod.seen() for pod in pods if not (pod.gone and dice.happens(0.3)))
        since = {(f"uid-{pod.name}", "app"): T + pod.created for pod in pods}
        job = job_of(dice, conditions, a_shape)
        found.append((now, Seen(job, attempts, None if gone is None else T + gone, vanished, since)))
    return found


@dataclass(slots=True)
class Heard:
    """What the controller delivers. `told` is the sidecars' verdict, once a journal has shown it; by then `decided`
    were owed: a verdict among them that contradicts it stands."""

    events: list[Event] = field(default_factory=list)
    told: str = ""
    decided: tuple[Event, ...] = ()

    def look(self, view: Seen, owed: tuple[Event, ...]) -> None:
        if not self.told and (verdicts := [told for one in view.attempts if (told := verdict_told(one.report))]):
            self.told, self.decided = verdicts[0], owed

    def deliver(self, event: Event) -> None:
        before = [one for one in self.events if one.is_verdict]
        if event.attempt:
            assert not any(one.attempt == event.attempt for one in self.events), "an attempt once"
            assert not before, "no attempt after a verdict"
            assert not self.told, "no attempt after a sidecar's verdict"
        elif event.state is State.RUN:
            assert not any(one.state is State.RUN for one in self.events), "run once"
            assert not before, "no run after a verdict"
            assert not self.told, "no run after a sidecar's verdict"
        elif event.stuck:
            assert not any(one.stuck for one in self.events), "a stuck start once"
            assert not before, "no stuck start after a verdict"
            assert not self.told, "no stuck start after a sidecar's verdict"
        elif before:
            assert len(before) == 1, "one correction"
            assert event.state is not before[0].state, "a correction is another verdict"
        elif self.told and event not in self.decided:
            assert event.state.value != self.told, "one verdict, the sidecar's"
        self.events.append(event)


@pytest.mark.parametrize("some", [SEEDS[start::10] for start in range(10)], ids=lambda seeds: str(seeds[0]))
def test_whatever_is_seen_a_run_is_told_once_and_in_order(some: range) -> None:
    for seed in some:
        dice = Dice(seed)
        rules, mark, heard = dice.choice([RULES, RULES, SILENT]), dice.choice([MARK, ALERTED]), Heard()
        for now, view in views(dice):
            verdict = mark.verdict
            heard.look(view, mark.owed)
            mark = decided(mark, view, now, rules, f"seed {seed}")
            assert bool(mark.verdict) >= bool(verdict), "a verdict stays"
            may_go = deliverable(mark, view.job, view.attempts)
            for event in may_go[: dice.randint(0, 3)]:
                heard.deliver(event)
                mark = mark.delivered(frozenset({event}))
            settled = decided(mark, view, now, rules, f"seed {seed}, delivered")
            assert settled == mark, f"seed {seed}: {[words(event) for event in settled.owed]}"
            if is_closed(mark, view):
                assert not mark.owed


@pytest.mark.parametrize("some", [SEEDS[start::10] for start in range(10)], ids=lambda seeds: str(seeds[0]))
def test_to_tell_attempts_changes_nothing_else(some: range) -> None:
    for seed in some:
        dice, mark, alerted = Dice(seed), MARK, ALERTED
        for now, view in views(dice):
            mark, alerted = decide(mark, view, RULES, T + now).mark, decide(alerted, view, RULES, T + now).mark
            others = tuple(event for event in alerted.owed if not event.attempt)
            assert replace(alerted, alert_on=mark.alert_on, owed=others, attempts=()) == mark, f"seed {seed}"
            assert not mark.attempts
            mark, alerted = mark.delivered(frozenset(mark.owed)), alerted.delivered(frozenset(alerted.owed))


def decided(mark: RunMark, view: Seen, now: float, rules: Rules, what: str) -> RunMark:
    decision = decide(mark, view, rules, T + now)
    again = decide(decision.mark, view, rules, T + now)
    assert again == replace(decision, mark=again.mark), what
    assert again.mark == decision.mark, what
    assert decision.look_again is None or decision.look_again > 0, what
    return decision.mark


def test_the_seeds_make_everything_happen() -> None:
    heard: set[str] = set()
    marks: set[str] = set()
    for seed in SEEDS[:200]:
        dice, mark = Dice(seed), ALERTED if seed % 3 else MARK
        for now, view in views(dice):
            mark = decide(mark, view, SILENT if seed % 2 else RULES, T + now).mark
            heard |= {words(event).partition(":")[0] for event in mark.owed}
            marks.add(mark.verdict)
            mark = mark.delivered(frozenset(mark.owed))
    assert heard >= {"run", "stuck", "complete 0", "fail", "fail 3", "alert", "alert 3", "alert 4"}
    assert marks == {"", "complete", "fail", "silent"}
