"""Cronitor's monitors API (https://cronitor.io/docs/monitor-api): Basic auth, the key as user name."""

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from webhook.errors import CronitorError

API_VERSION = "2025-11-28"
TIMEOUT_SECONDS = (5.0, 30.0)
BATCH_SIZE = 100
"""More than 150 in one request have been seen to pass 10 s (cronitor-python issue 27)."""

BACKOFF_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30
"""Of any `Retry-After`: the caller is one of a few threads, and asks again later anyway."""

Monitor = Mapping[str, Any]


class KeyStanding(Enum):
    """What the monitors API says of our key."""

    VALID = "valid"
    REFUSED = "refused"
    TELEMETRY_ONLY = "telemetry_only"


class MonitorsClient:
    """Requests to the monitors API. Raises CronitorError, whose text never holds the key."""

    def __init__(self, api_url: str, api_key: str, ca_file: Path | None = None) -> None:
        self._url = f"{api_url}/monitors"
        self._session = requests.Session()
        self._session.auth = (api_key, "")
        self._session.headers["Cronitor-Version"] = API_VERSION
        self._session.headers["User-Agent"] = "cronitor-k8s"
        retry = Retry(
            total=4,
            backoff_factor=BACKOFF_SECONDS,
            backoff_jitter=BACKOFF_SECONDS,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
            retry_after_max=LONGEST_PAUSE_SECONDS,
        )
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, TrustingAdapter(ca_file, retry))

    def check_key(self) -> KeyStanding:
        """Ask for one monitor: telemetry answers 200 to any key, so that only this tells a wrong one."""
        response = self._request("GET", self._url, params={"pageSize": 1})
        match response.status_code:
            case 401:
                return KeyStanding.REFUSED
            case 403:
                return KeyStanding.TELEMETRY_ONLY
            case _:
                _monitors_in(response)
                return KeyStanding.VALID

    def put(self, monitors: Sequence[Monitor]) -> list[Monitor]:
        """Create or update by `key`, at most `BATCH_SIZE` at once; the monitors as Cronitor then has them."""
        if len(monitors) > BATCH_SIZE:
            raise ValueError(f"{len(monitors)} monitors in one request, at most {BATCH_SIZE} are allowed")
        return _monitors_in(self._request("PUT", self._url, json={"monitors": list(monitors)}))

    def _request(self, method: str, url: str, **arguments: Any) -> requests.Response:
        try:
            return self._session.request(method, url, timeout=TIMEOUT_SECONDS, **arguments)
        except requests.RequestException as error:
            raise CronitorError(f"monitors API: {method} failed: {type(error).__name__}") from None


class TrustingAdapter(HTTPAdapter):
    """Trusts `ca_file` beside the public authorities; `Session.verify` would put it in their place."""

    def __init__(self, ca_file: Path | None, retry: Retry, *, connections: int = 1) -> None:
        self._context = create_urllib3_context()
        if ca_file is not None:
            self._context.load_verify_locations(ca_file)
        super().__init__(max_retries=retry, pool_maxsize=connections)

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        return super().proxy_manager_for(proxy, **more, ssl_context=self._context)


def _monitors_in(response: requests.Response) -> list[Monitor]:
    """Both forms of answer: `{"monitors": [...]}` and a bare list."""
    if not response.ok:
        raise CronitorError(f"monitors API answered {response.status_code}: {_reason(response)}", response.status_code)
    try:
        parsed = response.json()
    except requests.JSONDecodeError:
        raise CronitorError("monitors API answered with no JSON", response.status_code) from None
    found = parsed.get("monitors") if isinstance(parsed, dict) else parsed
    return list(found or ())


def _reason(response: requests.Response) -> str:
    """The words of an error body, in any of the forms seen."""
    try:
        parsed = response.json()
    except requests.JSONDecodeError:
        return response.text.strip()[:300]
    if not isinstance(parsed, dict):
        return ""
    errors = parsed.get("errors") or [{"message": parsed.get("error", "")}]
    return "; ".join(str(error.get("message", error)) if isinstance(error, dict) else str(error) for error in errors)[
        :300
    ]
