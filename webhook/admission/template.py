"""What every injected container is made of, as the chart's values say it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What the injected container is made of. `resources` are Kubernetes' own; `run_as_user` None leaves it out.

    `unscheduled_seconds` is the controller's threshold: what it may have told by then is not told again.
    """

    image: str
    image_pull_policy: str
    image_pull_secrets: tuple[str, ...]
    run_as_user: int | None
    resources: Mapping[str, Any]
    guaranteed_resources: Mapping[str, str]
    ignore_containers: tuple[str, ...]
    stuck_seconds: int
    unscheduled_seconds: int
    log_level: str


@dataclass(frozen=True, slots=True)
class Proxy:
    """What lies between a pod and Cronitor, as the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY say it."""

    https: str
    http: str
    no: str


@dataclass(frozen=True, slots=True)
class Template:
    """What is the same for every pod that is injected. `secret` is the name of the one in each labelled namespace.

    `dry_run`: sidecars log what they would send, and send nothing.
    """

    sidecar: Sidecar
    telemetry_url: str
    proxy: Proxy
    secret: str
    dry_run: bool = False
