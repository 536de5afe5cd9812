"""Holds removals back while it is not known of some CronJob what it wants: what nobody wants may be its monitor."""

import logging
import math
from dataclasses import replace

from webhook.controller.monitor_index import MonitorIndex
from webhook.controller.monitor_plan import Policy, Wanted

SHOWN_CRON_JOBS = 10

log = logging.getLogger(__name__)


class Removals:
    """Stands between an index and who keeps its monitors."""

    def __init__(self, index: MonitorIndex, policy: Policy) -> None:
        self._index = index
        self._policy = policy
        self._unread: list[tuple[str, str]] = []

    def wanted(self) -> list[Wanted]:
        """What is wanted; with it is settled whether anything that is not may be removed."""
        unread = self._index.unread()  # first: one that is read meanwhile may not be in a list taken before
        if unread != self._unread:
            self._unread = unread
            log.warning("removals_held" if unread else "removals_go_on", extra={"cron_jobs": _names(unread)})
        return self._index.wanted()

    def policy(self) -> Policy:
        """The policy, but that nothing has been missing long enough while something could not be read."""
        return replace(self._policy, patience_seconds=math.inf) if self._unread else self._policy

    def detail(self) -> str:
        """For `/readyz`; empty where all is well."""
        unread = self._unread
        return f"no monitor is removed while these CronJobs cannot be read: {_names(unread)}" if unread else ""


def _names(cron_jobs: list[tuple[str, str]]) -> str:
    names = ", ".join(f"{namespace}/{name}" for namespace, name in cron_jobs[:SHOWN_CRON_JOBS])
    more = len(cron_jobs) - SHOWN_CRON_JOBS
    return f"{names} and {more} more" if more > 0 else names
