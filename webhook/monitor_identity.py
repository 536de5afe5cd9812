"""The key, name and environment under which a CronJob's runs are told. Pure.

The rules are those of Cronitor's agent, so that its users keep their monitors: a changed key would be a new monitor.
"""

import hashlib
from dataclasses import dataclass

from webhook.annotations import KeyInference, Options

NAME_LIMIT = 100
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class MonitorIdentity:
    """`key` and `name` of the monitor; `env` is '' where none is set.

    `logs_complete`: a completion is told as a message, not as a state.
    """

    key: str
    name: str
    env: str
    logs_complete: bool = False


def identify(namespace: str, name: str, uid: str, options: Options, *, default_env: str = "") -> MonitorIdentity:
    """The identity of the monitor of CronJob `namespace`/`name` with `uid`."""
    full_name = monitor_name(namespace, name, options)
    return MonitorIdentity(
        key=monitor_key(full_name, uid, options),
        name=shorten(full_name),
        env=default_env if options.env is None else options.env,
    )


def monitor_name(namespace: str, name: str, options: Options) -> str:
    """The monitor's name before it is cut to Cronitor's limit."""
    if options.name:
        return options.name
    match options.name_prefix:
        case None | "" | "namespace":
            return f"{namespace}/{name}"
        case "none":
            return name
        case prefix:
            return f"{prefix}{name}"


def monitor_key(full_name: str, uid: str, options: Options) -> str:
    """`key`; else the hash of the untruncated name where asked for; else the CronJob's UID."""
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
