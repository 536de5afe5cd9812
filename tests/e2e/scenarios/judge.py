"""Pure: all that was heard of a Job, held against the list of what must be heard, with the stamps of what happened."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tests.cronitor.events import Kind
from tests.cronitor.recording import Found
from tests.cronitor.runs import Run, RunEvent
from tests.e2e.scenarios.shapes import STUCK_SECONDS, UNSCHEDULED_SECONDS, Heard, When
from tests.e2e.scenarios.truth import GONE, JobSeen, PodSeen

TOLERANCE_SECONDS = 1.0
TWICE = (Kind.DUPLICATE,)
TOLD_AGAIN = (Kind.DUPLICATE, Kind.SECOND_VERDICT)
"""What the protocol finds in an event that comes again in other words."""
ANSWER_LOST = "its first answer was lost"

Explain = Callable[[RunEvent, RunEvent], str]
"""Why the second is there although the first was taken; nothing where no reason is known."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be heard of one Job, in order, and how it must have been treated.

    `injected`: its first pod, and the others; None: as may be. `violates`: the violations that it asks for, no more and
    no fewer.
    """

    monitor: str
    heard: tuple[Heard, ...]
    ends: str
    counting: frozenset[str] = frozenset({"app"})
    is_crowd: bool = False
    injected: tuple[bool | None, bool | None] = (True, True)
    violates: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeat:
    """An event that came twice, and why; an empty reason is a problem."""

    state: str
    reason: str


def unexplained(_first: RunEvent, _again: RunEvent) -> str:
    """Where nothing is killed nothing may come twice."""
    return ""


def problems(expected: Expected, seen: JobSeen, runs: Sequence[Run], violations: Sequence[Found]) -> list[str]:
    """What was not as expected; nothing if all was. Repeats are looked at by `repeats`."""
    heard = [run for run in runs if run.series == seen.series]
    return [*_heard(expected, seen, heard), *_job(expected, seen), *_protocol(expected, seen.series, violations)]


def repeats(series: str, runs: Sequence[Run], explain: Explain = unexplained) -> list[Repeat]:
    """Each event that came again, word for word. Without a violation it was the stand-in that lost the first answer."""
    events = {event.number: event for run in runs if run.series == series for event in run.events}
    again = [(events[event.repeat_of], event) for event in events.values() if event.repeat_of is not None]
    return [Repeat(one.state, explain(first, one) if one.violations else ANSWER_LOST) for first, one in again]


def retold(expected: Expected, series: str, runs: Sequence[Run], explain: Explain) -> list[tuple[RunEvent, Repeat]]:
    """Each event that came again in other words: who told it first was killed before that was noted, and the next one
    has seen more. Only for a reason that is known, with the code that must be heard, of a state that is heard once.
    """
    heard = [event for run in runs if run.series == series for event in run.events if event.repeat_of is None]
    found = []
    for wanted in expected.heard:
        if sum(one.state == wanted.state for one in expected.heard) > 1:
            continue  # which of them came again cannot be told
        told = [event for event in heard if event.state == wanted.state and event.status_code == wanted.code]
        for first, again in pairwise(told):
            if reason := explain(first, again):
                found.append((again, Repeat(wanted.state, reason)))
    return found


def without(passed_over: Collection[int], runs: Iterable[Run]) -> list[Run]:
    """The runs but for the events with these numbers."""
    return [replace(run, events=tuple(one for one in run.events if one.number not in passed_over)) for run in runs]


def strangers(monitors: frozenset[str], known: frozenset[str], runs: Sequence[Run]) -> list[str]:
    """Runs of these monitors that belong to none of their Jobs."""
    return [f"heard of a run that is none: {run}" for run in runs if run.monitor in monitors - {""}
            and run.series not in known]  # fmt: skip


def _heard(expected: Expected, seen: JobSeen, heard: Sequence[Run]) -> Iterator[str]:
    for run in heard:
        if run.monitor != expected.monitor:
            yield f"told to monitor {run.monitor}, not {expected.monitor}"
    events = [event for run in heard for event in run.events if event.repeat_of is None]
    states, wanted = [event.state for event in events], [one.state for one in expected.heard]
    if states != wanted:
        told = ", ".join(f"{event.state} {event.message!r}" for event in events)
        yield f"heard [{told}], not [{', '.join(wanted)}]"
        return
    for event, one in zip(events, expected.heard, strict=True):
        if event.status_code != one.code:
            yield f"{event.state} with code {event.status_code}, not {one.code}"
        if not _says(event.message, one.message):
            wanted_text = one.message if isinstance(one.message, str) else one.message.pattern
            yield f"{event.state} says {event.message!r}, not {wanted_text!r}"
        yield from _stamp(event, one, expected, seen)


def _says(message: str, wanted: str | re.Pattern[str]) -> bool:
    return message == wanted if isinstance(wanted, str) else bool(wanted.fullmatch(message))


def _stamp(event: RunEvent, one: Heard, expected: Expected, seen: JobSeen) -> Iterator[str]:
    spans = [span for when in one.stamp for span in _spans(when, event, expected, seen)]
    if event.stamp is None:
        yield f"{event.state} has no stamp"
    elif not any(first - TOLERANCE_SECONDS <= event.stamp <= last + TOLERANCE_SECONDS for first, last in spans):
        known = ", ".join(f"{first - event.stamp:+.1f}" for first, _ in spans) or "not known"
        yield f"{event.state} is not stamped with {' or '.join(when.value for when in one.stamp)}: {known} s off"


def _spans(when: When, event: RunEvent, expected: Expected, seen: JobSeen) -> list[tuple[float, float]]:
    """The moments that this may mean, as the pods and the Job themselves tell them."""
    match when:
        case When.START:
            found = _first(one.started for pod in seen.pods for one in pod.ran if one.container in expected.counting)
        case When.LATER_START:
            starts = (one.started for pod in seen.pods for one in pod.ran if one.container in expected.counting)
            found = [moment for moment in starts if moment is not None]
        case When.END:
            found = _last(one.ended for pod in _deciding(event.state, expected, seen)
                          for one in pod.last(expected.counting))  # fmt: skip
        case When.FAILURE:
            # At the limit the kubelet may run it once more before the Job controller deletes its pod.
            found = [moment for moment in _own_failures(expected, seen) if moment is not None]
        case When.ATTEMPT:
            found = [moment for moment in _own_failures(expected, seen) if moment is not None]
        case When.DECIDED:
            found = list(seen.decided)
        case When.GONE:
            found = list(seen.gone)
        case When.STUCK:
            return [(seen.created + STUCK_SECONDS, event.arrived)]
        case When.UNSCHEDULED:
            return [(seen.created + UNSCHEDULED_SECONDS, event.arrived)]
    return [(moment, moment) for moment in found]


def _own_failures(expected: Expected, seen: JobSeen) -> Iterator[float | None]:
    for pod in seen.pods:
        for one in pod.ran:
            if one.container in expected.counting and one.code and _by_itself(one.ended, pod):
                yield one.ended


def _deciding(state: str, expected: Expected, seen: JobSeen) -> list[PodSeen]:
    """The pods whose end is that of the run: of those that succeeded the first, or all of a crowd; else all of a crowd,
    or the last one."""
    if state == "complete":
        succeeded = [pod for pod in seen.pods if did_its_part(pod, expected.counting)]
        return succeeded if expected.is_crowd else succeeded[:1]
    return list(seen.pods) if expected.is_crowd else list(seen.pods[-1:])


def did_its_part(pod: PodSeen, counting: frozenset[str]) -> bool:
    last = pod.last(counting)
    return bool(last) and all(one.code == 0 and _by_itself(one.ended, pod) for one in last)


def _by_itself(ended: float | None, pod: PodSeen) -> bool:
    return ended is not None and (pod.deleted is None or ended <= pod.deleted)


def _first(moments: Iterator[float | None]) -> list[float]:
    known = [moment for moment in moments if moment is not None]
    return [min(known)] if known else []


def _last(moments: Iterator[float | None]) -> list[float]:
    known = [moment for moment in moments if moment is not None]
    return [max(known)] if known else []


def _job(expected: Expected, seen: JobSeen) -> Iterator[str]:
    if seen.outcome != expected.ends:
        yield f"the Job is {seen.outcome}, not {expected.ends}"
    for number, pod in enumerate(seen.pods):
        wanted = expected.injected[min(number, 1)]
        if wanted is not None and pod.injected is not wanted:
            yield f"pod {number + 1} is {'' if pod.injected else 'not '}injected"
    if seen.outcome == GONE:
        return  # with its mark
    told = next((one.state for one in reversed(expected.heard) if one.state != "run"), "")
    if (seen.mark.verdict if seen.mark else "") != told:
        yield f"the mark says {seen.mark.verdict or 'nothing' if seen.mark else 'nothing'}, not {told or 'nothing'}"
    if seen.mark and seen.mark.owed:
        yield f"the mark still owes {', '.join(event.state.value for event in seen.mark.owed)}"


def _protocol(expected: Expected, series: str, violations: Sequence[Found]) -> Iterator[str]:
    missing = list(expected.violates)
    for found in violations:
        if found.series != series or found.kind in TWICE:
            continue
        if found.kind in missing:
            missing.remove(found.kind)
        else:
            yield f"violation: {found}"
    yield from (f"{kind} was to be found once more" for kind in missing)
