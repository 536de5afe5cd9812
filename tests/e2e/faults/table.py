"""The rows that run side by side: no fault here reaches further than its own pod, its own monitor or namespace."""

from tests.e2e.faults import acts, deletions
from tests.e2e.faults.rows import ANY, COMPLETE, EITHER, OUTLIVED, RUN, Heard, Row, by_controller, waits
from tests.e2e.world import Json, container

ONCE = {"backoffLimit": 0}
GRACE = "terminationGracePeriodSeconds"
FAILED = Heard("fail", 7, "attempt 1/1 · app 7")


def talkative(number: int) -> Json:
    """A container with a long name, whose termination message is as long as the kubelet takes."""
    name = f"talkative-container-with-a-name-of-a-good-length-{number:02d}"
    return container(name, "head -c 5000 /dev/zero | tr '\\0' x > /dev/termination-log; sleep 1")


CONTROL = (
    Row("nothing-goes-wrong", acts.ends),
    Row("nothing-goes-wrong-but-the-work", acts.fails, (RUN, FAILED), job=ONCE, ends="Failed"),
)

WATCH = (
    Row("watch-cut", acts.watch_cut_and_again, logged=("watch_broken",)),
    Row("api-away-for-a-minute", acts.api_away_for_a_minute, logged=("failures=6",)),
    Row("api-away-at-the-start", acts.api_away_at_the_start, logged=("watch_broken",)),
    Row(
        "api-away-at-the-end",
        acts.api_away_at_the_end,
        (RUN, by_controller("complete", 0)),
        logged=("left_to_controller",),
    ),
    Row("token-refused", acts.token_refused, logged=("answered 401",), own_namespace=True, controller_away=True),
    Row(
        "secret-a-minute-late",
        acts.secret_late,
        before=acts.secret_gone,
        logged=("watch_broken",),
        own_namespace=True,
        controller_away=True,
    ),
)

CRONITOR = (
    Row("cronitor-refuses", acts.cronitor_refuses, logged=("telling_again",)),
    Row("cronitor-refuses-at-the-end", acts.cronitor_refuses_at_the_end, logged=("telling_again",)),
    Row("cronitor-drops-packets", acts.cronitor_drops_packets, logged=("telling_again",)),
    Row("cronitor-hangs", acts.ends_once_told, before=acts.fails_at("hang", run=1), logged=("telling_again",)),
    Row("cronitor-hangs-as-the-work-ends", acts.ends, before=acts.fails_at("hang", run=1)),
    Row("cronitor-hangs-at-the-end", acts.ends_once_told, before=acts.fails_at("hang", complete=1)),
    Row("cronitor-resets", acts.ends_once_told, before=acts.fails_at("reset", run=2, complete=1),
        logged=("telling_again",)),
    Row("acknowledgements-lost", acts.ends_once_told, before=acts.fails_at("lost", run=1, complete=1), repeats=2),
    Row("cronitor-answers-late", acts.ends, before=acts.fails_at("slow", run=1, complete=1, delay=1.0)),
    Row("cronitor-answers-byte-by-byte", acts.ends, before=acts.fails_at("slow", run=1, complete=1, pace=0.01)),
    Row("cronitor-500", acts.ends_once_told, before=acts.answers(500, run=2, complete=1), logged=("answer=500",)),
    Row("cronitor-503", acts.ends_once_told, before=acts.answers(503, run=2, complete=1), logged=("answer=503",)),
    Row("cronitor-429", acts.ends_once_told, before=acts.answers(429, run=2, complete=1, retry_after="2"),
        logged=("answer=429",)),
    Row("cronitor-400-for-the-message", acts.ends, (RUN, Heard("complete", 0, "")),
        before=acts.answers(400, complete=1), pod=OUTLIVED, logged=("telling_without_message",)),
    *(
        Row(f"cronitor-{status}", acts.ends, (), before=acts.answers(status, run=None, complete=None),
            logged=(f"answer={status} delivery=refused",))
        for status in (400, 403, 404)
    ),
    Row("cronitor-away-at-the-end-and-after", acts.cronitor_away_for_good,
        (RUN, Heard("complete", 0, COMPLETE.message, "controller")), undelivered=("complete",)),
    Row("cronitor-away-for-the-whole-run", acts.cronitor_never_there,
        (Heard("run", teller="controller"), Heard("complete", 0, COMPLETE.message, "controller")),
        undelivered=("run", "complete")),
    Row("first-pod-cut-off-and-no-controller", acts.first_pod_cut_off,
        (RUN, Heard("complete", 0, "attempt 2/7 · app 0")), pods=2, own_namespace=True, controller_away=True),
)  # fmt: skip

NETWORK = (
    Row("no-network", acts.no_network, (by_controller("run"), by_controller("complete", 0))),
    Row("no-network-and-failure", acts.no_network_and_failure, (by_controller("run"), by_controller("fail", 7)),
        job=ONCE, ends="Failed"),
    Row("no-network-at-the-start", acts.no_network_at_the_start),
)  # fmt: skip

KILLED = (
    Row("killed-while-it-starts", acts.killed_at_birth, restarts=1),
    Row("killed-before-run-was-taken", acts.killed_once_asked("run"), before=acts.fails_at("hang", run=1), restarts=1,
        logged=("journal_recovered",)),
    Row("killed-after-an-unacknowledged-run", acts.killed_once_asked("run"), before=acts.fails_at("lost", run=1),
        restarts=1, repeats=1),
    Row("killed-in-mid-run", acts.killed(1), restarts=1, logged=("journal_recovered",)),
    Row("killed-three-times", acts.killed(3), restarts=3, logged=("journal_recovered",)),
    Row("killed-under-on-failure", acts.killed(1), (RUN, Heard("complete", 0, "attempt 2/7 · app 0")), restarts=1,
        pod={"restartPolicy": "OnFailure"}),
    Row("killed-after-the-end", acts.killed_after_the_end, (RUN, by_controller("complete", 0, COMPLETE.message)),
        before=acts.fails_at("hang", complete=2), pod=OUTLIVED, undelivered=("complete",), exits=frozenset({137})),
    Row("killed-with-all-messages-full", acts.killed(1), (RUN, Heard("complete", 0, ANY)),
        containers=(waits(), *map(talkative, range(11))), restarts=1),
)  # fmt: skip

JOURNAL = (
    Row(
        "journal-cannot-be-written",
        acts.journal_read_only,
        logged=("journal_not_written",),
        repeats=2,
        record_lost=True,
    ),
)

# With so little time the kubelet's write may come too late to be seen, or the end while Cronitor's answer is under way.
GRACES = tuple(
    row
    for seconds in (0, 1, 2)
    for row in (
        Row(f"grace-of-{seconds}", acts.ends, (RUN, Heard("complete", 0, COMPLETE.message, EITHER)),
            pod={GRACE: seconds}, undelivered=None, repeats=1, record_lost=True),
        Row(f"grace-of-{seconds}-cronitor-away", acts.cronitor_away_for_good,
            (RUN, Heard("complete", 0, COMPLETE.message, EITHER)), pod={GRACE: seconds}, undelivered=None),
    )
)  # fmt: skip

AGAIN = (RUN, Heard("complete", 0, ANY))
BEGUN_BY_LUCK = (Heard("run", teller=EITHER), Heard("complete", 0, ANY))
DELETED = (
    Row("deleted-before-it-starts", deletions.deleted_when(deletions.scheduled), BEGUN_BY_LUCK, pods=2),
    Row("deleted-with-its-network-made", deletions.deleted_when(deletions.has_network), BEGUN_BY_LUCK, pods=2),
    Row("deleted-while-it-imports", deletions.deleted_when(deletions.imports), BEGUN_BY_LUCK, pods=2),
    Row("deleted-before-the-first-view", deletions.deleted_when(deletions.is_blind), BEGUN_BY_LUCK, pods=2),
    Row("deleted-as-the-work-starts", deletions.deleted_when(deletions.works), BEGUN_BY_LUCK, pods=2),
    Row("deleted-in-mid-run", deletions.deleted_when(deletions.has_told), AGAIN, pods=2),
    Row("deleted-in-mid-send", deletions.deleted_when(deletions.sends),
        BEGUN_BY_LUCK, pods=2),
    Row("deleted-after-the-end", deletions.deleted_after_the_end),
    *(
        Row(f"deleted-in-mid-run-grace-of-{seconds}", deletions.deleted_when(deletions.has_told), AGAIN, pods=2,
            pod={GRACE: seconds}, repeats=int(seconds == 0), record_lost=seconds == 0)
        for seconds in (0, 1, 2)
    ),
    Row("deleted-by-force", deletions.deleted_when(deletions.has_told, gracePeriodSeconds=0), AGAIN, pods=2,
        repeats=1, record_lost=True),
)  # fmt: skip

TABLE = (*CONTROL, *WATCH, *CRONITOR, *NETWORK, *KILLED, *JOURNAL, *GRACES, *DELETED)
