"""The annotations that a person writes, as a table: the code, the warnings and docs/annotations.md go by it. Pure.

All stand under `k8s.cronitor.io/`. Keys, old names and Go's booleans are those of Cronitor's own agent, so that its
users keep their monitors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from webhook.annotation_values import (
    boolean,
    conditions,
    interval,
    monitor_key,
    natural,
    one_of,
    plain,
    tags,
    variable,
    variable_words,
    words,
)

PREFIX = "k8s.cronitor.io/"

OURS = frozenset({
    "exempt", "freed", "injected", "injection", "noted-until", "records", "run", "sidecar-tells",
    "tls-published-at", "tls-switched-at",
})  # fmt: skip
"""Keys under the prefix that we write ourselves, as annotations or labels, or that are no annotation but a label."""


class Scope(Enum):
    """The objects on which a person writes annotations."""

    NAMESPACE = "Namespace"
    CRON_JOB = "CronJob"


class KeyInference(Enum):
    """What a monitor's key is made from where no `key` is given."""

    UID = "k8s"
    NAME = "name"


class AlertOn(Enum):
    """Which failures are told: of the run, or of each attempt."""

    RUN = "run"
    ATTEMPT = "attempt"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One documented key: the option it fills, how it is read, its old names, and what is said of it (Markdown).

    `everywhere`: it may stand on the Namespace too, for all of its CronJobs.
    """

    key: str
    option: str
    parse: Callable[[str], Any]
    type: str
    default: str
    example: str
    does: str
    old_keys: tuple[str, ...] = ()
    everywhere: bool = False

    def has_meaning(self, scope: Scope) -> bool:
        return self.everywhere or scope is Scope.CRON_JOB


TABLE = (
    Annotation(
        "include", "include", boolean, "boolean", "the chart's `config.default`", "true",
        "Whether runs are reported and a monitor is kept.",
        everywhere=True,
    ),
    Annotation(
        "exclude", "exclude", boolean, "boolean", "`false`", "true",
        '`"true"` wins over everything, `include: "true"` too.',
    ),
    Annotation(
        "inject", "inject", boolean, "boolean", "where it cannot hurt", "false",
        '`"false"`: never put the sidecar into the pods; the controller tells their runs. `"true"`: also where a '
        "native sidecar could hurt the Job (short deadline, low `backoffLimit`, exit code rules); see "
        "[who is not injected](reliability.md#who-is-not-injected).",
        everywhere=True,
    ),
    Annotation(
        "key", "key", monitor_key, "text", "by `key-inference`", "nightly-backup",
        "The monitor's key in Cronitor. `.` and `..` cannot be one.",
        ("cronitor-id",),
    ),
    Annotation(
        "key-inference", "key_inference", one_of(KeyInference), "`k8s` or `name`", "`k8s`", "name",
        "What the key is where there is no `key`: the CronJob's UID (`k8s`), or the SHA-1 of the monitor's full name, "
        "in lower-case hex (`name`). Why you may want which: [decision 7](adr/0007-uid-or-name-as-monitor-key.md).",
        ("id-inference",), everywhere=True,
    ),
    Annotation(
        "name", "name", plain, "text", "by `name-prefix`", "Nightly backup",
        "The monitor's name. One of more than 100 characters is cut in its middle.",
        ("cronitor-name",),
    ),
    Annotation(
        "name-prefix", "name_prefix", str, "`namespace`, `none` or any text", "`namespace`", "none",
        "What the monitor is called where there is no `name`: `<namespace>/<CronJob>` (`namespace`), `<CronJob>` "
        "(`none`), or the text followed by the CronJob's name.",
        everywhere=True,
    ),
    Annotation(
        "env", "env", variable, "text", "the chart's `config.environment`", "production",
        "The environment in Cronitor under which runs are told. An empty text means none.",
        everywhere=True,
    ),
    Annotation(
        "alert-on", "alert_on", one_of(AlertOn), "`run` or `attempt`", "`run`", "attempt",
        "`run`: one verdict, whatever retries it takes. `attempt`: "
        "[each failed attempt](reliability.md#each-failed-attempt) is told as a `fail` of its own as well.",
        everywhere=True,
    ),
    Annotation(
        "containers", "containers", variable_words, "list", "all", "app, worker",
        "The names of the containers that count for the run; all others are ignored. A choice that names no container "
        "of the pod counts as none. An init container that fails is told whatever is chosen.",
    ),
    Annotation(
        "log-complete-event", "log_complete_event", boolean, "boolean", "`false`", "true",
        '`"true"`: the Job\'s completion is told without a state, as a message only, for a Job that only starts what '
        "truly ends elsewhere.",
    ),
    Annotation(
        "tags", "tags", tags, "list", "none", "team-a, nightly",
        "Tags of the monitor, added to those of the chart and of the Namespace, and to `kubernetes` and "
        "`kubernetes-namespace:<namespace>`. One of more than 100 characters is cut at its end.",
        everywhere=True,
    ),
    Annotation(
        "group", "group", plain, "text", "none", "databases",
        "The key of the group in Cronitor that the monitor belongs to.",
        ("cronitor-group",), everywhere=True,
    ),
    Annotation(
        "notify", "notify", words, "list", "Cronitor's default list", "on-call, dev",
        "The keys of the notification lists that are alerted.",
        ("cronitor-notify",), everywhere=True,
    ),
    Annotation(
        "grace-seconds", "grace_seconds", natural, "whole number", "60, by Cronitor", "300",
        "Seconds after the scheduled time before a run that has not begun counts as missed.",
        ("cronitor-grace-seconds",), everywhere=True,
    ),
    Annotation(
        "metric.duration", "duration_assertions", conditions, "list", "none", "< 30 seconds, > 5 seconds",
        "Conditions on a run's duration; Cronitor alerts on a run that does not meet them.",
        everywhere=True,
    ),
    Annotation(
        "failure-tolerance", "failure_tolerance", natural, "whole number", "none, by Cronitor", "1",
        "So many failures in a row are let pass before Cronitor alerts.",
        everywhere=True,
    ),
    Annotation(
        "schedule-tolerance", "schedule_tolerance", natural, "whole number", "none, by Cronitor", "2",
        "So many missed runs in a row are let pass before Cronitor alerts.",
        everywhere=True,
    ),
    Annotation(
        "realert-interval", "realert_interval", interval, "time in words", "as Cronitor has it", "8 hours",
        "How long Cronitor waits before it alerts again on what still fails.",
        everywhere=True,
    ),
    Annotation(
        "note", "note", plain, "text", "none", "Restarts are safe. See the wiki.",
        "The monitor's note in Cronitor.",
    ),
)  # fmt: skip
