"""For tests and the demo: a stand-in that runs in another process, by its control interface."""

import json
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests

from tests.cronitor.events import Kind
from tests.cronitor.monitors import UnknownMonitorError
from tests.cronitor.puts import MonitorPut
from tests.cronitor.recording import Found
from tests.cronitor.rules import Rule
from tests.cronitor.runs import Run
from tests.cronitor.watched import WhatToWaitFor, demand_clean, matcher, not_heard

TIMEOUT = 10.0
POLL = 10.0


class Client:
    """Give it the control address, which answers even while the stand-in refuses connections."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment is not for this

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def runs(self) -> list[Run]:
        return [Run.from_json(one) for one in self._get("runs")["runs"]]

    def requests(self, *, after: int = 0, wait: float = 0.0, **narrowed: str | float) -> list[dict[str, Any]]:
        """Narrowed by series, monitor, surface, state, or since (a time)."""
        found: list[dict[str, Any]] = self._get("requests", after=after, wait=wait, **narrowed)["requests"]
        return found

    def monitors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("monitors")["monitors"]
        return found

    def monitor(self, key: str) -> dict[str, Any] | None:
        try:
            return self._send_to(key, "GET")
        except UnknownMonitorError:
            return None

    def edit_monitor(self, key: str, /, **attributes: Any) -> dict[str, Any]:
        """As a person does in Cronitor. Raises UnknownMonitorError, or ValueError where it is refused."""
        return self._send_to(key, "PATCH", attributes)

    def delete_monitor(self, key: str) -> None:
        """As a person does in Cronitor. Raises UnknownMonitorError."""
        self._send_to(key, "DELETE")

    def monitor_puts(self, after: int = 0) -> list[MonitorPut]:
        """The PUTs of monitors, after the request of that number: how many monitors each held, and when it came."""
        return [MonitorPut.from_json(one) for one in self._get("puts", after=after)["puts"]]

    def wait_for(self, wanted: WhatToWaitFor, timeout: float = 30.0) -> Run:
        """The first run that matches: a series once it has a verdict, or whatever the predicate says."""
        matches, deadline = matcher(wanted), time.monotonic() + timeout
        while True:
            document = self._get("runs")
            runs = [Run.from_json(one) for one in document["runs"]]
            if found := next((run for run in runs if matches(run)), None):
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise not_heard(wanted, timeout, runs)
            self._get("requests", after=document["last"], wait=min(left, POLL))

    def follow(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """Every request as it comes in, for ever; ends when the stand-in does."""
        with self._session.get(
            f"{self.url}/_control/stream", params={"after": after}, stream=True, timeout=(TIMEOUT, 3 * POLL)
        ) as answer:
            answer.raise_for_status()
            event = ""
            for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
                name, _, value = line.partition(": ")
                event = value if name == "event" else event
                if name == "data" and event == "request":
                    yield json.loads(value)

    def expect(self, kind: Kind | str, series: str = "", monitor: str = "") -> None:
        """Declares violations that the test brings about on purpose, past or to come."""
        one = {"kind": kind, "series": series, "monitor": monitor}
        self._send("POST", "expectations", {"expectations": [one]})

    def violations(self, *, unexpected_only: bool = True) -> list[Found]:
        document = self._get("violations", **({} if unexpected_only else {"all": "1"}))
        return [Found(**one | {"kind": Kind(one["kind"])}) for one in document["violations"]]

    def assert_clean(self) -> None:
        demand_clean(self.violations())

    def fault(self, kind: str, **more: Any) -> None:
        """Adds a fault to the script: `fault("status", status=503, times=2, surface="telemetry")`."""
        self._send("POST", "faults", {"faults": [{"kind": kind, **more}]})

    def script(self, faults: Sequence[dict[str, Any]]) -> None:
        """Replaces all faults."""
        self._send("PUT", "faults", {"faults": list(faults)})

    def clear_faults(self) -> None:
        self._send("DELETE", "faults")

    def behave(self, **behaviour: Any) -> None:
        """Sets `rate_limits`, `answer_form`, `put_status`, `notify`, `groups` or `tags` (see Behaviour)."""
        self._send("PUT", "behaviour", behaviour)

    def rule(self, attribute: str, matches: str, message: str, form: str = "errors") -> None:
        """Has monitors refused from here on: `rule("name", "bad", "Name is taken", form="text")`."""
        self._send("POST", "rules", {"rules": [Rule(attribute, matches, message, form).as_json()]})

    def rules(self, rules: Sequence[Rule]) -> None:
        """Replaces all rules."""
        self._send("PUT", "rules", {"rules": [one.as_json() for one in rules]})

    def clear_rules(self) -> None:
        self._send("DELETE", "rules")

    def reset(self) -> None:
        self._send("POST", "reset")

    def _get(self, what: str, **query: str | float) -> Any:
        wait = float(query.get("wait", 0))
        answer = self._session.get(f"{self.url}/_control/{what}", params=query, timeout=TIMEOUT + wait)
        return _document(answer)

    def _send(self, method: str, what: str, body: Any = None) -> Any:
        return _document(self._session.request(method, f"{self.url}/_control/{what}", json=body, timeout=TIMEOUT))

    def _send_to(self, key: str, method: str, body: Any = None) -> dict[str, Any]:
        url = f"{self.url}/_control/monitors/{quote(key, safe='')}"
        answer = self._session.request(method, url, json=body, timeout=TIMEOUT)
        if answer.status_code == 404:
            raise UnknownMonitorError(key)
        found: dict[str, Any] = _document(answer)
        return found


def _document(answer: requests.Response) -> Any:
    if answer.status_code == 400:
        raise ValueError(answer.json()["error"])
    answer.raise_for_status()
    return answer.json()
