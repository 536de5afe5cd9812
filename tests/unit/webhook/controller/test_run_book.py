"""What is remembered of Jobs and pods, in whatever order their changes come, and when it is forgotten."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.webhook import objects
from tests.unit.webhook.controller.histories import (
    COMPLETE,
    MARK,
    RUN,
    Json,
    T,
    a_job,
    a_pod,
    container,
    ended,
    ends,
    journal,
    runs,
    up,
    waits,
)  # fmt: skip
from tests.unit.webhook.objects import JOB_UID, NAMESPACE, owned_by
from webhook import run_mark, workloads
from webhook.clients.informer import DELETED, VANISHED, key_of
from webhook.controller.run_book import KEEP_GONE_SECONDS, RunBook
from webhook.run_mark import RunMark

NAME = "backup-1"
NOTHING: frozenset[str] = frozenset()


class Feed:
    """An informer's cache and handlers; the test is the watch."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Json] = {}
        self._handlers: list[Callable[[str, Json], None]] = []

    def on_change(self, handler: Callable[[str, Json], None]) -> None:
        self._handlers.append(handler)

    def get(self, namespace: str, name: str) -> Json | None:
        return self._objects.get((namespace, name))

    def keep(self, found: Json) -> None:
        """A change of nothing that is told to handlers."""
        self._objects[key_of(found)] = found

    def tell(self, kind: str, found: Json) -> None:
        if kind in (DELETED, VANISHED):
            self._objects.pop(key_of(found), None)
        else:
            self.keep(found)
        for handler in self._handlers:
            handler(kind, found)


class Scene:
    def __init__(self) -> None:
        self.jobs, self.pods = Feed(), Feed()
        self.now = T + 100
        self.includes = True
        jobs: Any = self.jobs
        pods: Any = self.pods
        self.book = RunBook(jobs, pods, frozenset({"istio-proxy"}), self.open_run, clock=lambda: self.now)

    def open_run(self, job: Json) -> RunMark | None:
        return None if not self.includes or workloads.is_finished(job) else replace(MARK, job=job["metadata"]["uid"])

    def job(self, kind: str = "MODIFIED", **given: Any) -> None:
        self.jobs.tell(kind, a_job(**given))

    def pod(self, *regular: Json, kind: str = "MODIFIED", **given: Any) -> None:
        self.pods.tell(kind, a_pod(*(regular or (container("app", runs()),)), **given))

    @property
    def names(self) -> list[str]:
        return self.book.named(NAMESPACE, NAME)

    def attempts(self, uid: str = JOB_UID) -> list[str]:
        found = self.book.seen(uid, NOTHING)
        return [attempt.name for attempt in found.attempts] if found else []


@pytest.fixture
def scene() -> Scene:
    return Scene()


def marked(mark: RunMark = MARK) -> dict[str, str]:
    return {run_mark.ANNOTATION: run_mark.write(mark)}


def test_a_job_and_its_pods_are_one_run(scene: Scene) -> None:
    scene.job("ADDED")
    scene.pod(kind="ADDED")
    found = scene.book.seen(JOB_UID, NOTHING)
    assert found is not None
    assert (found.job, found.gone_at, found.vanished) == (a_job(), None, False)
    assert [attempt.name for attempt in found.attempts] == ["p1"]
    assert (scene.names, scene.book.names()) == ([JOB_UID], [(NAMESPACE, NAME)])


def test_a_pod_may_be_seen_before_its_job(scene: Scene) -> None:
    scene.pod(kind="ADDED")
    assert (scene.names, scene.book.seen(JOB_UID, NOTHING)) == ([], None)
    scene.job("ADDED")
    assert scene.attempts() == ["p1"]


def test_pods_stand_in_the_order_in_which_they_were_made(scene: Scene) -> None:
    scene.job()
    for name, created in (("p-late", 90), ("p-b", 20), ("p-a", 20)):
        scene.pod(name=name, created=created)
    assert scene.attempts() == ["p-a", "p-b", "p-late"]


def test_pods_of_no_job_and_of_other_jobs_leave_nothing_behind(scene: Scene) -> None:
    bare = a_pod(container("app", runs()))
    bare["metadata"]["ownerReferences"] = [owned_by("ReplicaSet", "web", "uid", "apps/v1")]
    foreign = a_pod(container("app", runs()))
    foreign["metadata"]["ownerReferences"] = [owned_by("Job", "else", "other")]
    for found in (bare, foreign):
        scene.pods.tell("ADDED", found)
        scene.pods.tell(DELETED, found)
    assert scene.book._entries == {}


# --- opening ---------------------------------------------------------------------------------------------------------


def test_a_run_is_opened_at_first_sight_and_remembered_when_it_has_ended(scene: Scene) -> None:
    scene.job("ADDED")
    scene.job(succeeded=1, conditions=ends("Complete"))
    entry = scene.book.entry(JOB_UID)
    assert entry is not None
    assert entry.mark == MARK


def test_what_is_first_seen_finished_or_is_not_included_is_no_run(scene: Scene) -> None:
    scene.job("ADDED", conditions=ends("Complete"))
    entry = scene.book.entry(JOB_UID)
    assert entry is not None
    assert entry.mark is None
    scene.job(DELETED, conditions=ends("Complete"))
    assert (scene.names, scene.book._entries) == ([], {})


def test_what_becomes_a_run_later_is_one_when_that_is_considered(scene: Scene) -> None:
    scene.includes = False
    scene.job("ADDED")
    scene.includes = True
    entry = scene.book.entry(JOB_UID)
    assert entry is not None
    assert entry.mark is None
    scene.book.consider(NAMESPACE, "another")
    assert entry.mark is None
    scene.book.consider(NAMESPACE, NAME)
    assert entry.mark == MARK


def test_the_mark_on_the_job_counts_once_it_is_there(scene: Scene) -> None:
    scene.job("ADDED")
    theirs = replace(MARK, key="theirs", run=True)
    scene.job(annotations=marked(theirs))
    entry = scene.book.entry(JOB_UID)
    assert entry is not None
    assert (entry.mark, entry.opened) == (theirs, None)


def test_the_mark_of_another_job_is_none(scene: Scene) -> None:
    scene.job("ADDED", annotations=marked(replace(MARK, job="another", verdict="complete")))
    entry = scene.book.entry(JOB_UID)
    assert entry is not None
    assert entry.mark == MARK


# --- gone ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "vanished"), [(DELETED, False), (VANISHED, True)])
def test_a_job_that_is_gone_is_remembered_while_its_run_is_open(scene: Scene, kind: str, vanished: bool) -> None:
    scene.job("ADDED")
    scene.pod()
    scene.job(kind)
    scene.now += 5
    scene.pod(kind=kind)
    found = scene.book.seen(JOB_UID, NOTHING)
    assert found is not None
    assert (found.gone_at, found.vanished) == (T + 100, vanished)
    assert [attempt.gone_at for attempt in found.attempts] == [T + 105]
    assert scene.names == [JOB_UID]


def test_jobs_that_are_gone_come_first(scene: Scene) -> None:
    for name in ("a", "b", "c"):
        scene.job(name=name, uid=name)
    scene.job(DELETED, name="b", uid="b")
    assert scene.book.names() == [(NAMESPACE, "b"), (NAMESPACE, "a"), (NAMESPACE, "c")]


def test_a_key_is_open_until_cronitor_has_taken_the_last_word_of_its_runs(scene: Scene) -> None:
    scene.job()
    assert scene.book.open_keys() == {MARK.key}
    scene.job(annotations=marked(replace(MARK, run=True)))
    assert scene.book.open_keys() == {MARK.key}, "its sidecar tells the rest"
    scene.job(annotations=marked(replace(MARK, run=True, verdict="complete", owed=(COMPLETE,))))
    assert scene.book.open_keys() == {MARK.key}
    scene.book.acknowledge(JOB_UID, COMPLETE)
    assert scene.book.open_keys() == frozenset()
    scene.job(annotations=marked(replace(MARK, run=True, verdict="complete")))
    assert scene.book.open_keys() == frozenset()


def test_a_key_is_open_though_its_job_is_gone_until_the_run_is_closed(scene: Scene) -> None:
    scene.job()
    scene.job(kind=DELETED)
    assert scene.book.open_keys() == {MARK.key}
    scene.book.close(JOB_UID)
    assert scene.book.open_keys() == frozenset()


def test_what_a_pod_showed_last_is_remembered_with_its_journal(scene: Scene) -> None:
    scene.job(annotations=marked())
    scene.pod(container("app", runs()), sidecar=up())
    last = {"sidecar": journal(RUN, COMPLETE), "phase": "Succeeded"}
    scene.pod(container("app", ended()), kind=DELETED, **last)
    found = scene.book.seen(JOB_UID, NOTHING)
    assert found is not None
    assert found.attempts[0].report.told == (RUN, COMPLETE)


def test_an_earlier_end_that_the_kubelet_tells_no_more_is_remembered(scene: Scene) -> None:
    scene.job(annotations=marked())
    scene.pod(container("app", ended(5, 100)), policy="OnFailure")
    scene.pod(container("app", runs(110), restarts=1), policy="OnFailure")
    scene.pod(container("app", ended(0, 590, 110), restarts=1), policy="OnFailure", phase="Succeeded")
    found = scene.book.seen(JOB_UID, NOTHING)
    assert found is not None
    (app,) = found.attempts[0].containers
    assert app.last is not None
    assert (app.last.code, app.last.at) == (5, T + 100)


def test_a_closed_run_forgets_what_is_gone_and_keeps_what_is_there(scene: Scene) -> None:
    scene.job(annotations=marked(replace(MARK, verdict="complete")))
    scene.pod(name="p1", kind=DELETED)
    scene.pod(name="p2", created=9)
    assert scene.attempts() == ["p1", "p2"]
    scene.book.close(JOB_UID)
    assert scene.attempts() == ["p2"]
    scene.job(DELETED, annotations=marked(replace(MARK, verdict="complete")))
    scene.book.close(JOB_UID)
    assert (scene.names, scene.book.names()) == ([], [])
    scene.pod(name="p2", created=9, kind=DELETED)
    assert scene.book._entries == {}


def test_a_job_made_anew_under_the_same_name_is_another_run(scene: Scene) -> None:
    scene.job("ADDED")
    scene.job(DELETED)
    scene.job("ADDED", uid="newer")
    assert scene.names == sorted([JOB_UID, "newer"])
    scene.book.close(JOB_UID)
    assert scene.names == ["newer"]
    assert scene.book.entry("newer") is not None


def test_who_does_not_lead_forgets_what_is_long_gone(scene: Scene) -> None:
    scene.job("ADDED", annotations=marked())
    scene.job(DELETED, annotations=marked())
    scene.now += KEEP_GONE_SECONDS + 1
    scene.job("ADDED", uid="newer")
    scene.job(DELETED, uid="newer")
    assert scene.names == ["newer"]


def test_a_job_whose_pod_is_still_there_is_not_forgotten(scene: Scene) -> None:
    scene.job("ADDED")
    scene.pod(deleted=100, grace=3600)
    scene.job(DELETED)
    scene.now += KEEP_GONE_SECONDS + 1
    scene.job("ADDED", uid="newer")
    scene.job(DELETED, uid="newer")
    assert scene.names == sorted([JOB_UID, "newer"])


def test_what_is_still_owed_is_not_forgotten(scene: Scene) -> None:
    scene.job("ADDED")
    scene.job(DELETED)
    entry = scene.book.entry(JOB_UID)
    assert entry is not None
    entry.opened = MARK.owing(RUN)
    scene.now += KEEP_GONE_SECONDS + 1
    scene.job("ADDED", uid="newer")
    scene.job(DELETED, uid="newer")
    assert JOB_UID in scene.names


# --- seen ------------------------------------------------------------------------------------------------------------


def test_the_jobs_newest_version_is_given_though_its_change_was_told_to_nobody(scene: Scene) -> None:
    first, later = a_job(), a_job()
    first["metadata"]["resourceVersion"], later["metadata"]["resourceVersion"] = "1", "2"
    scene.jobs.tell("ADDED", first)
    scene.jobs.keep(later)
    found = scene.book.seen(JOB_UID, NOTHING)
    assert found is not None
    assert found.job["metadata"]["resourceVersion"] == "2"
    another = a_job(uid="newer")
    scene.jobs.keep(another)
    found = scene.book.seen(JOB_UID, NOTHING)
    assert found is not None
    assert found.job == first


def test_since_when_a_container_waits_is_remembered_until_it_does_not(scene: Scene) -> None:
    scene.job()

    def waiting_since() -> dict[tuple[str, str], float]:
        found = scene.book.seen(JOB_UID, NOTHING)
        assert found is not None
        return dict(found.waiting_since)

    scene.pod(container("app", waits("ErrImagePull")), phase="Pending")
    scene.now += 30  # nobody asks before: a replica that does not lead sees it all the same
    scene.pod(container("app", waits("ImagePullBackOff")), phase="Pending")
    assert waiting_since() == {("uid-p1", "app"): T + 100}
    scene.pod(container("app", runs(130)))
    assert waiting_since() == {}
    scene.pod(container("app", waits("CreateContainerError")))
    assert waiting_since() == {("uid-p1", "app"): T + 130}
    scene.now += 5
    scene.pod(container("app", waits("CreateContainerError")), container("helper", waits("ErrImagePull")))
    assert waiting_since() == {("uid-p1", "app"): T + 130, ("uid-p1", "helper"): T + 135}
    scene.pod(container("app", waits("CreateContainerError")), kind="DELETED")
    assert waiting_since() == {}
    found = scene.book.seen(JOB_UID, NOTHING)
    assert found is not None
    assert found.waited == {"uid-p1": 30}


def test_a_pod_that_is_orphaned_is_still_its_runs(scene: Scene) -> None:
    scene.job()
    scene.pod(container("app", runs()))
    orphan = a_pod(container("app", ended(0)), phase="Succeeded")
    orphan["metadata"]["ownerReferences"] = []
    scene.pods.tell("MODIFIED", orphan)
    found = scene.book.seen(JOB_UID, NOTHING)
    assert found is not None
    assert [one.phase for one in found.attempts] == ["Succeeded"]
    stranger = a_pod(container("app", runs()), name="stranger")
    stranger["metadata"]["ownerReferences"] = []
    scene.pods.tell("ADDED", stranger)
    assert len(scene.book.seen(JOB_UID, NOTHING).attempts) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"])
def test_since_when_it_is_seen_how_the_job_ends_is_remembered(scene: Scene, kind: str) -> None:
    def decided_seen_at() -> float | None:
        found = scene.book.seen(JOB_UID, NOTHING)
        assert found is not None
        return found.decided_seen_at

    scene.job()
    assert decided_seen_at() is None
    scene.now += 700
    scene.job(conditions=ends(kind, when=600))
    scene.now += 5  # nobody asks before: a replica that does not lead sees it all the same
    assert decided_seen_at() == T + 800
    scene.now += 5
    scene.job(conditions=ends(kind, when=600))
    assert decided_seen_at() == T + 800


def test_what_is_chosen_and_ignored_decides_what_counts(scene: Scene) -> None:
    scene.job()
    scene.pod(container("app", runs()), container("helper", runs()), container("istio-proxy", runs()))
    for chosen, expected in ((NOTHING, ["app", "helper"]), (frozenset({"helper"}), ["helper"])):
        found = scene.book.seen(JOB_UID, chosen)
        assert found is not None
        assert [one.name for one in found.attempts[0].watched] == expected


def test_what_cronitor_took_is_remembered_of_a_run_that_is_known(scene: Scene) -> None:
    scene.book.acknowledge(JOB_UID, RUN)
    scene.job()
    scene.book.acknowledge(JOB_UID, RUN)
    entry = scene.book.entry(JOB_UID)
    assert entry is not None
    assert entry.acknowledged == {RUN}
    assert objects.JOB_UID in scene.names
