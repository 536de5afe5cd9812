"""Who is injected, who is not and why, and who speaks: the lists of the design, row by row."""

from typing import Any

import pytest

from tests.unit.webhook.objects import CREATED_AT, cron_job, ended, job, pod
from webhook import run_mark
from webhook.admission.decide import INJECTED_LABEL, Owners, Reason, is_injected, tells, why_not
from webhook.annotations import Options
from webhook.run_mark import RunMark
from webhook.telemetry import Event, State

INCLUDED = Options(include=True)
MARK = RunMark("uid", "shop/backup")
POLICY_OF_ANY_CONTAINER = {
    "rules": [{"action": "Ignore", "onPodConditions": []}, {"action": "FailJob", "onExitCodes": {"values": [42]}}]
}
POLICY_OF_ONE_CONTAINER = {"rules": [{"action": "FailJob", "onExitCodes": {"containerName": "app", "values": [42]}}]}


def reason(
    a_pod: dict[str, Any] | None = None,
    a_job: dict[str, Any] | None = None,
    options: Options = INCLUDED,
    mark: RunMark | None = None,
    **more: bool,
) -> Reason | None:
    settings = {"provisioned": True, "enabled": True} | more
    return why_not(a_pod or pod(), Owners(a_job or job(), cron_job()), options, mark, **settings)


def test_a_pod_of_an_included_cron_job_is_injected() -> None:
    assert reason() is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(), Reason.NOT_INCLUDED),
        (Options(include=False), Reason.NOT_INCLUDED),
        (Options(include=True, exclude=True), Reason.EXCLUDED),
        (Options(exclude=True), Reason.EXCLUDED),
        (Options(include=True, exclude=False), None),
        (Options(inject=True), Reason.NOT_INCLUDED),
    ],
)
def test_who_is_not_included_is_left_alone(options: Options, expected: Reason | None) -> None:
    assert reason(options=options) is expected


@pytest.mark.parametrize("options", [Options(), Options(exclude=True), Options(include=False)])
def test_an_open_run_stays_included_whatever_was_edited_since(options: Options) -> None:
    assert reason(options=options, mark=MARK) is None


def test_an_open_run_is_injected_although_its_cron_job_has_gone() -> None:
    settings = {"provisioned": True, "enabled": True}
    assert why_not(pod(), Owners(job(), None), Options(), MARK, **settings) is None


def wants_nodes(*terms: list[dict[str, Any]], how: str = "required") -> dict[str, Any]:
    """A pod that goes only to nodes that fit one of these terms, or would rather."""
    if how == "required":
        selected = {"nodeSelectorTerms": [{"matchExpressions": rules} for rules in terms]}
        affinity: dict[str, Any] = {"requiredDuringSchedulingIgnoredDuringExecution": selected}
    else:
        preferred = [{"weight": 1, "preference": {"matchExpressions": rules}} for rules in terms]
        affinity = {"preferredDuringSchedulingIgnoredDuringExecution": preferred}
    return pod(affinity={"nodeAffinity": affinity})


def rule(key: str, *values: str, operator: str = "In") -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


OS, OLD_OS, BUILD = "kubernetes.io/os", "beta.kubernetes.io/os", "node.kubernetes.io/windows-build"
ON_WINDOWS = [rule(OS, "windows")]
WINDOWS: list[tuple[str, dict[str, Any]]] = [
    ("its os", pod(os={"name": "windows"})),
    ("a node selector", pod(nodeSelector={OS: "windows"})),
    ("a node selector among others", pod(nodeSelector={"disk": "ssd", OS: "windows"})),
    ("a node selector of old", pod(nodeSelector={OLD_OS: "windows"})),
    ("a node selector by build", pod(nodeSelector={BUILD: "10.0.20348"})),
    ("its affinity", wants_nodes(ON_WINDOWS)),
    ("its affinity of old", wants_nodes([rule(OLD_OS, "windows")])),
    ("its affinity by build", wants_nodes([rule(BUILD, "10.0.20348", "10.0.17763")])),
    ("its affinity among other rules", wants_nodes([rule("disk", "ssd"), *ON_WINDOWS])),
    ("each of its terms", wants_nodes(ON_WINDOWS, [rule(BUILD, "10.0.20348")])),
    ("the options of the pod", pod(securityContext={"windowsOptions": {"runAsUserName": "x"}})),
    ("the options of a container",
     pod(containers=[{"name": "a"}, {"name": "b", "securityContext": {"windowsOptions": {"hostProcess": True}}}])),
]  # fmt: skip
NOT_WINDOWS: list[tuple[str, dict[str, Any]]] = [
    ("its os", pod(os={"name": "linux"})),
    ("a node selector", pod(nodeSelector={OS: "linux", "windows": "true"})),
    ("its affinity", wants_nodes([rule(OS, "linux")])),
    ("either will do", wants_nodes([rule(OS, "linux", "windows")])),
    ("one of its terms", wants_nodes(ON_WINDOWS, [rule(OS, "linux")])),
    ("anything but", wants_nodes([rule(OS, "windows", operator="NotIn")])),
    ("it would rather", wants_nodes(ON_WINDOWS, how="preferred")),
    ("no terms", wants_nodes()),
    ("empty options", pod(securityContext={"windowsOptions": {}})),
    ("nothing said", pod(os=None, nodeSelector=None, affinity=None, securityContext=None)),
]


@pytest.mark.parametrize("a_pod", [row[1] for row in WINDOWS], ids=[row[0] for row in WINDOWS])
@pytest.mark.parametrize("inject", [None, True])
def test_a_pod_for_windows_is_left_alone_however_it_says_so(a_pod: dict[str, Any], inject: bool | None) -> None:
    assert reason(a_pod, options=Options(include=True, inject=inject)) is Reason.WINDOWS


@pytest.mark.parametrize("a_pod", [row[1] for row in NOT_WINDOWS], ids=[row[0] for row in NOT_WINDOWS])
def test_a_pod_that_may_run_elsewhere_is_injected(a_pod: dict[str, Any]) -> None:
    assert reason(a_pod) is None


FIRM: list[tuple[str, dict[str, Any], Reason]] = [
    ("injection is disabled", {"enabled": False}, Reason.DISABLED),
    ("the namespace is not provisioned", {"provisioned": False}, Reason.NOT_PROVISIONED),
    ("several pods at once", {"a_job": job(parallelism=2)}, Reason.CROWD),
    ("several completions", {"a_job": job(completions=3)}, Reason.CROWD),
    ("a limit per index", {"a_job": job(backoffLimitPerIndex=1)}, Reason.CROWD),
    ("an init container of our name", {"a_pod": pod(initContainers=[{"name": "cronitor"}])}, Reason.NAME_TAKEN),
    ("a container of our name", {"a_pod": pod(containers=[{"name": "cronitor"}])}, Reason.NAME_TAKEN),
    ("a volume of our name", {"a_pod": pod(volumes=[{"name": "cronitor", "emptyDir": {}}])}, Reason.NAME_TAKEN),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in FIRM], ids=[row[0] for row in FIRM])
@pytest.mark.parametrize("inject", [None, True])
def test_what_is_never_injected_whatever_the_annotation_says(
    given: dict[str, Any], expected: Reason, inject: bool | None
) -> None:
    assert reason(**given, options=Options(include=True, inject=inject)) is expected


ON_FAILURE = pod(restartPolicy="OnFailure")
BY_DEFAULT: list[tuple[str, dict[str, Any], Reason | None]] = [
    ("Job's deadline 10", {"a_job": job(activeDeadlineSeconds=10)}, Reason.SHORT_DEADLINE),
    ("Job's deadline 299", {"a_job": job(activeDeadlineSeconds=299)}, Reason.SHORT_DEADLINE),
    ("Job's deadline 300", {"a_job": job(activeDeadlineSeconds=300)}, None),
    ("pod's deadline 299", {"a_pod": pod(activeDeadlineSeconds=299)}, Reason.SHORT_DEADLINE),
    ("pod's deadline 300", {"a_pod": pod(activeDeadlineSeconds=300)}, None),
    ("the shorter deadline counts",
     {"a_pod": pod(activeDeadlineSeconds=60), "a_job": job(activeDeadlineSeconds=600)}, Reason.SHORT_DEADLINE),
    ("OnFailure, limit 0", {"a_pod": ON_FAILURE, "a_job": job(backoffLimit=0)}, Reason.RESTART_LIMIT),
    ("OnFailure, limit 1", {"a_pod": ON_FAILURE, "a_job": job(backoffLimit=1)}, Reason.RESTART_LIMIT),
    ("OnFailure, limit 2", {"a_pod": ON_FAILURE, "a_job": job(backoffLimit=2)}, None),
    ("OnFailure, default limit", {"a_pod": ON_FAILURE}, None),
    ("Never, limit 0", {"a_job": job(backoffLimit=0)}, None),
    ("exit codes of any container", {"a_job": job(podFailurePolicy=POLICY_OF_ANY_CONTAINER)}, Reason.EXIT_CODE_POLICY),
    ("exit codes of one container", {"a_job": job(podFailurePolicy=POLICY_OF_ONE_CONTAINER)}, None),
    ("a policy without exit codes", {"a_job": job(podFailurePolicy={"rules": [{"onPodConditions": [{}]}]})}, None),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in BY_DEFAULT], ids=[row[0] for row in BY_DEFAULT])
def test_what_is_not_injected_by_default_but_where_the_annotation_asks_for_it(
    given: dict[str, Any], expected: Reason | None
) -> None:
    assert reason(**given) is expected
    assert reason(**given, options=Options(include=True, inject=True)) is None


def test_inject_false_opts_out_of_the_sidecar_alone() -> None:
    assert reason(options=Options(include=True, inject=False)) is Reason.OPTED_OUT
    assert reason(options=Options(inject=False), mark=MARK) is Reason.OPTED_OUT


@pytest.mark.parametrize(
    ("what", "a_job", "mark", "expected"),
    [
        ("first pod, no mark yet", job(), None, "run complete fail"),
        ("first pod, run opened", job(), MARK, "run complete fail"),
        ("failed unset", job(status={"failed": None}), MARK, "run complete fail"),
        ("failed 0", job(status={"failed": 0}), MARK, "run complete fail"),
        ("an earlier pod started", job(), RunMark("k", "n", start=5.0), "earlier-run complete fail"),
        ("an earlier pod started, and that was told", job(), RunMark("k", "n", start=5.0, run=True), "complete fail"),
        ("an earlier pod failed", job(status={"failed": 1}), MARK, "earlier-run complete fail"),
        ("an earlier pod failed, not counted yet",
         job(status={"uncountedTerminatedPods": {"failed": ["x"]}}), MARK, "earlier-run complete fail"),
        ("an earlier pod has failed, but that is not written yet",
         job(status={"active": 1}), MARK, "earlier-run complete fail"),
        ("an earlier pod failed, no mark", job(status={"failed": 1}), None, "earlier-run complete fail"),
        ("policy", job(podFailurePolicy=POLICY_OF_ONE_CONTAINER), MARK, "run complete"),
        ("policy, started", job(podFailurePolicy=POLICY_OF_ONE_CONTAINER), RunMark("k", "n", start=5.0),
         "earlier-run complete"),
        ("policy, failed", job(podFailurePolicy=POLICY_OF_ONE_CONTAINER, status={"failed": 1}), MARK,
         "earlier-run complete"),
        ("policy, told", job(podFailurePolicy=POLICY_OF_ONE_CONTAINER), RunMark("k", "n", start=5.0, run=True),
         "complete"),
        ("resumed, no mark", job(status={"conditions": [{"type": "Suspended", "status": "False"}]}), None, ""),
        ("resumed, nothing seen to start",
         job(status={"conditions": [{"type": "Suspended", "status": "False"}]}), MARK, ""),
        ("resumed, started before",
         job(status={"conditions": [{"type": "Suspended", "status": "False"}]}), RunMark("k", "n", start=5.0),
         "earlier-run complete fail"),
        ("verdict in the mark", job(), RunMark("k", "n", verdict="complete"), ""),
        ("the run is still owed", job(), RunMark("k", "n", start=5.0, run=True, owed=(Event(State.RUN, 5.0),)), ""),
        ("verdict in the mark, started", job(), RunMark("k", "n", start=5.0, verdict="fail"), ""),
    ],
)  # fmt: skip
def test_who_speaks(what: str, a_job: dict[str, Any], mark: RunMark | None, expected: str) -> None:
    assert tells(a_job, mark, CREATED_AT) == frozenset(expected.split()), what


@pytest.mark.parametrize(
    ("labels", "init", "expected"),
    [
        ({INJECTED_LABEL: "true"}, [{"name": "cronitor"}], True),
        ({INJECTED_LABEL: "true"}, [{"name": "other"}, {"name": "cronitor"}], True),
        ({INJECTED_LABEL: "true"}, [], False),
        ({INJECTED_LABEL: "true"}, None, False),
        ({}, [{"name": "cronitor"}], False),
        (None, [{"name": "cronitor"}], False),
        ({INJECTED_LABEL: "false"}, [{"name": "cronitor"}], False),
    ],
)
def test_a_pod_is_injected_if_it_has_both_container_and_label(
    labels: dict[str, str] | None, init: list[dict[str, Any]] | None, expected: bool
) -> None:
    assert is_injected(pod(metadata={"labels": labels}, initContainers=init)) is expected


@pytest.mark.parametrize(
    ("age", "mark", "expected"),
    [
        (0, MARK, "run complete fail"),
        (9, MARK, "run complete fail"),
        (10, MARK, "run earlier-run complete fail"),
        (10, None, "run earlier-run complete fail"),
        (10, RunMark("k", "n", start=5.0), "earlier-run complete fail"),
        (10, RunMark("k", "n", start=5.0, run=True), "complete fail"),
        (10, RunMark("k", "n", verdict="complete"), ""),
    ],
)
def test_a_pod_so_late_after_its_job_may_follow_another_that_the_job_does_not_count(
    age: int, mark: RunMark | None, expected: str
) -> None:
    made = job()
    made["metadata"]["creationTimestamp"] = "2026-03-01T12:00:00Z"
    assert tells(made, mark, CREATED_AT + age) == frozenset(expected.split())


def test_the_copied_manifest_of_a_finished_job_is_a_new_run() -> None:
    told = RunMark("k", "n", start=1.0, verdict="complete", job="the-original")
    copied = job(annotations={run_mark.ANNOTATION: run_mark.write(told)})
    assert tells(copied, run_mark.of_job(copied), CREATED_AT) == frozenset({"run", "complete", "fail"})


def test_a_finished_job_is_told_by_nobody_twice() -> None:
    assert tells(job(status=ended()), RunMark("k", "n", start=1.0, verdict="complete"), CREATED_AT) == frozenset()
