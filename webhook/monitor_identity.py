"""The key, name and environment under which a CronJob's runs are told. Pure.

The rules are those of Cronitor's agent, so that its users keep their monitors: a changed key would be a new monitor.
A cluster name, which the agent does not know, goes into what is made from names: so that two clusters can carry the
same manifests.
"""

import hashlib
from dataclasses import dataclass

from webhook.annotation_values import ELLIPSIS
from webhook.annotations import KeyInference, Options

NAME_LIMIT = 100


@dataclass(frozen=True, slots=True)
class MonitorIdentity:
    """`key` and `name` of the monitor; `env` is '' where none is set.

    `logs_complete`: a completion is told as a message, not as a state.
    """

    key: str
    name: str
    env: str
    logs_complete: bool = False


def identify(namespace: str, name: str, uid: str, options: Options, *, cluster_name: str = "") -> MonitorIdentity:
    """The identity of the monitor of CronJob `namespace`/`name` with `uid`. `options` are those of all levels."""
    base = options.name or inferred_name(namespace, name, options)
    unique = f"{cluster_name}/{base}" if cluster_name else base
    return MonitorIdentity(
        key=monitor_key(unique, uid, options),
        name=shorten(options.name or unique),
        env=options.env or "",
        logs_complete=bool(options.log_complete_event),
    )


def inferred_name(namespace: str, name: str, options: Options) -> str:
    """The name of a monitor whose CronJob gives none, uncut and without the cluster."""
    match options.name_prefix:
        case None | "" | "namespace":
            return f"{namespace}/{name}"
        case "none":
            return name
        case prefix:
            return f"{prefix}{name}"


def monitor_key(full_name: str, uid: str, options: Options) -> str:
    """`key`; else the hash of the full name, uncut, where asked for; else the CronJob's UID."""
    if options.key:
        return options.key
    if options.key_inference is KeyInference.NAME:
        return hashlib.sha1(full_name.encode(), usedforsecurity=False).hexdigest()
    return uid


def shorten(name: str, limit: int = NAME_LIMIT) -> str:
    """A name of more than `limit` bytes, cut in its middle to `limit` characters.

    Of an even remainder the front keeps the smaller half, of an odd one the larger: so the agent does it.
    """
    if len(name.encode()) <= limit or len(name) <= limit:
        return name
    kept = limit - len(ELLIPSIS)
    front = kept // 2 if len(name) % 2 else kept - kept // 2
    return name[:front] + ELLIPSIS + name[len(name) - (kept - front) :]
