"""Pure: the events of a series in the order they were taken → what in them contradicts "one run, one verdict".

A series is one run: one `run`, then one `complete` or `fail`. A `fail` without a status code before any `run` is a
stuck start, which may still be followed by `run` and `complete`. Everything else that comes twice is a violation, but
the exact repeat of an event whose acknowledgement this stand-in itself lost: that one could not be known as taken.

A message without a state tells the end of a Job whose run ends elsewhere (`log-complete-event`): it comes once, after
`run`, and is no verdict.
"""

from dataclasses import dataclass, field

from tests.cronitor.events import Event, Kind, Violation

ROUNDING = 1.0  # seconds that a duration may differ from the stamps


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that the stand-in took."""

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the history says about one more event."""

    violations: tuple[Violation, ...] = ()
    repeat_of: int | None = None


@dataclass(slots=True)
class History:
    """All series seen so far."""

    _series: dict[str, list[Taken]] = field(default_factory=dict)
    _unacknowledged: set[int] = field(default_factory=set)

    def judge(self, number: int, event: Event, *, acknowledged: bool) -> Judgement:
        """Weighs the event against its series, then adds it."""
        if not acknowledged:
            self._unacknowledged.add(number)
        if not event.series:
            return Judgement()
        earlier = self._series.setdefault(event.series, [])
        judgement = self._judge(earlier, event)
        earlier.append(Taken(number, event))
        return judgement

    def acknowledge(self, number: int) -> None:
        """A late answer did reach the client."""
        self._unacknowledged.discard(number)

    def clear(self) -> None:
        self._series.clear()
        self._unacknowledged.clear()

    def _judge(self, earlier: list[Taken], event: Event) -> Judgement:
        twin = next((taken for taken in reversed(earlier) if taken.event == event), None)
        if twin and twin.number in self._unacknowledged:
            return Judgement(repeat_of=twin.number)
        if twin:
            text = f"{event.state} came before, word for word, and was acknowledged"
            return Judgement((Violation(Kind.DUPLICATE, text),), repeat_of=twin.number)
        return Judgement(_contradictions([taken.event for taken in earlier], event))


def _contradictions(earlier: list[Event], event: Event) -> tuple[Violation, ...]:
    violations = _split(earlier, event)
    past = [one for one in earlier if one.monitor == event.monitor]
    match event.state:
        case "run":
            violations += _run(past)
        case "complete":
            violations += _complete(past, event)
        case "fail":
            violations += _fail(past)
        case "":
            violations += _message(past)
    return (*violations, *_times(past, event))


def _split(past: list[Event], event: Event) -> list[Violation]:
    """A run's monitor and environment are settled when it starts."""
    if not past:
        return []
    violations = []
    if past[0].monitor != event.monitor:
        text = f"the series began under monitor {past[0].monitor!r}, not {event.monitor!r}"
        violations.append(Violation(Kind.SERIES_SPLIT, text))
    if past[0].env != event.env:
        text = f"the series began in environment {past[0].env!r}, not {event.env!r}"
        violations.append(Violation(Kind.SERIES_SPLIT, text))
    return violations


def _run(past: list[Event]) -> list[Violation]:
    if any(event.state == "run" for event in past):
        return [Violation(Kind.DUPLICATE, "a second run in one series")]
    if verdict := _verdict(past):
        return [Violation(Kind.RUN_AFTER_VERDICT, f"run after {verdict}")]
    return []


def _complete(past: list[Event], event: Event) -> list[Violation]:
    violations = []
    if not any(event.state == "run" for event in past):
        violations.append(Violation(Kind.COMPLETE_WITHOUT_RUN, "no run came before this complete"))
    if verdict := _verdict(past):
        kind = Kind.DUPLICATE if verdict == "complete" else Kind.SECOND_VERDICT
        violations.append(Violation(kind, f"{event.state} after {verdict}"))
    return violations


def _fail(past: list[Event]) -> list[Violation]:
    told = [event.state for event in past if event.state in ("complete", "fail")]
    return [Violation(Kind.SECOND_VERDICT, f"fail after {told[-1]}")] if told else []


def _message(past: list[Event]) -> list[Violation]:
    violations = []
    if not any(event.state == "run" for event in past):
        violations.append(Violation(Kind.COMPLETE_WITHOUT_RUN, "no run came before this message without a state"))
    if any(not event.state for event in past):
        violations.append(Violation(Kind.DUPLICATE, "a second message without a state in one series"))
    return violations


def _verdict(past: list[Event]) -> str | None:
    """The last verdict in the series; a stuck start is none."""
    verdict = None
    started = False
    for event in past:
        started = started or event.state == "run"
        stuck = event.state == "fail" and event.status_code is None and not started
        if event.state in ("complete", "fail") and not stuck:
            verdict = event.state
    return verdict


def _times(past: list[Event], event: Event) -> list[Violation]:
    start = next((earlier.stamp for earlier in past if earlier.state == "run"), None)
    if event.state not in ("complete", "fail") or start is None or event.stamp is None:
        return []
    if event.stamp < start:
        return [Violation(Kind.STAMP_BEFORE_RUN, f"{event.state} at {event.stamp}, run at {start}")]
    duration = event.metric("duration")
    if duration is not None and abs(duration - (event.stamp - start)) > ROUNDING:
        text = f"duration:{duration:g}, but the stamps are {event.stamp - start:g} s apart"
        return [Violation(Kind.DURATION_DISAGREES, text)]
    return []
