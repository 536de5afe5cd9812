"""Decides whether a pod is injected, and what its sidecar is to tell. Pure.

Why a pod goes without is a closed set of reasons (`Reason`): each is counted and logged, none is an error to the API
server. The limits stand in docs/adr: a native sidecar makes a pod's end 2-3 s later, which some Jobs cannot bear.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from webhook import exemption, workloads
from webhook.annotations import Options, included
from webhook.run_mark import RunMark
from webhook.telemetry import State

Json = Mapping[str, Any]

CONTAINER = "cronitor"
INJECTED_LABEL = "k8s.cronitor.io/injected"
SHORTEST_DEADLINE_SECONDS = 300
LEAST_RESTART_LIMIT = 2
SECOND_POD_SECONDS = 10.0
"""At least so long the Job controller waits after a failure (job_controller.go, DefaultJobPodFailureBackOff)."""
EARLIER_RUN = "earlier-run"
"""Beside the states of `telemetry.State`, what a sidecar may be asked to tell."""


class Reason(Enum):
    """Why a pod was not injected."""

    NOT_A_NEW_POD = "not_a_new_pod"
    UNREADABLE_REVIEW = "unreadable_review"
    ALREADY_INJECTED = "already_injected"
    NO_JOB = "no_job_owner"
    JOB_NOT_FOUND = "job_not_found"
    NO_CRON_JOB = "no_cronjob_owner"
    CRON_JOB_NOT_FOUND = "cronjob_not_found"
    OWNERS_LATE = "owners_not_read_in_time"
    NOT_INCLUDED = "not_included"
    EXCLUDED = "excluded"
    DISABLED = "injection_disabled"
    NOT_PROVISIONED = "namespace_not_provisioned"
    WINDOWS = "windows"
    CROWD = "crowd_job"
    OPTED_OUT = "opted_out"
    SHORT_DEADLINE = "short_deadline"
    RESTART_LIMIT = "restart_limit"
    EXIT_CODE_POLICY = "exit_code_policy"
    NAME_TAKEN = "name_taken"
    LIMIT_RANGE = "limit_range"
    EXEMPT = "exempt"
    BREAKER_OPEN = "breaker_open"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Skipped:
    reason: Reason


@dataclass(frozen=True, slots=True)
class Owners:
    """The chain above a pod. `cron_job` is None where it has gone while its run is still open."""

    job: Json
    cron_job: Json | None


def why_not(
    pod: Json,
    owners: Owners,
    options: Options,
    mark: RunMark | None,
    *,
    provisioned: bool,
    enabled: bool,
) -> Reason | None:
    """The reason to leave the pod as it is, or None. `options` are those of all levels.

    An open run (`mark`) stays included whatever was edited since.
    """
    if mark is None and not included(options):
        return Reason.EXCLUDED if options.exclude else Reason.NOT_INCLUDED
    if not enabled:
        return Reason.DISABLED
    if not provisioned:
        return Reason.NOT_PROVISIONED
    if _is_windows(pod):
        return Reason.WINDOWS
    if workloads.is_crowd(owners.job):
        return Reason.CROWD
    if options.inject is False:
        return Reason.OPTED_OUT
    if not options.inject and (harm := _could_be_hurt(pod, owners.job)):
        return harm
    if _name_taken(pod):
        return Reason.NAME_TAKEN
    return Reason.EXEMPT if exemption.of_job(owners.job) is not None else None


def tells(job: Json, mark: RunMark | None, now: float) -> frozenset[str]:
    """Which states the sidecar of this Job's next pod may tell; what is missing is the controller's to tell.

    `now` is Unix seconds: a pod has no time of its own yet when admission is asked (apiserver, handlers/create.go).

    `EARLIER_RUN`: it passes on the `run` of an earlier pod whose sidecar could not deliver it; beside `run`:
    its own start is the run's if there is no earlier pod.
    """
    known = (mark is not None and mark.start is not None) or workloads.failed_pods(job) > 0
    # The Job controller counts a pod once it has made it, and a failure after it has made the next one.
    has_begun = known or workloads.active_pods(job) > 0
    suspended = workloads.condition(job, "Suspended") is not None
    if mark is not None and (mark.verdict or any(event.state is State.RUN for event in mark.owed)):
        return frozenset()  # told already; or the controller has yet to tell the `run`, which must come first
    if suspended and not known:
        return frozenset()  # an earlier pod may have started unseen
    verdict = {"complete"} if job["spec"].get("podFailurePolicy") else {"complete", "fail"}
    if has_begun:
        return frozenset(verdict if mark is not None and mark.run else {EARLIER_RUN, *verdict})
    return frozenset({"run", *({EARLIER_RUN} if _may_follow_another(job, now) else ()), *verdict})


def _may_follow_another(job: Json, now: float) -> bool:
    """Whether the Job is so old that the Job controller, kept from writing its status, may have lost a pod before."""
    made = workloads.epoch(job["metadata"].get("creationTimestamp"))
    return made is not None and now - made >= SECOND_POD_SECONDS


def is_injected(pod: Json) -> bool:
    """Whether an earlier call has put our container into this pod."""
    return any(container.get("name") == CONTAINER for container in _containers(pod, "initContainers")) and (
        (pod["metadata"].get("labels") or {}).get(INJECTED_LABEL) == "true"
    )


def _is_windows(pod: Json) -> bool:
    """Whether the pod can only run on Windows, where our image cannot: by any of the ways to say so."""
    spec = pod["spec"]
    contexts = [spec.get("securityContext"), *(c.get("securityContext") for c in _containers(pod, "containers"))]
    return (
        (spec.get("os") or {}).get("name") == "windows"
        or any(_wants_windows(key, [value]) for key, value in (spec.get("nodeSelector") or {}).items())
        or _has_windows_affinity(spec)
        or any((context or {}).get("windowsOptions") for context in contexts)
    )


def _has_windows_affinity(spec: Json) -> bool:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    return bool(terms) and all(
        any(
            rule.get("operator") == "In" and _wants_windows(rule.get("key", ""), rule.get("values") or [])
            for rule in term.get("matchExpressions") or ()
        )
        for term in terms
    )


def _wants_windows(key: str, values: list[str]) -> bool:
    if key == "node.kubernetes.io/windows-build":
        return True
    return key in ("kubernetes.io/os", "beta.kubernetes.io/os") and values == ["windows"]


def _could_be_hurt(pod: Json, job: Json) -> Reason | None:
    """The reason why a native sidecar could harm this Job; `inject: "true"` says that it may."""
    spec = job["spec"]
    deadlines = (spec.get("activeDeadlineSeconds"), pod["spec"].get("activeDeadlineSeconds"))
    if any(deadline is not None and deadline < SHORTEST_DEADLINE_SECONDS for deadline in deadlines):
        return Reason.SHORT_DEADLINE
    if pod["spec"].get("restartPolicy") == "OnFailure" and workloads.backoff_limit(job) < LEAST_RESTART_LIMIT:
        return Reason.RESTART_LIMIT
    rules = (spec.get("podFailurePolicy") or {}).get("rules") or ()
    if any(rule.get("onExitCodes") and not rule["onExitCodes"].get("containerName") for rule in rules):
        return Reason.EXIT_CODE_POLICY
    return None


def _name_taken(pod: Json) -> bool:
    names = [c.get("name") for c in (*_containers(pod, "initContainers"), *_containers(pod, "containers"))]
    return CONTAINER in names or CONTAINER in [v.get("name") for v in pod["spec"].get("volumes") or ()]


def _containers(pod: Json, key: str) -> list[Json]:
    return pod["spec"].get(key) or []
