"""Pure: why an event came twice. Delivery is at least once, so a repeat is right where an answer, or the record that
there was one, was lost: each needs a fault that did that, at the right moment. One without is a failure of ours.
"""

from collections.abc import Iterator, Sequence

from tests.chaos.plan import Kind
from tests.chaos.seen import UNEXPLAINED, Event, Fell, JobSeen
from tests.cronitor.faults import FaultKind

ENDS_IN_PEACE = (Kind.LEADER_DELETED, Kind.CONTROLLER_AWAY)
API_SERVER = (Kind.API_SERVER_RESTARTED, Kind.API_SERVER_AWAY)
ANSWER_LOST = (FaultKind.LOST, FaultKind.SLOW)
"""What the stand-in does with the answer to an event that it took."""
ACKNOWLEDGED = "was acknowledged"
"""What the stand-in says of a repeat when a slow answer did reach its client."""
CUT_SECONDS = 2.0
"""A connection that is cut as Cronitor begins to refuse may carry an answer."""
JOURNAL_SECONDS = 5.0
"""Between an event's arrival and its acknowledgement in the journal: a request, however slow, and a write."""
MARK_SECONDS = 10.0
"""Between an event's arrival and its verdict in the mark, with the retries that an absent API server makes."""
PEACE_SECONDS = 10.0
"""A leader that is told to end goes on for so long at the most."""
HURRIED_SECONDS = (2.0, 4.0)
"""A sidecar whose pod is ending waits 2 s for an answer, which may come just then, and soon asks again."""
LAST_SECONDS = 10.0
"""In which a sidecar has gone since it was told to."""
RECOVERY_SECONDS = 15.0
"""After the API server is back clients may still pause between their tries."""


def explain(first: Event, again: Event, job: JobSeen, faults: Sequence[Fell]) -> str:
    """The fault that accounts for `again`, the next of its state after `first`; `UNEXPLAINED` where none does."""
    return next(_reasons(first, again, job, faults), UNEXPLAINED)


def _reasons(first: Event, again: Event, job: JobSeen, faults: Sequence[Fell]) -> Iterator[str]:
    if first.sender == "sidecar":
        yield from _too_late(first, again, job)
    if first.fault in ANSWER_LOST and not any(ACKNOWLEDGED in violation for violation in again.violations):
        yield f"Cronitor's answer to the first was lost ({first.fault})"
    for fault in faults:
        told = f"{fault.kind} {fault.began - first.arrived:+.1f} s from the first"
        if fault.kind is Kind.CRONITOR_REFUSES and abs(fault.began - first.arrived) < CUT_SECONDS:
            yield f"the answer was cut off: {told}"
        elif fault.kind is Kind.SIDECAR_KILLED and first.sender == "sidecar":
            if fault.uid in job.pods and fault.near(first.arrived - 1, first.arrived + JOURNAL_SECONDS):
                yield f"the acknowledgement was not journalled: {told}"
        elif first.sender == "controller" and again.sender == "controller":
            if fault.kind is Kind.LEADER_KILLED and fault.near(first.arrived - 1, first.arrived + MARK_SECONDS):
                yield f"it was not marked: {told}"
            if fault.kind in ENDS_IN_PEACE and fault.near(first.arrived - PEACE_SECONDS, first.arrived + MARK_SECONDS):
                yield f"it was not marked: {told}"
            if fault.kind in API_SERVER and fault.near(first.arrived - RECOVERY_SECONDS, first.arrived + MARK_SECONDS):
                yield f"it was not marked: {told}"


def _too_late(first: Event, again: Event, job: JobSeen) -> Iterator[str]:
    """The answer met a sidecar that had given it up, as its pod was ending."""
    shortest, longest = HURRIED_SECONDS
    ends = [pod.sidecar_ended - first.arrived for pod in job.pods.values() if pod.sidecar_ended is not None]
    # The kubelet's times are whole seconds, cut off.
    if again.sender == "controller" and any(-1 <= end <= (LAST_SECONDS if first.fault else 2) for end in ends):
        yield "Cronitor's answer came as the sidecar's time was up"
    waited = again.sender == "sidecar" and shortest <= again.arrived - first.arrived <= longest
    if first.fault == FaultKind.SLOW and waited and any(-1 <= end <= LAST_SECONDS for end in ends):
        yield "Cronitor's answer came as late as a sidecar waits for it whose pod is ending"
