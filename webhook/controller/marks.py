"""Which Jobs are runs, what their mark says at first, and when it may be written. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook import workloads
from webhook.annotations import Options, included
from webhook.monitor_identity import identify
from webhook.run_mark import RunMark

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Defaults:
    """The chart's `config`."""

    include: bool
    environment: str


@dataclass(frozen=True, slots=True)
class Absence:
    """From the last renewal of the Lease by whoever led before (None: nobody did) until we began to lead."""

    since: float | None = None
    until: float = 0.0

    def covers(self, moment: float | None) -> bool:
        """Kubernetes tells when a Job ended in whole seconds, cut off."""
        return self.since is not None and moment is not None and int(self.since) <= moment <= self.until


def of_run(job: Json, cron_job: Json, options: Options, defaults: Defaults) -> RunMark | None:
    """The mark of a new run; None where the CronJob is not included."""
    if not included(options, by_default=defaults.include):
        return None
    metadata = cron_job["metadata"]
    identity = identify(
        metadata["namespace"], metadata["name"], metadata["uid"], options, default_env=defaults.environment
    )
    return RunMark(
        identity.key,
        identity.name,
        identity.env,
        options.alert_on,
        containers=options.containers,
        job=job["metadata"]["uid"],
    )


def may_be_written(job: Json) -> bool:
    """Not before the Job controller's first word on the Job: a write of ours just then would make that write fail, and
    it tries again a second later."""
    return bool((job.get("status") or {}).get("startTime")) or workloads.condition(job, "Suspended") is not None
