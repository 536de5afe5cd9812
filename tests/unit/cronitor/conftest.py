"""A running stand-in, an HTTP session, and a clock that the test moves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.cronitor.client import Client
from tests.cronitor.stand_in import StandIn

SDK_KEY = "sdk-key-0123456789"
TELEMETRY_KEY = "telemetry-key-0123456789"
KEYS = {SDK_KEY: "sdk", TELEMETRY_KEY: "telemetry"}
BACKUP: dict[str, Any] = {
    "type": "job",
    "key": "backup",
    "name": "shop/backup",
    "schedule": "*/5 * * * *",
    "timezone": "Europe/Berlin",
}

Tell = Callable[..., requests.Response]
Call = Callable[..., requests.Response]


@dataclass(slots=True)
class Clock:
    """Time that passes only when the test says so."""

    now: float = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cronitor(clock: Clock) -> Iterator[StandIn]:
    with StandIn(keys=KEYS, clock=clock) as stand_in:
        yield stand_in


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def tell(cronitor: StandIn, http: requests.Session) -> Tell:
    """Sends one telemetry event."""

    def send(state: str, *, monitor: str = "backup", series: str = "one", **more: str) -> requests.Response:
        query = {"state": state, "series": series, **more}
        return http.get(f"{cronitor.url}/p/{TELEMETRY_KEY}/{monitor}", params=query, timeout=10)

    return send


@pytest.fixture
def call(cronitor: StandIn, http: requests.Session) -> Call:
    """Calls the monitors API with the SDK key."""

    def send(method: str, path: str = "", **more: Any) -> requests.Response:
        asked: dict[str, Any] = {"auth": (SDK_KEY, ""), "timeout": 10} | more
        return http.request(method, f"{cronitor.url}/api/monitors{path}", **asked)

    return send


@pytest.fixture
def client(cronitor: StandIn) -> Iterator[Client]:
    with Client(cronitor.control_url) as made:
        yield made
