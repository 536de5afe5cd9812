"""Runs with `alert-on: attempt`: a `fail` for each failed attempt that is not the run's last word, and no other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.unit.webhook.controller.histories import (
    ALERTED,
    COMPLETE,
    DISRUPTED,
    FAIL,
    MARK,
    PASSES_ON,
    RETRIES,
    RUN,
    VERDICT,
    Json,
    Row,
    a_job,
    attempt,
    container,
    done,
    ended,
    ends,
    evicted,
    failed,
    going,
    journal,
    runs,
    second,
    seen,
    succeeded,
    up,
    waits,
)  # fmt: skip
from webhook.controller.attempts import Attempt
from webhook.controller.verdicts import Seen
from webhook.run_mark import RunMark


def row(
    history: str, views: Sequence[tuple[float, Seen]], heard: Sequence[str] = (), verdict: str = "", *,
    mark: RunMark = ALERTED, closed: bool = True,
) -> Row:  # fmt: skip
    return Row(history, views, heard, verdict, mark, closed=closed)


def by_hand(name: str = "p1", deleted: float = 300) -> Attempt:
    """A pod that ran until it was deleted."""
    created = deleted - 300
    app = container("app", ended(143, deleted + 3, created + 5))
    return attempt(app, name=name, created=created, deleted=deleted, phase="Failed", gone=deleted + 4)


P1, P2 = done(3, 300), second(5)
STARTED = replace(ALERTED, start=RUN.stamp)
RAN = replace(STARTED, run=True)
FIRST = "alert 3: attempt 1/3 · app 3"
TWO: Json = {"backoffLimit": 2}
POLICY: Json = {"rules": []}
P3 = attempt(container("app", ended(0, 790, 720)), name="p3", created=710, phase="Succeeded")

OF_PODS = [
    row("success at the third attempt: each is told as soon as the Job counts it",
        [(10, seen(a_job(**TWO), going())),
         (302, seen(a_job(failed=1, **TWO), P1)),
         (320, seen(a_job(failed=1, **TWO), P1, going(name="p2", created=310))),
         (592, seen(a_job(failed=2, **TWO), P1, P2)),
         (800, seen(succeeded(800, failed=2, **TWO), P1, P2, P3))],
        ["run", FIRST, "alert 5: attempt 2/3 · app 5", "complete 0: attempt 3/3 · app 0"], "complete"),
    row("exhausted: the last failure is the verdict itself",
        [(302, seen(a_job(failed=1, backoffLimit=1), P1)),
         (592, seen(a_job(failed=1, backoffLimit=1), P1, P2)),
         (593, seen(a_job(failed=2, backoffLimit=1), P1, P2)),
         (594, seen(a_job(failed=2, backoffLimit=1, conditions=ends("FailureTarget", when=593)), P1, P2)),
         (600, seen(failed(failed=2, backoffLimit=1), P1, P2))],
        ["run", "alert 3: attempt 1/2 · app 3", "fail 5: attempt 2/2 · app 5"], "fail"),
    row("by default none",
        [(302, seen(a_job(failed=1, **TWO), P1)), (600, seen(succeeded(failed=1, **TWO), P1, second()))],
        ["run", "complete 0: attempt 2/3 · app 0"], "complete", mark=MARK),
    row("it is not counted yet, and might be the last", [(302, seen(a_job(**TWO), P1))], ["run"], closed=False),
    row("of two failures the second is not counted yet",
        [(592, seen(a_job(failed=1, **TWO), P1, P2))], ["run", FIRST], closed=False),
    row("it is about to be counted: enough",
        [(302, seen(a_job(**TWO) | {"status": {"uncountedTerminatedPods": {"failed": ["uid-p1"]}}}, P1))],
        ["run", FIRST], closed=False),
    row("its Job is not counted beyond what is left of its limit: the last word",
        [(302, seen(a_job(failed=1, backoffLimit=0), P1))], ["run"], closed=False),
    row("its only attempt fails", [(600, seen(failed(), done(3)))], ["run", "fail 3: attempt 1/1 · app 3"], "fail"),
    row("the controller was away for the whole run: all in their order",
        [(900, seen(succeeded(800, failed=2, **TWO), P1, P2, P3))],
        ["run", FIRST, "alert 5: attempt 2/3 · app 5", "complete 0: attempt 3/3 · app 0"], "complete"),
    row("the controller was away, and it failed for good",
        [(900, seen(failed(failed=2, backoffLimit=1), P1, P2))],
        ["run", "alert 3: attempt 1/2 · app 3", "fail 5: attempt 2/2 · app 5"], "fail"),
    row("the next leader knows from the mark what was told, the pod itself has gone unseen",
        [(592, seen(a_job(failed=2, **TWO), P2)), (816, seen(succeeded(800, failed=2, **TWO), P2, P3))],
        ["alert 5: attempt 2/3 · app 5", "complete 0: attempt 3/3 · app 0"], "complete",
        mark=replace(RAN, attempts=("uid-p1",))),
    row("what is told of a pod that is gone counts as one of the failures",
        [(592, seen(a_job(failed=1, **TWO), P2))], mark=replace(RAN, attempts=("uid-p1",)), closed=False),
    row("once the verdict is owed none is added",
        [(900, seen(failed(failed=2, backoffLimit=1), P1, P2))], ["fail 3: attempt 1/1 · app 3"], "fail",
        mark=replace(RAN, verdict="fail", owed=(FAIL,))),
    row("evicted, then success: no code, and the reason",
        [(302, seen(a_job(failed=1), evicted())), (600, seen(succeeded(failed=1), evicted(), second()))],
        ["run", "alert: attempt 1/7 · app 137 · EvictionByEvictionAPI", "complete 0: attempt 2/7 · app 0"], "complete"),
    row("evicted, and still taking its time: how it ends is waited for",
        [(302, seen(a_job(failed=1), going(deleted=300, conditions=[DISRUPTED])))], ["run"], closed=False),
    row("deleted by hand, then success",
        [(305, seen(a_job(failed=1), by_hand())),
         (320, seen(a_job(failed=1), by_hand(), going(name="p2", created=315))),
         (600, seen(succeeded(failed=1), by_hand(), second()))],
        ["run", "alert: attempt 1/7 · app 143 · pod deleted", "complete 0: attempt 2/7 · app 0"], "complete"),
    row("suspended and resumed: no failed attempt, and a later failure is",
        [(305, seen(a_job(suspend=True), by_hand())), (320, seen(a_job(), by_hand(), going(name="p2", created=315))),
         (592, seen(a_job(failed=1), by_hand(), P2)), (800, seen(succeeded(800, failed=1), by_hand(), P2, P3))],
        ["run", "alert 5: attempt 1/7 · app 5", "complete 0: attempt 2/7 · app 0"], "complete"),
    row("ignored by a podFailurePolicy: the Job does not count it",
        [(320, seen(a_job(podFailurePolicy=POLICY), P1, going(name="p2", created=315))),
         (592, seen(a_job(failed=1, podFailurePolicy=POLICY), P1, P2)),
         (720, seen(a_job(failed=1, podFailurePolicy=POLICY), P1, P2, going(name="p3", created=710))),
         (800, seen(succeeded(800, failed=1, podFailurePolicy=POLICY), P1, P2, P3))],
        ["run", "alert 5: attempt 1/7 · app 5", "complete 0: attempt 2/7 · app 0"], "complete"),
    row("the deadline: the attempt that it ended is the verdict",
        [(302, seen(a_job(failed=1), P1)),
         (612, seen(failed("DeadlineExceeded", failed=2, backoffLimit=6), P1, by_hand("p2", 600)))],
        ["run", "alert 3: attempt 1/7 · app 3", "fail: DeadlineExceeded · attempt 2/7 · app 143"], "fail"),
    row("the Job is deleted: an earlier attempt has failed, the last one has not",
        [(330, seen(a_job(failed=1), P1, going(name="p2", created=315, gone=329), gone=328))],
        ["run", "alert 3: attempt 1/7 · app 3", "fail: Job deleted · attempt 2/7 · app running"], "fail"),
    row("deleted in the foreground: its pod's end is the deletion's",
        [(305, seen(a_job(failed=1, deleted=300), by_hand(deleted=300)))], ["run"], closed=False),
    row("vanished: whether it had ended is not known",
        [(900, seen(a_job(failed=1), replace(P1, gone_at=1.0), replace(P2, gone_at=1.0), gone=890, vanished=True))],
        mark=RAN),
    row("what never started is no attempt",
        [(320, seen(a_job(failed=1), attempt(container("app", waits()), phase="Failed", reason="Evicted"),
                    going(name="p2", created=310))),
         (600, seen(succeeded(failed=1), attempt(container("app", waits()), phase="Failed", reason="Evicted"),
                    second()))],
        ["run", "complete 0: attempt 2/7 · app 0"], "complete"),
    row("what failed before the run began would contradict its start",
        [(400, seen(a_job(failed=1), attempt(container("app", waits()), init=[container("setup", ended(9, 20))],
                                             chosen=("app",), phase="Failed"),
                    attempt(container("app", runs(320)), name="p2", created=310, chosen=("app",))))],
        ["run"], closed=False),
    row("a chosen container has done its part: its pod's failure is none",
        [(320, seen(a_job(failed=1), attempt(container("app", ended(0, 300)), container("helper", ended(1, 300)),
                                             chosen=("app",), phase="Failed")))],
        ["run", "complete 0: attempt 1/7 · app 0"], "complete", closed=False),
]  # fmt: skip


def in_place(code: int, restarts: int, state: Json, at: float = 300, **more: Any) -> Attempt:
    """A pod whose container has failed before its present state."""
    app = container("app", state, last=ended(code, at, 5), restarts=restarts)
    return attempt(app, **{"policy": "OnFailure", **more})


def gone_well(restarts: int) -> Attempt:
    return in_place(4, restarts, ended(0, 590, 310), phase="Succeeded")


AT_ITS_LIMIT = in_place(5, 2, ended(137, 410, 402), 400, deleted=404, gone=411)
EVICTED = in_place(4, 1, ended(137, 510, 301), phase="Failed", reason="Evicted")

IN_PLACE = [
    row("success after two restarts: told before the back-off, and once",
        [(10, seen(a_job(), going(policy="OnFailure"))),
         (301, seen(a_job(), attempt(container("app", ended(3, 300)), policy="OnFailure"))),
         (302, seen(a_job(), in_place(3, 0, waits("CrashLoopBackOff")))),
         (303, seen(a_job(), in_place(3, 0, waits("ContainerCreating")))),
         (304, seen(a_job(), in_place(3, 1, runs(303)))),
         (402, seen(a_job(), in_place(4, 2, runs(401), 400))),
         (600, seen(succeeded(), in_place(4, 2, ended(0, 590, 401), 400, phase="Succeeded")))],
        ["run", "alert 3: attempt 1/7 · app 3", "alert 4: attempt 2/7 · app 4", "complete 0: attempt 3/7 · app 0"],
        "complete"),
    row("at the limit: the last failure is the verdict, told when the Job says so",
        [(304, seen(a_job(backoffLimit=2), in_place(3, 1, runs(303)))),
         (402, seen(a_job(backoffLimit=2), in_place(5, 1, waits("CrashLoopBackOff"), 400))),
         (403, seen(a_job(backoffLimit=2), in_place(5, 2, runs(402), 400))),
         (600, seen(failed(backoffLimit=2), AT_ITS_LIMIT))],
        ["run", "alert 3: attempt 1/3 · app 3", "fail 5: attempt 3/3 · app 5"], "fail"),
    row("a limit of 0 is one of 1: no restart is left to be told",
        [(304, seen(a_job(backoffLimit=0), attempt(container("app", ended(3, 300)), policy="OnFailure")))], ["run"],
        closed=False),
    row("several restarts between two looks: the newest, and none is invented",
        [(402, seen(a_job(), in_place(4, 3, runs(401), 400)))], ["run", "alert 4: attempt 3/7 · app 4"], closed=False),
    row("the controller was away for the whole run: the kubelet shows the newest",
        [(900, seen(succeeded(), gone_well(3)))],
        ["run", "alert 4: attempt 3/7 · app 4", "complete 0: attempt 4/7 · app 0"], "complete"),
    row("the controller was away, and it failed for good",
        [(900, seen(failed(backoffLimit=2), AT_ITS_LIMIT))],
        ["run", "fail 5: attempt 3/3 · app 5"], "fail"),
    row("another leader knows the newest that was told",
        [(402, seen(a_job(), in_place(4, 3, runs(401), 400)))], mark=replace(RAN, attempts=("uid-p1.3",)),
        closed=False),
    row("the helper restarts after 0 of its own: nothing to tell",
        [(402, seen(a_job(), attempt(container("app", runs()), container("helper", runs(401), last=ended(0, 400),
                                                                        restarts=1), policy="OnFailure")))],
        ["run"], closed=False),
    row("only what counts is told",
        [(402, seen(a_job(), attempt(container("app", runs()), container("helper", runs(401), last=ended(1, 400),
                                                                        restarts=1), policy="OnFailure",
                                     chosen=("app",))))], ["run"], closed=False),
    row("evicted: the pod is an attempt as well",
        [(402, seen(a_job(), in_place(4, 1, runs(301)))),
         (520, seen(a_job(failed=1), EVICTED)),
         (600, seen(succeeded(failed=1), EVICTED, second(policy="OnFailure")))],
        ["run", "alert 4: attempt 1/7 · app 4", "alert: attempt 1/7 · app 137 · Evicted",
         "complete 0: attempt 2/7 · app 0"], "complete"),
]  # fmt: skip

CROWD: Json = {"completions": 3, "parallelism": 2}
PER_INDEX: Json = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 0}

OF_CROWDS = [
    row("each pod that failed",
        [(302, seen(a_job(failed=1, **CROWD), P1, going(name="p0"))),
         (600, seen(succeeded(failed=1, **{**CROWD, "succeeded": 3}), P1, done(name="p0"), done(name="p3"),
                    done(name="p4")))],
        ["run", "alert 3: 0/3 succeeded · 1 failed · app 3", "complete 0: 3/3 succeeded · 1 failed · app 0"],
        "complete"),
    row("the failure that ends it is the verdict itself",
        [(302, seen(a_job(failed=1, backoffLimit=0, **CROWD), P1, going(name="p0"))),
         (600, seen(failed(**CROWD), P1, going(name="p0", deleted=310, gone=340)))],
        ["run", "fail 3: 0/3 succeeded · 1 failed · app 3"], "fail"),
    row("an index fails while another goes on",
        [(302, seen(a_job(failed=1, active=1, **PER_INDEX), P1, going(name="p0")))],
        ["run", "alert 3: 0/2 succeeded · 1 failed · app 3"], closed=False),
    row("the last index fails: the Job will say so",
        [(302, seen(a_job(failed=1, succeeded=1, active=0, **PER_INDEX), P1, done(0, 200, name="p0")))],
        ["run"], closed=False),
    row("the controller was away: all but the last to fail",
        [(900, seen(failed("FailedIndexes", failed=2, **PER_INDEX), P1, P2))],
        ["run", "alert 3: 0/2 succeeded · 2 failed · app 3",
         "fail 5: FailedIndexes · 0/2 succeeded · 2 failed · app 5"],
        "fail"),
]  # fmt: skip

LEFT, TOLD = journal(RUN, left=RETRIES), journal(RUN)
FAILED_1, FAILED_2 = done(3, 300, sidecar=LEFT), second(5, sidecar=journal(left=RETRIES), tells=VERDICT)
P2_RUNS = going(name="p2", created=310, sidecar=up(), tells=VERDICT)
P2_IS_DONE = attempt(container("app", ended(0, 590, 320)), name="p2", created=310, sidecar=up(), tells=VERDICT)

WITH_SIDECARS = [
    row("success at the third attempt, told by that one's sidecar",
        [(302, seen(a_job(failed=1, **TWO), FAILED_1)), (592, seen(a_job(failed=2, **TWO), FAILED_1, FAILED_2)),
         (800, seen(succeeded(800, failed=2, **TWO), FAILED_1, FAILED_2, replace(
             P3, tells=frozenset({"complete"}), report=done(sidecar=journal(COMPLETE)).report)))],
        [FIRST, "alert 5: attempt 2/3 · app 5"], "complete"),
    row("exhausted: the last failure is the sidecar's to tell, and once",
        [(302, seen(a_job(failed=1, backoffLimit=1), FAILED_1)),
         (590, seen(a_job(failed=1, backoffLimit=1), FAILED_1, attempt(
             container("app", ended(5, 589, 320)), name="p2", created=310, sidecar=up(), tells=VERDICT))),
         (600, seen(failed(failed=2, backoffLimit=1), FAILED_1, second(5, sidecar=journal(FAIL), tells=VERDICT)))],
        ["alert 3: attempt 1/2 · app 3"], "fail"),
    row("the second one's sidecar may have told complete: too late for the first attempt",
        [(592, seen(a_job(failed=1, **TWO), FAILED_1, P2_IS_DONE)),
         (600, seen(succeeded(failed=1, **TWO), FAILED_1, second(sidecar=journal(COMPLETE), tells=VERDICT)))],
        verdict="complete"),
    row("it could not: what it left goes after the first attempt",
        [(592, seen(a_job(failed=1, **TWO), FAILED_1, P2_IS_DONE)),
         (600, seen(succeeded(failed=1, **TWO), FAILED_1,
                    second(sidecar=journal(pending=(COMPLETE,)), tells=VERDICT)))],
        [FIRST, "complete 0: attempt 1/7 · app 0"], "complete"),
    row("the sidecar had told the verdict while we were away",
        [(900, seen(failed(failed=2, backoffLimit=1), FAILED_1, second(5, sidecar=journal(FAIL), tells=VERDICT)))],
        verdict="fail"),
    row("no network in any pod: all from their journals, in order",
        [(900, seen(failed(failed=2, backoffLimit=1), done(3, 300, sidecar=journal(pending=(RUN,), left=RETRIES)),
                    second(5, sidecar=journal(pending=(FAIL,)), tells=VERDICT)))],
        ["run", "alert 3: attempt 1/2 · app 3", "fail 3: attempt 1/1 · app 3"], "fail"),
    row("the second pod's sidecar is to pass the run's start on: it goes first",
        [(400, seen(a_job(failed=1, **TWO), done(3, 300, sidecar=journal(pending=(RUN,))),
                    going(name="p2", created=310, sidecar=up(), tells=PASSES_ON)))], closed=False),
    row("evicted, then success",
        [(320, seen(a_job(failed=1), evicted(sidecar=TOLD), P2_RUNS)),
         (600, seen(succeeded(failed=1), evicted(sidecar=TOLD), second(sidecar=journal(COMPLETE), tells=VERDICT)))],
        ["alert: attempt 1/7 · app 137 · EvictionByEvictionAPI"], "complete"),
    row("OnFailure: its sidecar has told run, though its journal cannot be read",
        [(304, seen(a_job(), in_place(3, 1, runs(303), sidecar=up()))),
         (600, seen(succeeded(), in_place(3, 1, ended(0, 590, 303), phase="Succeeded",
                                          sidecar=journal(RUN, COMPLETE))))],
        ["alert 3: attempt 1/7 · app 3"], "complete"),
    row("OnFailure: it has had no time to tell it",
        [(9, seen(a_job(), in_place(3, 1, runs(8), 7, sidecar=up())))], closed=False),
    row("OnFailure: its sidecar does not come up",
        [(304, seen(a_job(), in_place(3, 1, runs(303), sidecar=container("cronitor", waits(), native=True))))],
        closed=False),
    row("OnFailure: restarts have reached the limit, the sidecar tells",
        [(304, seen(a_job(**TWO), in_place(3, 2, runs(303), sidecar=up())))], closed=False),
]  # fmt: skip
