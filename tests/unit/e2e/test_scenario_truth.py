"""What the views of a Job and its pods come to."""

from typing import Any

from tests.e2e.scenarios.truth import GONE, OPEN, Ran, job_seen, pod_seen

Json = dict[str, Any]


def at(second: int) -> str:
    return f"2026-03-01T12:00:{second:02d}Z"


NOON = 1_772_366_400.0


def view(*statuses: Json, init: tuple[Json, ...] = (), **metadata: Any) -> Json:
    return {
        "metadata": {"name": "p", "uid": "p", "creationTimestamp": at(0), **metadata},
        "spec": {
            "initContainers": [{"name": one["name"]} for one in init],
            "containers": [{"name": one["name"]} for one in statuses],
        },
        "status": {"initContainerStatuses": list(init), "containerStatuses": list(statuses)},
    }


def status(name: str, state: Json, last: Json | None = None, restarts: int = 0) -> Json:
    return {"name": name, "state": state, "lastState": last or {}, "restartCount": restarts}


def runs(since: int) -> Json:
    return {"running": {"startedAt": at(since)}}


def ended(code: int, start: int, end: int) -> Json:
    return {"terminated": {"exitCode": code, "startedAt": at(start), "finishedAt": at(end)}}


def test_a_container_that_starts_and_ends_ran_once() -> None:
    seen = pod_seen([view(status("app", {"waiting": {}})), view(status("app", runs(2))),
                     view(status("app", ended(3, 2, 5)))])  # fmt: skip
    assert seen.ran == (Ran("app", NOON + 2, NOON + 5, 3),)
    assert seen.last(frozenset({"app"})) == [Ran("app", NOON + 2, NOON + 5, 3)]


def test_each_run_of_a_restarted_container_is_kept_though_no_view_tells_all_of_them() -> None:
    seen = pod_seen([
        view(status("app", ended(1, 2, 3))),
        view(status("app", runs(4), ended(1, 2, 3), 1)),
        view(status("app", ended(0, 15, 16), ended(2, 4, 5), 2)),
    ])  # fmt: skip
    assert [(one.code, one.ended) for one in seen.ran] == [(1, NOON + 3), (2, NOON + 5), (0, NOON + 16)]
    assert [one.code for one in seen.last(frozenset({"app"}))] == [0]


def test_an_old_view_takes_nothing_back() -> None:
    seen = pod_seen([view(status("app", ended(0, 2, 5))), view(status("app", runs(2)))])
    assert seen.ran == (Ran("app", NOON + 2, NOON + 5, 0),)


def test_what_never_started_has_no_times() -> None:
    zero = {"terminated": {"exitCode": 137, "startedAt": "0001-01-01T00:00:00Z", "finishedAt": None}}
    assert pod_seen([view(status("app", zero))]).ran == (Ran("app", None, None, 137),)


def test_init_containers_come_first_and_a_pod_knows_its_sidecar_and_its_deletion() -> None:
    last = view(status("app", runs(3)), init=(status("cronitor", runs(1)), status("setup", ended(0, 2, 2))),
                deletionTimestamp=at(40), deletionGracePeriodSeconds=30)  # fmt: skip
    seen = pod_seen([last])
    assert [one.container for one in seen.ran] == ["cronitor", "setup", "app"]
    assert (seen.injected, seen.deleted) == (True, NOON + 10)


def test_a_job_is_what_its_condition_says_until_it_is_gone() -> None:
    condition = {"type": "Failed", "status": "True", "lastTransitionTime": at(9)}
    job = {"metadata": {"uid": "u", "creationTimestamp": at(0)}, "status": {"conditions": [condition]}}
    assert job_seen({"metadata": job["metadata"]}, None, []).outcome == OPEN
    assert (job_seen(job, None, []).outcome, job_seen(job, None, []).decided) == ("Failed", (NOON + 9,))
    gone = job_seen(job, NOON + 20, [])
    assert (gone.outcome, gone.gone, gone.mark) == (GONE, (NOON + 20,), None)
