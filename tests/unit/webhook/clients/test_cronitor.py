"""The monitors API against the stand-in: what its answers mean, and that no error repeats the key."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cronitor.account import Behaviour
from tests.cronitor.faults import Surface
from tests.cronitor.stand_in import StandIn
from tests.unit.sidecar.http_server import Answer, ScriptedServer
from webhook.clients import cronitor as module
from webhook.clients.cronitor import BATCH_SIZE, KeyStanding, MonitorsClient
from webhook.errors import CronitorError, KeyRefused, MonitorsRejected, TooManyRequests

SDK_KEY = "sdk-key-0123456789"
TELEMETRY_KEY = "telemetry-key-0123456789"
KEYS = {SDK_KEY: "sdk", TELEMETRY_KEY: "telemetry"}
MONITOR = {"type": "job", "key": "backup", "name": "shop/backup", "schedule": "0 3 * * *"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.0)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cronitor() -> Iterator[StandIn]:
    with StandIn(keys=KEYS) as stand_in:
        yield stand_in


def client(stand_in: StandIn, key: str = SDK_KEY) -> MonitorsClient:
    return MonitorsClient(f"{stand_in.url}/api", key)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (SDK_KEY, KeyStanding.VALID),
        (TELEMETRY_KEY, KeyStanding.TELEMETRY_ONLY),
        ("nobody-knows-this-key", KeyStanding.REFUSED),
    ],
)
def test_how_a_key_stands(cronitor: StandIn, key: str, expected: KeyStanding) -> None:
    assert client(cronitor, key).check_key() is expected
    assert cronitor.monitors() == []


def test_a_check_that_comes_to_nothing_is_no_standing(cronitor: StandIn) -> None:
    cronitor.fault("status", status=500, times=5)
    with pytest.raises(CronitorError) as raised:
        client(cronitor).check_key()
    assert raised.value.status == 500


def test_it_says_what_it_is_and_which_version_it_speaks(cronitor: StandIn) -> None:
    client(cronitor).check_key()
    headers = cronitor.requests()[0].headers
    assert (headers["User-Agent"], headers["Cronitor-Version"]) == ("cronitor-k8s", "2025-11-28")


def test_another_key_or_address_is_another_account() -> None:
    one = MonitorsClient("https://a", SDK_KEY).account
    others = [MonitorsClient("https://b", SDK_KEY).account, MonitorsClient("https://a", TELEMETRY_KEY).account]
    assert one not in others
    assert one == MonitorsClient("https://a", SDK_KEY).account


@pytest.mark.parametrize("form", ["object", "array"])
@pytest.mark.parametrize("status", [200, 201])
def test_both_forms_of_answer_to_a_put_are_read(form: str, status: int) -> None:
    with StandIn(keys=KEYS, behaviour=Behaviour(answer_form=form, put_status=status)) as stand_in:
        (found,) = client(stand_in).put([MONITOR])
        assert (found["key"], found["name"]) == ("backup", "shop/backup")
        assert [monitor["key"] for monitor in stand_in.monitors()] == ["backup"]
        stand_in.assert_clean()


def test_no_monitors_are_no_error(cronitor: StandIn) -> None:
    assert client(cronitor).put([]) == []


def test_more_than_a_batch_is_refused_before_it_is_sent(cronitor: StandIn) -> None:
    with pytest.raises(ValueError, match="101 monitors in one request, at most 100"):
        client(cronitor).put([{**MONITOR, "key": str(number)} for number in range(BATCH_SIZE + 1)])
    assert cronitor.requests() == []


@pytest.mark.parametrize("form", ["error", "errors", "text"])
def test_the_words_of_a_400_are_in_the_error(cronitor: StandIn, form: str) -> None:
    cronitor.fault("status", status=400, error_form=form, times=1)
    with pytest.raises(CronitorError) as raised:
        client(cronitor).put([MONITOR])
    assert raised.value.status == 400
    words = str(raised.value).removeprefix("monitors API answered 400: ")
    assert words
    assert not words.startswith(("{", "["))


def test_a_monitor_that_the_api_does_not_take_is_an_error_with_its_reason(cronitor: StandIn) -> None:
    with pytest.raises(CronitorError, match=r"monitors API answered 400: .*key") as raised:
        client(cronitor).put([{"type": "job", "name": "no key"}])
    assert raised.value.status == 400


@pytest.mark.parametrize(("status", "times"), [(500, 4), (502, 1), (503, 2), (504, 1), (429, 1)])
def test_the_check_of_the_key_is_tried_again(cronitor: StandIn, status: int, times: int) -> None:
    cronitor.fault("status", status=status, times=times, surface=Surface.MONITORS, retry_after="0")
    assert client(cronitor).check_key() is KeyStanding.VALID
    assert len(cronitor.requests()) == times + 1


def test_also_when_the_connection_breaks(cronitor: StandIn) -> None:
    cronitor.fault("reset", times=2)
    assert client(cronitor).check_key() is KeyStanding.VALID


REFUSALS: list[tuple[int, type[CronitorError]]] = [
    (400, MonitorsRejected),
    (413, MonitorsRejected),
    (422, MonitorsRejected),
    (401, KeyRefused),
    (403, KeyRefused),
    (429, TooManyRequests),
    (404, CronitorError),
    (408, CronitorError),
    (500, CronitorError),
    (503, CronitorError),
]


@pytest.mark.parametrize(("status", "kind"), REFUSALS)
def test_monitors_are_put_once_and_the_error_says_what_the_refusal_means(
    cronitor: StandIn, status: int, kind: type[CronitorError]
) -> None:
    cronitor.fault("status", status=status, times=1)
    with pytest.raises(CronitorError) as raised:
        client(cronitor).put([MONITOR])
    assert type(raised.value) is kind
    assert (raised.value.status, len(cronitor.requests())) == (status, 1)


def test_a_connection_that_breaks_under_monitors_is_an_error(cronitor: StandIn) -> None:
    cronitor.fault("reset", times=1)
    with pytest.raises(CronitorError, match="PUT failed: ConnectionError"):
        client(cronitor).put([MONITOR])


@pytest.mark.timeout(30)
class TestAnAnswerThatDrips:
    """Each byte comes within the timeout of a read, and all of them would take minutes."""

    PACE = 0.3

    @pytest.fixture(autouse=True)
    def short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "LONGEST_SECONDS", 0.2)
        monkeypatch.setattr(module, "LONGEST_CHECK_SECONDS", 0.2)

    @pytest.mark.parametrize("ask", [
        lambda api: api.put([MONITOR]), lambda api: api.delete("backup"), lambda api: api.is_paused("backup"),
        lambda api: api.check_key(),
    ], ids=["put", "delete", "is_paused", "check_key"])  # fmt: skip
    def test_is_given_up(self, cronitor: StandIn, ask: Callable[[MonitorsClient], object]) -> None:
        cronitor.fault("slow", pace=self.PACE)
        with pytest.raises(CronitorError, match=r"took longer than 0\.2 s") as raised:
            ask(client(cronitor))
        assert type(raised.value) is CronitorError

    @pytest.mark.parametrize("headers", [{}, {"Connection": "close"}], ids=["of a length", "to the end"])
    def test_also_where_its_head_was_quick(self, headers: dict[str, str]) -> None:
        hanging = Answer(body=b"[]", headers=headers, holds=True)
        with ScriptedServer(hanging) as server, pytest.raises(CronitorError, match="took longer"):
            MonitorsClient(f"http://127.0.0.1:{server.port}", SDK_KEY).is_paused("backup")

    def test_over_tls_too_and_the_next_request_is_none_the_worse(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with StandIn(keys=KEYS, directory=tmp_path) as secure:
            api = MonitorsClient(f"{secure.https_url}/api", SDK_KEY, secure.ca_file)
            secure.fault("slow", pace=self.PACE)
            with pytest.raises(CronitorError, match="took longer"):
                api.put([MONITOR])
            secure.clear_faults()
            monkeypatch.setattr(module, "LONGEST_SECONDS", 30.0)
            assert api.is_paused("nobody's") is None


@pytest.mark.parametrize(("key", "telemetry_only"), [(TELEMETRY_KEY, True), ("nobody-knows-this-key", False)])
def test_a_refused_key_is_told_apart_from_a_telemetry_key(cronitor: StandIn, key: str, telemetry_only: bool) -> None:
    with pytest.raises(KeyRefused) as raised:
        client(cronitor, key).put([MONITOR])
    assert raised.value.telemetry_only is telemetry_only
    assert raised.value.words


@pytest.mark.parametrize(
    ("given", "seconds"), [("7", 7.0), ("", 0.0), ("soon", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)
def test_how_long_to_wait_is_in_the_error(cronitor: StandIn, given: str, seconds: float) -> None:
    cronitor.fault("status", status=429, times=1, retry_after=given)
    with pytest.raises(TooManyRequests) as raised:
        client(cronitor).put([MONITOR])
    assert raised.value.retry_after == seconds


def answer(status: int, body: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content = status, body.encode()
    return response


@pytest.mark.parametrize("body", ["OK", "<html>", ""])
def test_an_answer_that_is_not_json_is_an_error_but_what_was_put_is_put(
    monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(requests.Session, "request", lambda *_, **__: answer(200, body))
    api = MonitorsClient("https://c.example", SDK_KEY)
    with pytest.raises(CronitorError, match="no JSON"):
        api.is_paused("backup")
    assert api.put([MONITOR]) == []


@pytest.mark.parametrize("body", ["{}", "[]", "null", "7", '{"monitors": null}', '{"monitors": {"a": 1}}', '["x"]'])
def test_an_answer_that_lacks_the_monitors_is_none(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setattr(requests.Session, "request", lambda *_, **__: answer(200, body))
    assert MonitorsClient("https://c.example", SDK_KEY).put([MONITOR]) == []


@pytest.mark.parametrize("status", [301, 302, 307])
def test_being_sent_elsewhere_is_no_success(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr(requests.Session, "request", lambda *_, **__: answer(status, "[]"))
    with pytest.raises(CronitorError, match=str(status)):
        MonitorsClient("https://c.example", SDK_KEY).put([MONITOR])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": "no"}', "no"),
        ('{"errors": [{"message": "a"}, "b", {"code": 7}]}', "a; b; {'code': 7}"),
        ('{"errors": "all wrong"}', "all wrong"),
        ("[1]", ""),
        ("  plain  ", "plain"),
        (f'{{"error": "the key {SDK_KEY} is not yours"}}', "the key … is not yours"),
        ("x" * 9999, "x" * 300),
    ],
)
def test_the_words_of_a_refusal(monkeypatch: pytest.MonkeyPatch, body: str, words: str) -> None:
    monkeypatch.setattr(requests.Session, "request", lambda *_, **__: answer(400, body))
    with pytest.raises(MonitorsRejected) as raised:
        MonitorsClient("https://c.example", SDK_KEY).put([MONITOR])
    assert raised.value.words == words


class TestOneMonitor:
    KEY = "a/b c?d"

    def test_is_deleted_and_one_that_has_gone_is_no_error(self, cronitor: StandIn) -> None:
        api = client(cronitor)
        api.put([{**MONITOR, "key": self.KEY}, MONITOR])
        for _ in range(2):
            api.delete(self.KEY)
        assert [one["key"] for one in cronitor.monitors()] == ["backup"]

    def test_a_deletion_that_is_refused_is_an_error(self, cronitor: StandIn) -> None:
        cronitor.fault("status", status=503, times=1)
        with pytest.raises(CronitorError, match="503"):
            client(cronitor).delete("backup")

    def test_is_paused_or_not_or_not_there(self, cronitor: StandIn) -> None:
        api = client(cronitor)
        api.put([{**MONITOR, "key": self.KEY, "paused": True}, MONITOR])
        assert [api.is_paused(key) for key in (self.KEY, "backup", "nobody's")] == [True, False, None]

    def test_pages_tell_of_each_whether_it_is_paused(self, cronitor: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("webhook.clients.cronitor.PAGE_SIZE", 2)
        api = client(cronitor)
        api.put([{**MONITOR, "key": f"k{number}", "paused": number == 1} for number in range(3)])
        assert [api.pauses_on(page) for page in (1, 2, 3)] == [{"k0": False, "k1": True}, {"k2": False}, {}]


ERRORS: list[dict[str, Any]] = [
    {"kind": "reset", "times": 5},
    {"kind": "refuse"},
    {"kind": "status", "status": 500, "times": 5},
    {"kind": "status", "status": 401, "times": 1, "error_form": "text"},
    {"kind": "status", "status": 400, "times": 1, "error_form": "errors"},
]


@pytest.mark.parametrize("fault", ERRORS, ids=str)
def test_no_error_holds_the_key(cronitor: StandIn, fault: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    given = dict(fault)
    api = client(cronitor)
    cronitor.fault(given.pop("kind"), **given)
    with pytest.raises(CronitorError) as raised:
        api.put([MONITOR])
    error = raised.value
    assert SDK_KEY not in f"{error} {error!r} {error.__dict__} {caplog.text}"
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


class TestTls:
    @pytest.fixture
    def secure(self, tmp_path: Path) -> Iterator[StandIn]:
        with StandIn(keys=KEYS, directory=tmp_path) as stand_in:
            yield stand_in

    def test_a_ca_of_ones_own_is_trusted(self, secure: StandIn) -> None:
        assert MonitorsClient(f"{secure.https_url}/api", SDK_KEY, secure.ca_file).check_key() is KeyStanding.VALID

    def test_without_it_the_certificate_is_refused(self, secure: StandIn) -> None:
        with pytest.raises(CronitorError, match="SSLError"):
            MonitorsClient(f"{secure.https_url}/api", SDK_KEY).check_key()
        assert secure.requests() == []

    def test_the_public_authorities_are_trusted_beside_it(
        self, secure: StandIn, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The stand-in's authority plays a public one; the extra one is of no use here.
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(secure.ca_file))
        with StandIn(keys=KEYS, directory=tmp_path_factory.mktemp("other")) as other:
            api = MonitorsClient(f"{secure.https_url}/api", SDK_KEY, other.ca_file)
        assert api.check_key() is KeyStanding.VALID
