"""Jobs that are deleted, replaced or skipped before they have ended."""

from tests.e2e.faults.rows import waits
from tests.e2e.scenarios import acts
from tests.e2e.scenarios.endings import leaves_with
from tests.e2e.scenarios.shapes import ONCE, RUN, SHORT_GRACE, SUCCEEDS, Later, Shape, When, fails, luck, with_twins
from tests.e2e.world import container

EVERY_MINUTE = {"schedule": "* * * * *"}
# What the pod shows of its end depends on what goes first, the Job or the pod.
DELETED = fails(None, luck(r"Job deleted · attempt 1/7 · app (running|143|137)"), When.END, When.GONE)
DELETED_ONCE = fails(None, luck(r"Job deleted · attempt 1/1 · app (running|143|137)"), When.END, When.GONE)
DELETED_WELL = fails(None, luck(r"Job deleted · attempt 1/7 · app (running|0)"), When.END, When.GONE)

REMOVALS = with_twins((
    *(Shape(f"deleted-in-the-{propagation.lower()}", (RUN, DELETED), (waits(),), acts.deleted_in_mid_run(propagation),
            ends="gone") for propagation in ("Background", "Foreground")),
    # In the foreground its pods go first: Kubernetes then has it fail for want of retries, or calls it complete.
    Shape("deleted-in-the-foreground-with-no-retries", (RUN, DELETED_ONCE), (waits(),),
          acts.deleted_in_mid_run("Foreground"), job=ONCE, ends="gone"),
    Shape("deleted-in-the-foreground-and-exits-0", (RUN, DELETED_WELL), (container(script=leaves_with(0)),),
          acts.deleted_in_mid_run("Foreground"), ends="gone"),
    Shape("deleted-and-does-not-hear", (RUN, DELETED), (container(script="sleep 99"),),
          acts.deleted_in_mid_run("Background"), pod=SHORT_GRACE, ends="gone", twin=False),
    Shape("replaced", (RUN, DELETED), (waits(),), acts.replaced_by_the_schedule,
          cron={**EVERY_MINUTE, "concurrencyPolicy": "Replace"}, ends="gone", later=(Later(),)),
    Shape("skipped", SUCCEEDS, (waits(),), acts.skipped_by_the_schedule,
          cron={**EVERY_MINUTE, "concurrencyPolicy": "Forbid"}, twin=False),
))  # fmt: skip
