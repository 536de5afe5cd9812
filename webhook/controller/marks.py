"""Which Jobs are runs, what their mark says at first, and when it may be written. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook import workloads
from webhook.annotations import AlertOn, Options, included
from webhook.monitor_identity import identify
from webhook.run_mark import RunMark

Json = Mapping[str, Any]


LATE_SECONDS = 15.0
"""So late a leader may come to see what has happened, when its watch has to be opened again."""


@dataclass(frozen=True, slots=True)
class Absence:
    """The time of which no earlier leader has noted everything, until we began to lead. Unix seconds.

    `since` is up to when it had (None: nobody led), `first` when the first one began.
    """

    since: float | None = None
    until: float = 0.0
    first: float | None = None

    def covers(self, moment: float | None) -> bool:
        """Whether what happened then may be ours to tell."""
        return self.since is not None and moment is not None and self.since <= moment <= self.until

    def covers_end(self, ended: float | None) -> bool:
        """The same of a Job that has no mark, by its own word on when it ended: whole seconds, cut off.

        What an earlier leader came to see late has no mark either.
        """
        if self.since is None or ended is None:
            return False
        since = max(self.since - LATE_SECONDS, self.first or 0.0)
        return int(since) <= ended <= self.until


def of_run(job: Json, cron_job: Json, options: Options, *, cluster_name: str = "") -> RunMark | None:
    """The mark of a new run; None where the CronJob is not included. `options` are those of all levels."""
    if not included(options):
        return None
    metadata = cron_job["metadata"]
    identity = identify(metadata["namespace"], metadata["name"], metadata["uid"], options, cluster_name=cluster_name)
    return RunMark(
        identity.key,
        identity.name,
        identity.env,
        options.alert_on or AlertOn.RUN,
        containers=options.containers or (),
        job=job["metadata"]["uid"],
        logs_complete=identity.logs_complete,
    )


def may_be_written(job: Json) -> bool:
    """Not before the Job controller's first word on the Job: a write of ours just then would make that write fail, and
    it tries again a second later."""
    return bool((job.get("status") or {}).get("startTime")) or workloads.condition(job, "Suspended") is not None
