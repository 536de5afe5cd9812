"""Cronitor's telemetry API (https://cronitor.io/docs/telemetry-api), as the controller speaks to it.

The key stands in the URL's path: no error here holds an address, or a text of a library that might.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from pathlib import Path
from urllib.parse import quote, urlencode

import requests
from urllib3.util.retry import Retry

from webhook.clients.cronitor import TrustingAdapter
from webhook.errors import CronitorError, TooManyRequests
from webhook.monitor_identity import MonitorIdentity
from webhook.telemetry import Event, query

TIMEOUT_SECONDS = (5.0, 10.0)
CONNECTIONS = 8
LONGEST_RETRY_AFTER_SECONDS = 3600.0
MESSAGE_MAY_BE_WHY = frozenset({400, 413, 414, 431})


class Taken(Enum):
    """How an event ended: taken by Cronitor, or turned down by it for good."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class TelemetryClient:
    """Sends single events. Safe for threads. `key_of` gives a namespace's own key, or ''."""

    def __init__(
        self, url: str, key: str, ca_file: Path | None = None, *, key_of: Callable[[str], str] = lambda _namespace: ""
    ) -> None:
        self._url, self._key, self._key_of = url, key, key_of
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "cronitor-k8s"
        adapter = TrustingAdapter(ca_file, Retry(0, read=False), connections=CONNECTIONS)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)

    def send(self, identity: MonitorIdentity, series: str, event: Event, namespace: str = "") -> Taken:
        """Tell one event of a run in `namespace`.

        Raises CronitorError where it is to be tried again, TooManyRequests with the pause to keep.

        Refused, an event that its message may have made too long is tried once more without it.
        """
        parameters = query(event, series, identity.env, logs_complete=identity.logs_complete)
        key = self._key_of(namespace) or self._key
        status, retry_after = self._get(key, identity, parameters)
        if status in MESSAGE_MAY_BE_WHY and event.message:
            short = query(replace(event, message=""), series, identity.env, logs_complete=identity.logs_complete)
            status, retry_after = self._get(key, identity, short)
        if 200 <= status < 300:
            return Taken.ACCEPTED
        if status == 429:
            raise TooManyRequests("telemetry answered 429", min(retry_after, LONGEST_RETRY_AFTER_SECONDS))
        if status == 407 or status >= 500 or 300 <= status < 400:
            raise CronitorError(f"telemetry answered {status}", status)
        return Taken.REFUSED

    def _get(self, key: str, identity: MonitorIdentity, parameters: list[tuple[str, str]]) -> tuple[int, float]:
        path = f"p/{quote(key, safe='')}/{quote(identity.key, safe='')}"
        try:
            response = self._session.get(
                f"{self._url}/{path}?{urlencode(parameters, quote_via=quote)}",
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise CronitorError(f"telemetry failed: {type(error).__name__}") from None
        given = response.headers.get("Retry-After", "").strip()
        return response.status_code, float(given) if given.isdecimal() else 0.0
