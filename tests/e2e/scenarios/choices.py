"""What a person chooses by annotations and labels, before, between and in the middle of runs."""

from tests.e2e.faults.rows import waits
from tests.e2e.scenarios import acts
from tests.e2e.scenarios.shapes import (
    IGNORED,
    ONCE,
    PREFIX,
    RUN,
    SHORT_GRACE,
    SUCCEEDS,
    Later,
    Shape,
    When,
    completes,
    fails,
    with_twins,
)
from tests.e2e.world import container

APP_ALONE = {f"{PREFIX}containers": "app"}
NOT_INCLUDED = {f"{PREFIX}include": "false"}
EXCLUDED = {f"{PREFIX}exclude": "true"}

COUNTING = with_twins((
    # The stamp is that of the work's end, not of the pod's.
    Shape("chosen-container", SUCCEEDS, (container(), container("helper", "sleep 6")), annotations=APP_ALONE,
          watched=("app",)),
    Shape("chosen-container-fails", (RUN, fails(3, "attempt 1/1 · app 3")),
          (container(script="exit 3"), container("helper", "sleep 6")), job=ONCE, annotations=APP_ALONE,
          watched=("app",), ends="Failed"),
    # What is chosen has done its part, and no correction follows.
    Shape("what-is-not-chosen-fails", (RUN, completes("attempt 1/1 · app 0")),
          (container(), container("helper", "sleep 4; exit 1")), job=ONCE, annotations=APP_ALONE, watched=("app",),
          ends="Failed"),
    Shape("endless-proxy", SUCCEEDS, (container(), container(IGNORED, "sleep 999")), acts.complete_then_deleted,
          pod=SHORT_GRACE, ends="gone"),
    Shape("endless-proxy-and-no-retries", (RUN, fails(3, "attempt 1/1 · app 3")),
          (container(script="exit 3"), container(IGNORED, "sleep 999")), acts.deleted_once_stuck, job=ONCE,
          pod=SHORT_GRACE, ends="gone"),
    # The next pod would come once this one has ended.
    Shape("endless-proxy-and-retries",
          (RUN, fails(3, f"attempt 1/7 · app 3: no retry while {IGNORED} runs", When.UNSCHEDULED)),
          (container(script="exit 3"), container(IGNORED, "sleep 999")), acts.deleted_once_stuck, pod=SHORT_GRACE,
          ends="gone"),
))  # fmt: skip

LEFT_OUT = (
    Shape("excluded", (), annotations=EXCLUDED, injected=False, twin=False),
    Shape("not-included", (), annotations=NOT_INCLUDED, injected=False, twin=False),
    Shape("namespace-not-labelled", (), injected=False, own_namespace=True, labelled=False, twin=False),
)

EDITED = with_twins((
    Shape("key-edited-between-runs", act=acts.key_edited_between_runs, later=(Later(key="edited"),)),
    # The series that has begun goes on under its old key, in the next pod as well.
    Shape("key-edited-between-attempts", (RUN, completes("attempt 2/7 · app 0")), (waits(),),
          acts.key_edited_between_attempts),
    Shape("excluded-in-mid-run", SUCCEEDS, (waits(),), acts.excluded_in_mid_run),
    Shape("unlabelled-in-mid-run", SUCCEEDS, (waits(),), acts.unlabelled_in_mid_run, own_namespace=True),
))  # fmt: skip

# Their first pods were made before anybody wanted them: only the controller can tell these.
LATE = (
    Shape("included-in-mid-run", SUCCEEDS, (waits(),), acts.included_in_mid_run, annotations=NOT_INCLUDED,
          injected=False, twin=False),
    Shape("included-after-the-end", (), act=acts.included_after_the_end, annotations=NOT_INCLUDED,
          injected=False, later=(Later(),), twin=False, led=True),
    Shape("labelled-in-mid-run", SUCCEEDS, (waits(),), acts.labelled_in_mid_run, injected=False,
          own_namespace=True, labelled=False, twin=False),
    Shape("labelled-after-the-end", (), act=acts.labelled_after_the_end, injected=False, later=(Later(),),
          own_namespace=True, labelled=False, twin=False, led=True),
)  # fmt: skip

CHOICES = (*COUNTING, *LEFT_OUT, *EDITED, *LATE)
