"""Pure: what was planned, seen and heard → Jobs harmed, runs lost or told wrong, events told twice, pods missed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.duplicates import API_SERVER, explain
from tests.chaos.plan import Kind
from tests.chaos.seen import START_ERROR, UNEXPLAINED, Event, Fell, JobSeen, PodSeen, Span

START_SECONDS = 60.0
END_SECONDS = 60.0
"""Beyond its own work's time, but for the time in which a Job without us was late, too: that is the cluster's own."""
START_ERROR_CODE = 128
ADMISSION = (Kind.ADMISSION_KILLED, Kind.ADMISSION_DELETED, Kind.ADMISSION_AWAY, *API_SERVER)
CONTROLLER = (Kind.LEADER_KILLED, Kind.LEADER_DELETED, Kind.CONTROLLER_AWAY, *API_SERVER)
CONTROLLER_RECOVERY_SECONDS = 30.0
"""From the loss of a leader until another has the Lease and its caches."""
VERDICTS = {"complete", "fail"}
ADMISSION_RECOVERY_SECONDS = 60.0
"""A killed replica's address stays in the Service, and the back-off of its container grows."""
TWICE = ("duplicate", "second-verdict")
"""What the stand-in finds wrong with the same state again: counted as a duplicate, and explained there or not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one Job. `explanation` is given where a fault accounts for it."""

    job: str
    shape: str
    series: str
    what: str
    explanation: str = UNEXPLAINED

    def __str__(self) -> str:
        why = f" – {self.explanation}" if self.explanation else ""
        return f"{self.job} ({self.series}): {self.what}{why}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that was found."""

    harmed: tuple[Finding, ...]
    lost: tuple[Finding, ...]
    wrong: tuple[Finding, ...]
    duplicates: tuple[Finding, ...]
    missed: tuple[Finding, ...]
    unclosed: tuple[Finding, ...]

    @property
    def unexplained(self) -> tuple[Finding, ...]:
        return tuple(found for found in self.duplicates if not found.explanation)

    @property
    def untold(self) -> tuple[Finding, ...]:
        """Runs of whose end nothing was heard."""
        return tuple(found for found in self.lost if not found.what.startswith("run not heard"))

    @property
    def good(self) -> bool:
        missed = [found for found in self.missed if not found.explanation]
        return not (self.harmed or self.lost or self.wrong or self.unexplained or missed or self.unclosed)


def judge(
    jobs: Iterable[JobSeen], twins: Sequence[JobSeen], heard: Sequence[Event], faults: Sequence[Fell], now: float
) -> Verdict:
    """`now` is when everything had become quiet; `twins` are Jobs without us."""
    jobs = list(jobs)
    by_series: dict[str, list[Event]] = {job.series: [] for job in jobs}
    strangers = [event for event in heard if event.series not in by_series]
    for event in heard:
        by_series.setdefault(event.series, []).append(event)
    told = [(job, by_series[job.series]) for job in jobs]
    return Verdict(
        harmed=tuple(found for job in jobs for found in _harmed(job, twins, faults, now)),
        lost=tuple(found for job, events in told for found in _lost(job, events, faults)),
        wrong=(
            *(found for job, events in told for found in _wrong(job, events, faults)),
            *(Finding("no Job of ours", "", event.series, f"{event} was heard") for event in strangers),
        ),
        duplicates=tuple(found for job, events in told for found in _duplicates(job, events, faults)),
        missed=tuple(found for job in jobs for found in _missed(job, faults)),
        unclosed=tuple(_finding(job, "its mark is open") for job in jobs if not job.closed),
    )


def is_done(job: JobSeen, events: Sequence[Event]) -> bool:
    """Whether nothing more is to come of this run."""
    return bool(job.outcome) and job.closed and any(event.state in VERDICTS for event in events)


def _may_lack_run(job: JobSeen, faults: Sequence[Fell]) -> bool:
    """Of a Job that passed its deadline before its containers started, or whose pod was deleted before a controller
    that was away could see them start: nothing then says that it ever ran."""
    if job.reason != "DeadlineExceeded":
        return False
    end = job.ended or job.made
    away = any(fault.kind in CONTROLLER and fault.near(job.made, end + CONTROLLER_RECOVERY_SECONDS) for fault in faults)
    return job.started is None or away


def counts_by_shape(jobs: Iterable[JobSeen], verdict: Verdict) -> dict[str, dict[str, int]]:
    """For each shape the Jobs made, and how many findings of each sort there are."""
    sorts: Mapping[str, tuple[Finding, ...]] = {
        "harmed": verdict.harmed, "lost": verdict.lost, "wrong": verdict.wrong, "duplicates": verdict.duplicates,
        "missed": verdict.missed,
    }  # fmt: skip
    counts: dict[str, dict[str, int]] = {}
    for job in jobs:
        counts.setdefault(job.shape, {"jobs": 0, **dict.fromkeys(sorts, 0)})["jobs"] += 1
    for name, findings in sorts.items():
        for found in findings:
            if found.shape:
                counts[found.shape][name] += 1
    return counts


def _finding(job: JobSeen, what: str, explanation: str = UNEXPLAINED) -> Finding:
    return Finding(f"{job.namespace}/{job.name}", job.shape, job.series, what, explanation)


def _harmed(job: JobSeen, twins: Sequence[JobSeen], faults: Sequence[Fell], now: float) -> Iterator[Finding]:
    expected = job.expected
    if job.outcome and job.outcome != expected.outcome:
        yield _finding(job, f"ended {job.outcome} ({job.reason}), not {expected.outcome}")
    took, late = (job.ended or now) - job.made, job.lateness(now)
    if not job.outcome:
        yield _finding(job, f"has not ended {took:.0f} s after it was made")
    elif (ours := _beyond(late, twins, now)) > END_SECONDS:
        yield _finding(job, f"took {took:.0f} s for work of {expected.seconds:.0f} s, {ours:.0f} s by itself")
    if job.started and (ours := _beyond((job.made, job.started), twins, now)) > START_SECONDS:
        yield _finding(job, f"started {job.started - job.made:.0f} s after it was made, {ours:.0f} s by itself")
    for pod in job.pods.values():
        for end in pod.sidecar_ends.values():
            if end.split()[0] != "0" and not _brought_about(end, pod, faults):
                yield _finding(job, f"the sidecar of {pod.name} exited with {end}, and no fault did that")


def _beyond(late: Span, twins: Sequence[JobSeen], now: float) -> float:
    """How many seconds of this time were not such in which a Job without us was late as well."""
    first, last = late
    left = max(0.0, last - first)
    for began, ended in sorted(twin.lateness(now) for twin in twins):
        if ended > first and began < last:
            left -= max(0.0, min(ended, last) - max(began, first))
            first = max(first, ended)  # what two of them share counts once
    return left


def _brought_about(end: str, pod: PodSeen, faults: Sequence[Fell]) -> bool:
    """Whether the sidecar's end was the work of a fault, not its own."""
    if end.split()[0] == "137":
        return any(fault.kind is Kind.SIDECAR_KILLED and fault.uid == pod.uid for fault in faults)
    # The kubelet was killed while it started the container: that never ran.
    return end.endswith(START_ERROR) and any(
        fault.kind is Kind.KUBELET_RESTARTED and fault.ended > pod.created for fault in faults
    )


def _was_not_started(job: JobSeen, faults: Sequence[Fell]) -> bool:
    """The kubelet was killed as it started a container of the Job's own: the attempt has failed, and never ran."""
    return any(
        pod.not_started and fault.kind is Kind.KUBELET_RESTARTED and fault.ended > pod.created
        for pod in job.pods.values()
        for fault in faults
    )


def _lost(job: JobSeen, events: Sequence[Event], faults: Sequence[Fell]) -> Iterator[Finding]:
    states = {event.state for event in events}
    missing = [state for state in job.expected.states if state not in states]
    if missing == ["run"] and (_may_lack_run(job, faults) or _was_not_started(job, faults)):
        return
    # Another verdict than the expected one is told wrong, not lost.
    if "run" in missing or (missing and not states & VERDICTS):
        senders = ", ".join(str(event) for event in events) or "nothing"
        yield _finding(job, f"{' and '.join(missing)} not heard; heard was {senders}")


def _wrong(job: JobSeen, events: Sequence[Event], faults: Sequence[Fell]) -> Iterator[Finding]:
    first = list(dict.fromkeys(event.state for event in events))
    expected = list(job.expected.states)
    if first != expected and not (set(first) < set(expected) and first == [s for s in expected if s in first]):
        yield _finding(job, f"heard was {', '.join(map(str, events))}, expected {', '.join(expected)}")
    earlier: set[str] = set()
    for event in events:
        never_ran = event.code == START_ERROR_CODE and _was_not_started(job, faults)
        if event.state == job.expected.verdict and event.code != job.expected.code and not never_ran:
            yield _finding(job, f"{event} has status_code {event.code}, not {job.expected.code}")
        for violation in event.violations:
            if not (event.state in earlier and violation.startswith(TWICE)):
                yield _finding(job, f"{event}: {violation}")
        earlier.add(event.state)


def _duplicates(job: JobSeen, events: Sequence[Event], faults: Sequence[Fell]) -> Iterator[Finding]:
    newest: dict[str, Event] = {}
    for event in events:
        if event.state in newest:
            earlier = newest[event.state]
            as_it_was = "" if event.repeat_of is not None else "not word for word, "
            what = f"{event} came {as_it_was}{event.arrived - earlier.arrived:.1f} s after {earlier}"
            yield _finding(job, what, explain(earlier, event, job, faults))
        newest[event.state] = event


def _missed(job: JobSeen, faults: Sequence[Fell]) -> Iterator[Finding]:
    for pod in job.pods.values():
        if job.expected.injected and not pod.injected:
            yield _finding(job, f"pod {pod.name} was not injected", _why_missed(pod, faults))


def _why_missed(pod: PodSeen, faults: Sequence[Fell]) -> str:
    # A creation time has no fractions: it may be up to a second later.
    first, last = pod.created - ADMISSION_RECOVERY_SECONDS, pod.created + 1
    near = [fault for fault in faults if fault.kind in ADMISSION and fault.near(first, last)]
    nearest = max(near, key=lambda fault: min(fault.ended, last), default=None)
    return f"{nearest.kind} began {last - nearest.began:.0f} s before" if nearest else UNEXPLAINED
