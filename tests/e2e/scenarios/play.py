"""One shape as it runs on the cluster: its CronJob, its Jobs, and the words in which things are done to them."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tests.cronitor.runs import RunEvent
from tests.e2e.faults.scene import PATIENCE_SECONDS, Scene
from tests.e2e.scenarios.judge import Expected
from tests.e2e.scenarios.shapes import PREFIX, Heard, Shape
from tests.e2e.scenarios.truth import JobSeen, job_seen
from tests.e2e.world import Json, eventually, outcome
from webhook import run_mark
from webhook.clients.kube import JSON_PATCH
from webhook.workloads import INSTANTIATE, finished_at, true_condition

INJECTION_LABEL = f"{PREFIX}injection"
CLOSED_SECONDS = 60.0
"""Between the last event and the mark that says so: another leader may have to come first."""
LONGEST_LAG_SECONDS = 10.0
"""How far one watch of a busy controller may be behind another."""


@dataclass(slots=True)
class Play(Scene):
    """`others` are the plays of the CronJob's further Jobs, in their order."""

    shape: Shape = field(kw_only=True)
    others: list["Play"] = field(default_factory=list, kw_only=True)

    def begin(self) -> None:
        self.cron_job = self.world.create(self.shape.manifest, self.namespace)
        self.shape.before(self)
        self.job = self._scheduled(1) if self.shape.is_scheduled else self._make(1)

    def again(self) -> "Play":
        """The CronJob's next Job: the one that its schedule makes, else a new one."""
        number = len(self.others) + 2
        job = self._scheduled(number) if self.shape.is_scheduled else self._make(number)
        self.others.append(replace(self, job=job, others=[]))
        return self.others[-1]

    def _make(self, number: int) -> Json:
        manual = {INSTANTIATE: "manual"} if self.shape.manual else None
        return self.world.run_now(self.cron_job, f"{self.shape.name}-{number}", manual)

    def _scheduled(self, number: int) -> Json:
        what = f"Job {number} of {self.shape.name} by its schedule"
        found = self.watcher.wait_for(lambda: self._made[number - 1 : number], what, PATIENCE_SECONDS)
        return found[0]

    @property
    def _made(self) -> list[Json]:
        return self.watcher.jobs_of(self.cron_job)

    # --- what must be, and what is ---------------------------------------------------------------------------------

    @property
    def all(self) -> list["Play"]:
        """One for each Job that was made."""
        return [self, *self.others]

    def expected(self) -> list[Expected]:
        """What must be heard of each Job."""
        shape = self.shape
        first = (shape.injected, shape.injected if shape.injected_later is None else shape.injected_later)
        later = [self._expected(one.heard, one.ends, (one.injected, one.injected), one.key) for one in shape.later]
        return [self._expected(shape.heard, shape.ends, first), *later]

    def _expected(
        self, heard: tuple[Heard, ...], ends: str, injected: tuple[bool | None, bool | None], key: str = ""
    ) -> Expected:
        monitor = self.own_key(key) if key else self.monitor
        shape = self.shape
        return Expected(monitor, heard, ends, shape.counting, shape.is_crowd, injected, shape.violates)

    def seen(self) -> JobSeen:
        """What really happened to this Job."""
        pods = [self.watcher.views_of(pod) for pod in self.pods]
        return job_seen(self.watcher.job(self.job), self.watcher.gone_at(self.job), pods)

    def own_key(self, word: str) -> str:
        """A key of its own for the monitor of this shape."""
        return f"{self.namespace}-{self.shape.name}-{word}"

    @property
    def monitors(self) -> frozenset[str]:
        """All that may be told of this CronJob is told to one of these."""
        return frozenset({self.monitor, *(self.own_key(one.key) for one in self.shape.later if one.key)})

    def unanswered(self, first: RunEvent, _again: RunEvent) -> str:
        """Why the sidecar that told the first did not know that it was taken, by its own log; empty where it did."""
        told = {one.number: one for one in self.cronitor.requests()}[first.number]
        if "sidecar" not in told.headers.get("User-Agent", ""):
            return ""
        play = next(one for one in self.all if one.series == told.series)
        lines = [line for number in range(len(play.pods)) for line in play.sidecar_log(number + 1)]
        tries = [line for line in lines if "event=telling_again" in line and f"state={first.state}" in line]
        if any(not re.search(r"answer=(\d|\"no telemetry)", line) for line in tries):
            return "the sidecar had no answer to the first"
        if any("event=leaving" in line and "pending=0" not in line for line in lines):
            return "the sidecar's time was up before the answer"
        return ""

    # --- waiting ---------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Every Job and pod has ended or is gone, as much has been heard as must be, and the marks are closed."""
        for one, expected in zip(self.all, self.expected(), strict=False):
            one._settled(len(expected.heard))

    def _settled(self, events: int) -> None:
        what = f"the end of Job {self.job['metadata']['name']}"
        self.watcher.wait_for(self._is_over, what, self.shape.patience_seconds)
        self.cronitor.account.recording.wait_for(lambda: self._heard >= events, PATIENCE_SECONDS)
        if events:
            with suppress(AssertionError):  # the judge says what is wrong with it
                self.watcher.wait_for(lambda: self._is_closed, "a closed mark", CLOSED_SECONDS)

    def _is_over(self) -> bool:
        ended = self.watcher.is_gone(self.job) or bool(outcome(self.watcher.job(self.job)))
        return ended and all(
            self.watcher.is_gone(pod) or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            for pod in self.pods
        )

    @property
    def _heard(self) -> int:
        run = self.run()
        return len(run.states) if run else 0

    @property
    def _is_closed(self) -> bool:
        mark = run_mark.of_job(self.watcher.job(self.job))
        return self.watcher.is_gone(self.job) or (mark is not None and bool(mark.verdict) and not mark.owed)

    def marked(self) -> None:
        """The mark knows of the first start, so that no later pod tells it again."""

        def known() -> bool:
            mark = run_mark.of_job(self.watcher.job(self.job))
            return mark is not None and mark.start is not None

        self.watcher.wait_for(known, f"the start in the mark of {self.shape.name}", PATIENCE_SECONDS)

    def begun(self) -> None:
        """Its start is told, and known to whoever comes next."""
        self.told()
        self.marked()

    def has(self, condition: str) -> None:
        """The Job has this condition, and it holds."""
        what = f"{condition} of {self.shape.name}"
        self.watcher.wait_for(lambda: true_condition(self.watcher.job(self.job), condition), what, PATIENCE_SECONDS)

    def ended(self) -> None:
        """The Job has ended, whatever is heard of it."""
        what = f"the end of {self.shape.name}"
        self.watcher.wait_for(lambda: outcome(self.watcher.job(self.job)), what, PATIENCE_SECONDS)

    def ended_long_ago(self) -> None:
        """So long that no watch is so far behind as not to tell it before what is done next."""
        self.ended()
        finished = finished_at(self.watcher.job(self.job)) or 0.0
        self.eventually(lambda: time.time() > finished + LONGEST_LAG_SECONDS, "an end long past")

    def warned(self, reason: str) -> None:
        """There is an Event with this reason on the CronJob."""
        selector = f"involvedObject.name={self.shape.name},reason={reason}"
        self.eventually(lambda: bool(self.world.all("Event", self.namespace, fieldSelector=selector)), reason)

    def provisioned(self) -> None:
        """Pods of the namespace may be injected from now on."""
        self.eventually(lambda: self.world.provisioned(self.namespace), "its namespace provisioned")

    def eventually(self, look: Callable[[], bool], what: str) -> None:
        """For what no watch tells."""
        eventually(look, f"{what}, for {self.shape.name}", PATIENCE_SECONDS, pause=0.5)

    # --- doing -----------------------------------------------------------------------------------------------------

    def delete(self, propagation: str = "Background") -> None:
        """The Job, as `kubectl delete --cascade` does."""
        self.world.delete("Job", self.namespace, self.job["metadata"]["name"], propagationPolicy=propagation)

    def evict(self) -> None:
        """The first pod, by the eviction API, as `kubectl drain` does."""
        name = self.pod()["metadata"]["name"]
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": self.namespace, "name": name},
        }
        self.world.kube.create(f"/api/v1/namespaces/{self.namespace}/pods/{name}/eviction", eviction)

    def suspend(self, on: bool) -> None:
        self.world.patch("Job", self.namespace, self.job["metadata"]["name"], {"spec": {"suspend": on}})

    def raise_limit(self, retries: int) -> None:
        self.world.patch("Job", self.namespace, self.job["metadata"]["name"], {"spec": {"backoffLimit": retries}})

    def suspend_schedule(self) -> None:
        self.world.patch("CronJob", self.namespace, self.shape.name, {"spec": {"suspend": True}})

    def annotate(self, **annotations: str) -> None:
        """The CronJob, by the keys without their prefix."""
        full = {f"{PREFIX}{key}": value for key, value in annotations.items()}
        self.world.patch("CronJob", self.namespace, self.shape.name, {"metadata": {"annotations": full}})

    def label(self, on: bool) -> None:
        """The namespace, for injection."""
        labels = {INJECTION_LABEL: "enabled" if on else None}
        self.world.patch("Namespace", "", self.namespace, {"metadata": {"labels": labels}})

    def give_image(self, image: str) -> None:
        """Another image for the pod's first container, as a person would who made a typing error."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.pod()['metadata']['name']}"
        self.world.kube.patch(path, [{"op": "replace", "path": "/spec/containers/0/image", "value": image}], JSON_PATCH)
