"""The monitor that a CronJob wants in Cronitor. Pure.

Only what is wanted now is among its attributes. What Cronitor is not told keeps its value there: a person's own, or
what we put last time. The latter is for the planner to take back, by `resets`.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from webhook import annotations
from webhook.annotation_values import clean, cut_tag
from webhook.annotations import Options, Problem
from webhook.controller import schedules
from webhook.controller.monitor import Monitor
from webhook.monitor_identity import identify

Json = Mapping[str, Any]

RESETS: Mapping[str, Any] = {
    "schedule": None,
    "timezone": None,
    "grace_seconds": 60,
    "failure_tolerance": None,
    "schedule_tolerance": None,
    "realert_interval": None,
    "assertions": [],
    "notify": ["default"],
    "group": None,
    "note": None,
}
"""What Cronitor gives a monitor that says nothing of an attribute. The others are always wanted."""

_ZONE = re.compile(r"[0-9A-Za-z_+-]+(/[0-9A-Za-z_+-]+)*")


@dataclass(frozen=True, slots=True)
class MonitorDefaults:
    """What the chart says of every monitor, and no annotation does; empty for none."""

    cluster_name: str = ""
    default_timezone: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """The monitor, and what was written for it without effect: annotations of all levels, unknown keys, the spec."""

    monitor: Monitor
    problems: tuple[Problem, ...] = ()


def desired(cron_job: Json, options: Options, defaults: MonitorDefaults) -> Desired:
    """The monitor of an included CronJob. `options` are those of all levels."""
    metadata, spec = cron_job["metadata"], cron_job["spec"]
    identity = identify(
        metadata["namespace"], metadata["name"], metadata["uid"], options, cluster_name=defaults.cluster_name
    )
    times, complaints = _times(spec, defaults)
    attributes = {
        "type": "job",
        "key": identity.key,
        "name": identity.name,
        "platform": "kubernetes",
        "tags": _tags(metadata["namespace"], options, defaults),
        "metadata": _metadata(spec),
        **times,
        **_chosen(options),
    }
    problems = (*options.problems, *annotations.unknown(metadata.get("annotations")), *complaints)
    return Desired(Monitor(identity.key, attributes, suspended=bool(spec.get("suspend"))), problems)


def resets(put: Collection[str], wanted: Json) -> dict[str, Any]:
    """The values that take back the attributes that were put last time and are not wanted any more."""
    return {name: value for name, value in RESETS.items() if name in put and name not in wanted}


def _times(spec: Json, defaults: MonitorDefaults) -> tuple[dict[str, Any], list[Problem]]:
    """Schedule and timezone: one that cannot be read is left out, since with it nothing of the monitor would be put."""
    text, zone = str(spec.get("schedule") or ""), str(spec.get("timeZone") or "")
    schedule = schedules.read(text)
    wanted: dict[str, Any] = {}
    complaints: list[Problem] = []
    if schedule.text:
        wanted["schedule"] = schedule.text
    else:
        complaints.append(_of_spec("schedule", text, "it is no schedule of Kubernetes"))
    timezone = zone or schedule.timezone
    if timezone and not _ZONE.fullmatch(timezone):
        complaints.append(_of_spec("timeZone" if zone else "schedule", timezone, "it is no time zone"))
        timezone = ""
    if timezone := timezone or defaults.default_timezone:
        wanted["timezone"] = timezone
    return wanted, complaints


def _of_spec(name: str, value: str, reason: str) -> Problem:
    return Problem(f"spec.{name}", clean(value), reason, prefix="")


def _tags(namespace: str, options: Options, defaults: MonitorDefaults) -> list[str]:
    ours = ["kubernetes", f"kubernetes-namespace:{namespace}"]
    if defaults.cluster_name:
        ours.append(f"kubernetes-cluster:{defaults.cluster_name}")
    trimmed = (tag.strip() for tag in (*ours, *options.tags))
    return list(dict.fromkeys(cut_tag(tag) for tag in trimmed if tag))


def _metadata(spec: Json) -> str:
    """As the agent writes it: what is there, as texts."""
    names = ("concurrencyPolicy", "startingDeadlineSeconds")
    found = {name: str(spec[name]) for name in names if spec.get(name) not in (None, "")}
    return json.dumps(found, separators=(",", ":"))


def _chosen(options: Options) -> dict[str, Any]:
    """What only annotations and the chart's defaults say. An empty text or list is as good as none."""
    assertions = [f"metric.duration {condition}" for condition in options.duration_assertions or ()]
    texts = {
        "realert_interval": options.realert_interval,
        "assertions": assertions,
        "notify": list(options.notify or ()),
        "group": options.group,
        "note": options.note,
    }
    numbers = {
        "grace_seconds": options.grace_seconds,
        "failure_tolerance": options.failure_tolerance,
        "schedule_tolerance": options.schedule_tolerance,
    }
    return {name: text for name, text in texts.items() if text} | {
        name: number for name, number in numbers.items() if number is not None
    }
