"""What a plan for the monitors is made of. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from webhook.controller.monitor_records import CronJobReference, Record, fingerprint

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Put:
    """An entry of `PUT /monitors`, and the record of it once Cronitor has taken it.

    `before` is the record that it was planned by. `wanted` is its fingerprint; empty where it only pauses what is no
    longer wanted. `told` is false where its CronJob knows already that it has a monitor. `may_be_paused`: a person may
    have paused it, which is to be looked up first. `pauses_new`: it is paused only where it is not there yet.
    """

    key: str
    body: Body
    record: Record
    before: Record | None = None
    wanted: str = ""
    told: bool = False
    may_be_paused: bool = False
    pauses_new: bool = False

    @property
    def is_new_and_paused(self) -> bool:
        return self.pauses_new and "paused" in self.body

    def without_pause(self) -> "Put":
        """The same for a monitor that somebody else has paused: his pause is not ours to lift one day.

        One that stays as it is because it is there already is still whose it was.
        """
        body = {name: value for name, value in self.body.items() if name != "paused"}
        ours = self.pauses_new and self.before is not None and self.before.may_be_paused_by_us
        return replace(self, body=body, record=replace(self.record, paused=ours), may_be_paused=False)

    def once_looked_up(self, paused: bool | None) -> "Put | Settled":
        """What is to be done where it is paused, is not, or (None) is not there: what is gone is not made again."""
        if self.wanted:
            is_left = paused is not None if self.pauses_new else paused
            return self.without_pause() if is_left else self
        if paused is None:
            return Settled(self.key, None)
        ours = self.before is not None and self.before.may_be_paused_by_us
        return Settled(self.key, replace(self.record, paused=ours)) if paused else self


@dataclass(frozen=True, slots=True)
class Settled:
    """A record that changes with no request; None: it is dropped. `told`: its CronJob is yet to hear of its monitor."""

    key: str
    record: Record | None
    told: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """CronJobs with one key, oldest first; `constellation` is another one when they are others."""

    key: str
    cron_jobs: tuple[CronJobReference, ...]

    @property
    def constellation(self) -> str:
        return fingerprint([cron_job.uid for cron_job in self.cron_jobs])


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. `wanted`: fingerprints by key; `missing`: since when what is to be removed has been; Unix seconds.

    `look_again`: seconds after which there is more to do though nothing changes.
    """

    puts: tuple[Put, ...] = ()
    deletions: tuple[str, ...] = ()
    settled: tuple[Settled, ...] = ()
    shared: tuple[Shared, ...] = ()
    wanted: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    look_again: float | None = None
