"""Pods that end by themselves, in the first attempt: the exit codes of their containers are all there is to tell."""

from tests.e2e.scenarios.shapes import ONCE, RUN, SUCCEEDS, Shape, begins, completes, fails, luck, with_twins
from tests.e2e.world import Json, container

FIRST = "attempt 1/7 · "
LAST = "attempt 1/1 · "
HEAVY = "dd if=/dev/zero of=/dev/null bs=64M count=1"


def native(script: str) -> dict[str, list[Json]]:
    """A native sidecar of the user's own."""
    return {"initContainers": [container("mesh", script, restartPolicy="Always")]}


def leaves_with(code: int) -> str:
    return f"trap 'exit {code}' TERM; sleep 999 & wait"


ENDINGS = with_twins((
    Shape("succeeds"),
    Shape("exits-at-once", containers=(container(script="exit 0"),)),
    Shape("fails", (RUN, fails(3, LAST + "app 3")), (container(script="sleep 1; exit 3"),), job=ONCE, ends="Failed"),
    Shape("fails-at-once", (RUN, fails(3, LAST + "app 3")), (container(script="exit 3"),), job=ONCE, ends="Failed",
          twin=False),
    Shape("one-of-two-is-slow", (RUN, completes(FIRST + "app 0 · helper 0")),
          (container(), container("helper", "sleep 5"))),
    Shape("one-of-two-fails", (RUN, fails(4, LAST + "app 0 · helper 4")),
          (container(script="sleep 5"), container("helper", "sleep 1; exit 4")), job=ONCE, ends="Failed"),
    # The code is that of the one which failed first, the stamp that of the one which ended last.
    Shape("two-of-three-fail", (RUN, fails(5, LAST + "app 2 · second 5 · third 0")),
          (container(script="sleep 12; exit 2"), container("second", "exit 5"), container("third", "sleep 14")),
          job=ONCE, ends="Failed"),
    Shape("init-succeeds", (RUN, completes(FIRST + "setup 0 · app 0")),
          pod={"initContainers": [container("setup", "sleep 1")]}),
    Shape("init-fails", (RUN, fails(9, LAST + "setup 9 · app PodInitializing")),
          job=ONCE, pod={"initContainers": [container("setup", "exit 9")]}, ends="Failed"),
    Shape("second-init-fails", (RUN, fails(8, LAST + "setup 0 · more 8 · app PodInitializing")),
          job=ONCE, pod={"initContainers": [container("setup", "exit 0"), container("more", "exit 8")]}, ends="Failed",
          twin=False),
    *(Shape(f"native-sidecar-leaves-with-{code}", pod=native(leaves_with(code)), twin=code == 137)
      for code in (0, 143, 137)),
    Shape("native-sidecar-leaves-with-1-and-the-work-fails", (RUN, fails(3, LAST + "app 3")),
          (container(script="sleep 1; exit 3"),), job=ONCE, pod=native(leaves_with(1)), ends="Failed",
          twin=False),
    # It is restarted for ever, which is nobody's failure.
    Shape("native-sidecar-crashes", containers=(container(script="sleep 8"),), pod=native("sleep 3; exit 1")),
    # Now and then containerd is late with its word on it: then nobody has been told.
    Shape("killed-by-memory", (RUN, fails(137, luck(LAST + "app 137( OOMKilled)?"))),
          (container(script=HEAVY, resources={"limits": {"memory": "16Mi"}}),), job=ONCE, ends="Failed"),
    Shape("indexed-of-one", job={"completions": 1, "completionMode": "Indexed"}, twin=False),
    Shape("manual", (begins("manual"), completes("manual · " + FIRST + "app 0")), manual=True),
    Shape("gone-at-once", SUCCEEDS, job={"ttlSecondsAfterFinished": 0}, ends="gone"),
    Shape("gone-at-once-and-failed", (RUN, fails(3, LAST + "app 3")), (container(script="sleep 1; exit 3"),),
          job={**ONCE, "ttlSecondsAfterFinished": 0}, ends="gone"),
    Shape("kept-by-no-history", SUCCEEDS, cron={"successfulJobsHistoryLimit": 0}, ends="gone"),
))  # fmt: skip
