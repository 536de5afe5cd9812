"""What the sidecar asks of the API server: a watch of its own pod, for as long as that lives.

A single WATCH from `resourceVersion=0` gives the present state and then the changes (Kubernetes API concepts,
"Get state and start at any"), so that a run costs one request. A closed connection is taken up where it was; a
version that has grown too old (410) begins anew from the newest state.

A pod that is not its run's first also asks once for the others of its Job, where it may have to tell how they began.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import urllib3

from sidecar import earlier
from sidecar.earlier import Found
from sidecar.http import pool, trusting
from sidecar.log import Log
from sidecar.settings import Settings

WATCH_SECONDS = 1800
"""How long one watch is asked to last."""
SILENCE_SECONDS = 90.0
"""Longer than the API server's bookmark interval of about a minute: a connection as silent as that is dead."""
CONNECT_SECONDS = 5.0
SHORTEST_WATCH_SECONDS = 1.0
"""A watch that ends sooner counts as failed, so that none is opened without a pause."""
SLOWEST_RETRY_SECONDS = 15.0
EARLIER_TRIES = 8
"""Two minutes: an earlier pod that is being deleted may take its grace period, and then is gone."""


class VersionExpiredError(Exception):
    """The resource version is too old for the API server."""


class WatchError(Exception):
    """The API server did not answer a request as it should; the message says how."""


def watch_pod(
    settings: Settings,
    log: Log,
    seen: Callable[[dict[str, Any], bool], None],
    broken: Callable[[], None],
    rest: Callable[[float], object],
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Call `seen(pod, deleted)` for every state of the pod. Runs until the process ends.

    Whatever goes wrong is tried again: `broken()` is called, then `rest(seconds)`.
    """
    version = "0"
    failures = 0
    expired_at: float | None = None
    connection: tuple[bytes, urllib3.PoolManager] | None = None
    while True:
        try:
            opened = monotonic()
            connection = _connection(settings, connection)
            for kind, pod in _events(connection[1], settings, version):
                failures = 0
                version = pod["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    seen(pod, kind == "DELETED")
            if monotonic() - opened < SHORTEST_WATCH_SECONDS:
                raise WatchError("the API server closed the watch at once")
        except Exception as error:  # noqa: BLE001 - without its watch the sidecar is blind
            expired = isinstance(error, VersionExpiredError)
            again = expired_at is not None and monotonic() - expired_at < SHORTEST_WATCH_SECONDS
            expired_at = monotonic() if expired else expired_at
            if expired and version and not again:
                log.info("watch_expired", version=version)
                version = ""
                continue
            version = "" if expired else version
            # One that had stood for long, if in silence, was none of a row of failures.
            failures = 1 if monotonic() - opened > SLOWEST_RETRY_SECONDS else failures + 1
            log.warning("watch_broken", error=type(error).__name__, detail=_detail(error), failures=failures)
            broken()
            rest(random.uniform(0.1, min(SLOWEST_RETRY_SECONDS, 0.25 * 2 ** min(failures, 10))))  # noqa: S311


def find_beginning(
    settings: Settings, log: Log, found: Callable[[Found], None], rest: Callable[[float], object]
) -> None:
    """Call `found` once with how the run began by its earlier pods, and how many of them have failed."""
    result = Found(None, final=True)
    for tries in range(EARLIER_TRIES):
        try:
            result = earlier.find(_pods_of_job(settings), settings.pod, settings.rules)
        except Exception as error:  # noqa: BLE001 - it is tried again; the run is told without it, too
            log.warning("earlier_pods_not_read", error=type(error).__name__, detail=_detail(error))
        else:
            if result.final:
                break
        rest(min(2.0**tries, 2 * SLOWEST_RETRY_SECONDS))
    found(result)


def _pods_of_job(settings: Settings) -> list[dict[str, Any]]:
    # By the label that the Job controller puts on its pods (batch/v1, `ControllerUidLabel`).
    selector = urlencode({"labelSelector": f"batch.kubernetes.io/controller-uid={settings.identity.series}"})
    _, connection = _connection(settings, None)
    with connection:
        response = connection.request(
            "GET",
            f"{settings.api_server}/api/v1/namespaces/{settings.namespace}/pods?{selector}",
            headers=_headers(settings),
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=CONNECT_SECONDS),
        )
        if response.status != 200:
            raise WatchError(f"the API server answered {response.status}")
        pods: list[dict[str, Any]] = json.loads(response.data)["items"]
        return pods


def _connection(
    settings: Settings, connection: tuple[bytes, urllib3.PoolManager] | None
) -> tuple[bytes, urllib3.PoolManager]:
    """A pool that trusts the CA as mounted now: kept while that file stays as it is."""
    authority = settings.api_ca_file.read_bytes()
    if connection and connection[0] == authority:
        return connection
    return authority, pool(settings.api_server, trusting(settings.api_ca_file))


def _events(connection: urllib3.PoolManager, settings: Settings, version: str) -> Iterator[tuple[str, dict[str, Any]]]:
    parameters = {
        "watch": "1",
        "fieldSelector": f"metadata.name={settings.pod}",
        "timeoutSeconds": str(WATCH_SECONDS),
        "allowWatchBookmarks": "true",
    }
    if version:
        parameters["resourceVersion"] = version
    response = connection.request(
        "GET",
        f"{settings.api_server}/api/v1/namespaces/{settings.namespace}/pods?{urlencode(parameters)}",
        headers=_headers(settings),
        preload_content=False,
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS),
    )
    try:
        if response.status == 410:
            raise VersionExpiredError
        if response.status != 200:
            raise WatchError(f"the API server answered {response.status}")
        for line in _lines(response):
            event = json.loads(line)
            if event["type"] == "ERROR":
                if event["object"].get("code") == 410:
                    raise VersionExpiredError
                raise WatchError(str(event["object"].get("message")))
            yield event["type"], event["object"]
    finally:
        response.close()


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(None):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _headers(settings: Settings) -> dict[str, str]:
    """With the token, read anew for each request: the controller renews it."""
    return {"Authorization": f"Bearer {settings.token_file.read_text().strip()}", "Accept": "application/json"}


def _detail(error: Exception) -> str:
    return str(error) if isinstance(error, WatchError) else str(getattr(error, "strerror", "") or "")
