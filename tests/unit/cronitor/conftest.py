"""A running stand-in, an HTTP session, and a clock that the test moves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests

from tests.cronitor.stand_in import StandIn

SDK_KEY = "sdk-key-0123456789"
TELEMETRY_KEY = "telemetry-key-0123456789"
KEYS = {SDK_KEY: "sdk", TELEMETRY_KEY: "telemetry"}

Tell = Callable[..., requests.Response]


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
