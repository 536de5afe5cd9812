"""Cronitor's monitors API (https://cronitor.io/docs/monitor-api): Basic auth, the key as user name."""

import hashlib
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from webhook.annotation_values import clean
from webhook.clients.deadline import CuttableAdapter, limited
from webhook.errors import CronitorError, KeyRefused, MonitorsRejected, TooManyRequests

API_VERSION = "2025-11-28"
TIMEOUT_SECONDS = (5.0, 30.0)
LONGEST_SECONDS = 30.0
"""For all of a request: whoever asks is the only one that does, and an answer may come byte by byte."""

LONGEST_CHECK_SECONDS = 240.0
"""With all that `Retry-After` asks for, four times."""

BATCH_SIZE = 100
"""More than 150 in one request have been seen to pass 10 s (cronitor-python issue 27)."""

PAGE_SIZE = 100
BACKOFF_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30
"""Of any `Retry-After`: the caller is one of a few threads, and asks again later anyway."""

REJECTED_STATUSES = frozenset({400, 413, 422})
LONGEST_WORDS = 300

Monitor = Mapping[str, Any]


class KeyStanding(Enum):
    """What the monitors API says of our key."""

    VALID = "valid"
    REFUSED = "refused"
    TELEMETRY_ONLY = "telemetry_only"


class MonitorsClient:
    """Requests to the monitors API. Raises CronitorError, whose text never holds the key.

    `account` is another one where address or key are: too short to tell the key by.
    Only the check of the key is tried again in here: whoever puts monitors has newer ones by then.
    """

    def __init__(self, api_url: str, api_key: str, ca_file: Path | None = None) -> None:
        self._url, self._key = f"{api_url}/monitors", api_key
        self.account = hashlib.sha256(f"{api_url} {api_key}".encode()).hexdigest()[:8]
        patient = Retry(
            total=4,
            backoff_factor=BACKOFF_SECONDS,
            backoff_jitter=BACKOFF_SECONDS,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
            retry_after_max=LONGEST_PAUSE_SECONDS,
        )
        self._patient = _session(api_key, ca_file, patient)
        self._session = _session(api_key, ca_file, Retry(0, read=False))

    def check_key(self) -> KeyStanding:
        """Ask for one monitor: telemetry answers 200 to any key, so that only this tells a wrong one."""
        response = _asked(self._patient, "GET", self._url, LONGEST_CHECK_SECONDS, params={"pageSize": 1})
        match response.status_code:
            case 401:
                return KeyStanding.REFUSED
            case 403:
                return KeyStanding.TELEMETRY_ONLY
            case _:
                self._monitors_in(response)
                return KeyStanding.VALID

    def put(self, monitors: Sequence[Monitor]) -> list[Monitor]:
        """Create or update by `key`, at most `BATCH_SIZE` at once; the monitors as Cronitor then has them.

        Raises MonitorsRejected where one of them is not taken, and then none has been.
        """
        if len(monitors) > BATCH_SIZE:
            raise ValueError(f"{len(monitors)} monitors in one request, at most {BATCH_SIZE} are allowed")
        response = _asked(self._session, "PUT", self._url, json={"monitors": list(monitors)})
        self._check(response)
        try:
            return self._monitors_in(response)
        except CronitorError:
            return []  # taken all the same, whatever the body says

    def delete(self, key: str) -> None:
        """Delete one monitor; one that has gone already is no error."""
        response = _asked(self._session, "DELETE", self._url_of(key))
        if response.status_code != 404:
            self._check(response)

    def is_paused(self, key: str) -> bool | None:
        """Whether a monitor is paused, by whomever; None for one that is not there."""
        response = _asked(self._session, "GET", self._url_of(key))
        if response.status_code == 404:
            return None
        found = self._parsed(response)
        return isinstance(found, dict) and found.get("paused") is True

    def pauses_on(self, page: int) -> dict[str, bool]:
        """Whether each monitor of a page, from 1 on, is paused. Cronitor may hold pages to be smaller."""
        response = _asked(self._session, "GET", self._url, params={"page": page, "pageSize": PAGE_SIZE})
        return {str(one["key"]): one.get("paused") is True for one in self._monitors_in(response) if "key" in one}

    def _url_of(self, key: str) -> str:
        return f"{self._url}/{quote(key, safe='')}"

    def _monitors_in(self, response: requests.Response) -> list[Monitor]:
        """Both forms of answer: `{"monitors": [...]}` and a bare list."""
        parsed = self._parsed(response)
        found = parsed.get("monitors") if isinstance(parsed, dict) else parsed
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def _parsed(self, response: requests.Response) -> Any:
        self._check(response)
        try:
            return response.json()
        except requests.JSONDecodeError:
            raise CronitorError("monitors API answered with no JSON", response.status_code) from None

    def _check(self, response: requests.Response) -> None:
        """Raise what a refusal means."""
        status = response.status_code
        if 200 <= status < 300:
            return
        words = clean(_reason(response)).replace(self._key, "…")[:LONGEST_WORDS]
        if status in REJECTED_STATUSES:
            raise MonitorsRejected(status, words)
        if status in (401, 403):
            raise KeyRefused(status, words)
        if status == 429:
            raise TooManyRequests(f"monitors API answered 429: {words}", _retry_after(response))
        raise CronitorError(f"monitors API answered {status}: {words}", status)


def _session(api_key: str, ca_file: Path | None, retry: Retry) -> requests.Session:
    session = requests.Session()
    session.auth = (api_key, "")
    session.headers["Cronitor-Version"] = API_VERSION
    session.headers["User-Agent"] = "cronitor-k8s"
    for scheme in ("https://", "http://"):
        session.mount(scheme, TrustingAdapter(ca_file, retry))
    return session


def _asked(
    session: requests.Session, method: str, url: str, longest: float | None = None, **arguments: Any
) -> requests.Response:
    seconds = LONGEST_SECONDS if longest is None else longest
    failure = ""
    with limited(seconds, lambda: _cut(session)) as late:
        try:
            # A PUT that is sent elsewhere would come to a GET there, and its 200 be taken for ours.
            response = session.request(
                method, url, timeout=TIMEOUT_SECONDS, allow_redirects=method == "GET", **arguments
            )
        except requests.RequestException as error:
            failure = type(error).__name__
    if late.is_set():  # also where no exception says so: the end of a connection may be that of an answer
        raise CronitorError(f"monitors API: {method} took longer than {seconds:g} s")
    if failure:
        raise CronitorError(f"monitors API: {method} failed: {failure}")
    return response


def _cut(session: requests.Session) -> None:
    for adapter in session.adapters.values():
        if isinstance(adapter, CuttableAdapter):
            adapter.cut()


class TrustingAdapter(CuttableAdapter):
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


def _reason(response: requests.Response) -> str:
    """The words of an error body, in any of the forms seen."""
    try:
        parsed = response.json()
    except requests.JSONDecodeError:
        return response.text.strip()
    if not isinstance(parsed, dict):
        return ""
    errors = parsed.get("errors") or [{"message": parsed.get("error", "")}]
    if not isinstance(errors, list):
        return str(errors)
    return "; ".join(str(error.get("message", error)) if isinstance(error, dict) else str(error) for error in errors)


def _retry_after(response: requests.Response) -> float:
    """Seconds, from a number or a date; 0.0 where Cronitor does not say."""
    try:
        return float(Retry().parse_retry_after(response.headers.get("Retry-After", "")))
    except InvalidHeader:
        return 0.0
