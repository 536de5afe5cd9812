"""Jobs whose pods count on their own. No sidecar can know how such a Job ends: the controller tells them alone."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.scenarios.shapes import RUN, Heard, Shape, completes, fails, luck
from tests.e2e.world import Json, container

INDEXED = {"completionMode": "Indexed"}


def by_index(**scripts: str) -> Json:
    """`_1="exit 6"` is what the pod with index 1 does; all others sleep for a second."""
    cases = " ".join(f"{index.removeprefix('_')}) {script};;" for index, script in scripts.items())
    return container(script=f"case $JOB_COMPLETION_INDEX in {cases} *) sleep 1;; esac")


def crowd(name: str, verdict: Heard, work: Json, job: Mapping[str, Any]) -> Shape:
    ends = "Complete" if verdict.state == "complete" else "Failed"
    return Shape(name, (RUN, verdict), (work,), job=job, ends=ends, injected=False, twin=False)


CROWDS = (
    crowd("parallel", completes("3/3 succeeded · 0 failed · app 0"), container(),
          {"completions": 3, "parallelism": 2}),
    # No number of completions: all end, and one that succeeded is enough.
    crowd("work-queue", completes("2 succeeded · 0 failed · app 0"), container(script="sleep 3"), {"parallelism": 2}),
    crowd("one-after-the-other", completes("2/2 succeeded · 0 failed · app 0"), container(), {"completions": 2}),
    crowd("completions-fail", fails(6, "0/2 succeeded · 1 failed · app 6"), container(script="exit 6"),
          {"completions": 2, "backoffLimit": 0}),
    crowd("indexed", completes("2/2 succeeded · 0 failed · app 0"), by_index(),
          {**INDEXED, "completions": 2, "parallelism": 2}),
    # The others have ended by then: what is killed with the Job counts as failed to Kubernetes.
    crowd("indexed-and-one-fails", fails(6, "1/2 succeeded · 1 failed · app 6"), by_index(_1="sleep 12; exit 6"),
          {**INDEXED, "completions": 2, "parallelism": 2, "backoffLimit": 0}),
    crowd("limit-per-index", fails(6, "FailedIndexes · 2/3 succeeded · 1 failed · failed indexes 1 · app 6"),
          by_index(_1="exit 6"), {**INDEXED, "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 0}),
    crowd("limit-per-index-retried", fails(6, "FailedIndexes · 1/2 succeeded · 2 failed · failed indexes 1 · app 6"),
          by_index(_1="exit 6"), {**INDEXED, "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1}),
    crowd("max-failed-indexes",
          fails(6, "MaxFailedIndexesExceeded · 0/3 succeeded · 1 failed · failed indexes 0 · app 6"),
          by_index(_0="exit 6"), {**INDEXED, "completions": 3, "backoffLimitPerIndex": 0, "maxFailedIndexes": 0}),
    # The pod that is killed then does not count.
    crowd("success-policy", completes("1/2 succeeded · 0 failed · app 0"), by_index(_1="sleep 99"),
          {**INDEXED, "completions": 2, "parallelism": 2, "successPolicy": {"rules": [{"succeededIndexes": "0"}]}}),
    # The one that the policy ends may count as failed, or not: the Job controller's words depend on when it looks.
    crowd("success-policy-after-a-failure",
          completes(luck("1/3 succeeded · [12] failed · failed indexes 1(,2)? · app 0")),
          by_index(_0="sleep 8", _1="exit 6", _2="sleep 99"),
          {**INDEXED, "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 0,
           "successPolicy": {"rules": [{"succeededCount": 1}]}}),
)  # fmt: skip
