"""podFailurePolicy: which failures count, and which end the Job. A sidecar cannot know, and tells no failure."""

from typing import Any

from tests.chaos.shapes import ATTEMPTS
from tests.e2e.faults.rows import waits
from tests.e2e.scenarios import acts
from tests.e2e.scenarios.crowds import INDEXED, by_index
from tests.e2e.scenarios.retries import by_pods
from tests.e2e.scenarios.shapes import RUN, Shape, completes, fails, with_twins
from tests.e2e.world import Json, container

CODE = 42


def on_code(action: str, name: str = "") -> dict[str, Any]:
    """A rule on the code, of one container where it is named: without a name ours counts too, so none is injected."""
    named = {"containerName": name} if name else {}
    return {
        "podFailurePolicy": {
            "rules": [{"action": action, "onExitCodes": {**named, "operator": "In", "values": [CODE]}}]
        }
    }


def on_disruption(action: str) -> dict[str, Any]:
    rule = {"action": action, "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {"podFailurePolicy": {"rules": [rule]}}


def by_both(name: str) -> tuple[Shape, ...]:
    """`name` as the rule names its container, `''` for every container."""
    word, injected = ("" if name else "-in-any-container"), bool(name)
    failing: Json = container(script=f"exit {CODE}")
    attempts = {"volumes": [ATTEMPTS]}
    return (
        # An ignored failure is no failed attempt: the next pod is the first one again.
        Shape(f"policy-ignores{word}", (RUN, completes()), (by_pods(CODE, "sleep 1"),),
              job={"backoffLimit": 6, **on_code("Ignore", name)}, pod=attempts, injected=injected),
        Shape(f"policy-fails-the-job{word}", (RUN, fails(CODE, f"PodFailurePolicy · attempt 1/7 · app {CODE}")),
              (failing,), job=on_code("FailJob", name), ends="Failed", injected=injected),
        Shape(f"policy-counts{word}", (RUN, fails(CODE, f"attempt 2/2 · app {CODE}")), (failing,),
              job={"backoffLimit": 1, **on_code("Count", name)}, ends="Failed", injected=injected),
        Shape(f"policy-fails-the-index{word}",
              (RUN, fails(CODE, f"FailedIndexes · 1/2 succeeded · 1 failed · failed indexes 1 · app {CODE}")),
              (by_index(_1=f"exit {CODE}"),),
              job={**INDEXED, "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 3,
                   **on_code("FailIndex", name)},
              ends="Failed", injected=False, twin=False),
    )  # fmt: skip


POLICIES = with_twins((
    *by_both("app"),
    *by_both(""),
    # Of another code: it is retried as without a policy.
    Shape("policy-matches-nothing", (RUN, fails(8, "attempt 2/2 · app 8")), (container(script="exit 8"),),
          job={"backoffLimit": 1, **on_code("FailJob", "app")}, ends="Failed", twin=False),
    Shape("policy-ignores-an-eviction", (RUN, completes()), (waits(),), acts.evicted_then_second_pod_ends,
          job=on_disruption("Ignore")),
    Shape("policy-ignores-an-eviction-only", (RUN, fails(8, "attempt 1/1 · app 8")), (container(script="exit 8"),),
          job={"backoffLimit": 0, **on_disruption("Ignore")}, ends="Failed", twin=False),
))  # fmt: skip
