"""One replica's keeper against an API server in memory: races, refusals, and the loop it runs in."""

import base64
import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.unit.webhook.tls.api import CONFIGURATION, NAMES, OWNER, SECRET, SECRETS, Api
from webhook.errors import Forbidden, KubeError, NotFound
from webhook.tls.keeper import CertificateKeeper, Pace
from webhook.tls.rotation import Periods
from webhook.tls.serving import ServedCertificate

DUE = timedelta(days=244)
QUICK = Pace(check=3600, breather=0.001, first_retry=0.001, longest_retry=0.01)


class Replica:
    def __init__(self, api: Api, pace: Pace | None = None) -> None:
        self.serving = ServedCertificate()
        self.keeper = CertificateKeeper(api, NAMES, self.serving, lambda: api.now, Periods(), pace)


@pytest.fixture(name="api")
def api_in_memory() -> Api:
    return Api()


def test_the_first_check_creates_publishes_and_serves(api: Api) -> None:
    replica = Replica(api)
    assert replica.keeper.reconcile() == timedelta(hours=1)
    secret = api.objects[SECRET]
    assert secret["type"] == "kubernetes.io/tls"
    assert set(secret["data"]) == {"tls.crt", "tls.key", "ca.crt"}
    assert api.bundle() == api.secret_entry("ca.crt")
    assert replica.serving.certificate_pem == api.secret_entry("tls.crt")
    assert secret["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "name": "release-sidecar",
            "uid": "uid-of-the-cluster-role",
        }
    ]


def test_checks_with_nothing_to_do_write_nothing(api: Api) -> None:
    first, second = Replica(api), Replica(api)
    first.keeper.reconcile()
    writes = list(api.writes)
    first.keeper.reconcile()
    second.keeper.reconcile()
    assert api.writes == writes == ["create release-tls", "patch release"]


@pytest.mark.parametrize("method", ["get", "create", "patch"])
def test_two_replicas_that_start_together_settle_on_one_certificate(api: Api, method: str) -> None:
    first, second = Replica(api), Replica(api)
    interrupt(api, method, "before", second)
    first.keeper.reconcile()
    assert api.writes.count("create release-tls") == 1
    assert first.serving.certificate_pem == second.serving.certificate_pem == api.secret_entry("tls.crt")
    assert api.bundle() == api.secret_entry("ca.crt")


@pytest.mark.parametrize("path", [CONFIGURATION, SECRET])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_bundle_from_a_newer_secret_is_never_overwritten_by_one_read_before(api: Api, path: str, phase: str) -> None:
    first, second = Replica(api), Replica(api)
    first.keeper.reconcile()
    interrupt(api, "get", phase, second, path=path, then=lambda: api.pass_time(days=244))
    first.keeper.reconcile()
    assert [bundle.count(b"BEGIN") for _, bundle in api.published] == [1, 2]
    assert api.bundle() == api.secret_entry("ca.crt")


def test_a_patch_of_a_configuration_that_has_changed_since_is_refused_and_all_is_read_again(api: Api) -> None:
    first, second = Replica(api), Replica(api)
    first.keeper.reconcile()
    api.install()
    interrupt(api, "patch", "before", second, then=lambda: api.pass_time(days=244))
    first.keeper.reconcile()
    assert [bundle.count(b"BEGIN") for _, bundle in api.published] == [1, 1, 2]
    assert api.bundle() == api.secret_entry("ca.crt")


def interrupt(
    api: Api, method: str, phase: str, other: Replica, path: str = "", then: Callable[[], None] = lambda: None
) -> None:
    """At the first such call, and once: `then`, and the other replica's whole check."""

    def on_call(called: str, target: str, when: str) -> None:
        if (called, when) == (method, phase) and path in ("", target):
            api.on_call = lambda method, path, phase: None
            then()
            other.keeper.reconcile()

    api.on_call = on_call


def test_a_missing_configuration_is_served_without_and_published_to_when_it_appears() -> None:
    api = Api(webhooks=0)
    replica = Replica(api)
    assert replica.keeper.reconcile() == timedelta(minutes=1)
    assert replica.serving.loaded
    api.install()
    assert replica.keeper.reconcile() == timedelta(hours=1)
    assert api.bundle() == api.secret_entry("ca.crt")


def test_the_leaf_does_not_change_while_there_is_nowhere_to_publish(api: Api) -> None:
    replica = Replica(api)
    replica.keeper.reconcile()
    leaf = api.secret_entry("tls.crt")
    del api.objects[CONFIGURATION]
    api.pass_time(days=244)
    for _ in range(3):
        assert replica.keeper.reconcile() == timedelta(minutes=1)
        api.pass_time(hours=1)
    assert api.secret_entry("tls.crt") == leaf
    api.install()
    assert replica.keeper.reconcile() == timedelta(minutes=10)
    api.pass_time(minutes=10)
    replica.keeper.reconcile()
    assert replica.serving.certificate_pem == api.secret_entry("tls.crt") != leaf


def test_a_bundle_that_somebody_took_out_of_one_webhook_is_put_back_there_alone(api: Api) -> None:
    replica = Replica(api)
    replica.keeper.reconcile()
    configuration = api.objects[CONFIGURATION]
    configuration["webhooks"][1]["clientConfig"]["caBundle"] = base64.b64encode(b"other").decode()
    configuration["webhooks"][0]["timeoutSeconds"] = 7
    api.objects[CONFIGURATION] = configuration
    replica.keeper.reconcile()
    assert api.bundle() == api.secret_entry("ca.crt")
    assert api.objects[CONFIGURATION]["webhooks"][0]["timeoutSeconds"] == 7


def test_a_webhook_removed_in_the_meantime_only_means_to_read_again(api: Api) -> None:
    replica = Replica(api)

    def on_call(method: str, _path: str, _phase: str) -> None:
        if method == "patch":
            api.on_call = lambda method, path, phase: None
            api.install(webhooks=1)

    api.on_call = on_call
    replica.keeper.reconcile()
    assert len(api.objects[CONFIGURATION]["webhooks"]) == 1
    assert api.bundle() == api.secret_entry("ca.crt")


def refuse(api: Api, error: KubeError, method: str, path: str) -> None:
    def on_call(called: str, target: str, phase: str) -> None:
        if (called, target, phase) == (method, path, "before"):
            raise error

    api.on_call = on_call


def test_without_the_right_to_publish_a_new_leaf_is_not_served_but_a_first_one_is(api: Api) -> None:
    running, started = Replica(api), Replica(api)
    running.keeper.reconcile()
    before = running.serving.certificate_pem
    del api.objects[SECRET]
    refuse(api, Forbidden("PATCH: 403 Forbidden", status=403, reason="Forbidden"), "patch", CONFIGURATION)
    for replica in (running, started):
        with pytest.raises(Forbidden):
            replica.keeper.reconcile()
    assert running.serving.certificate_pem == before
    assert started.serving.certificate_pem == api.secret_entry("tls.crt") != before


def test_without_the_right_to_renew_the_present_leaf_is_served_on(api: Api) -> None:
    Replica(api).keeper.reconcile()
    api.now += DUE
    refuse(api, Forbidden("PUT: 403 Forbidden", status=403, reason="Forbidden"), "replace", SECRET)
    started = Replica(api)
    with pytest.raises(Forbidden):
        started.keeper.reconcile()
    assert started.serving.certificate_pem == api.secret_entry("tls.crt")


@pytest.mark.parametrize("error", [Forbidden("403", status=403), KubeError("no answer")])
def test_an_owner_that_cannot_be_read_does_not_hold_anything_up(api: Api, error: KubeError) -> None:
    refuse(api, error, "get", OWNER)
    Replica(api).keeper.reconcile()
    assert "ownerReferences" not in api.objects[SECRET]["metadata"]


def test_without_its_owner_no_secret_is_made_that_would_outlive_the_release(api: Api) -> None:
    refuse(api, NotFound("404", status=404), "get", OWNER)
    with pytest.raises(NotFound):
        Replica(api).keeper.reconcile()
    assert SECRET not in api.objects


def test_a_namespace_that_is_not_there_is_an_error_and_no_endless_loop(api: Api) -> None:
    refuse(api, NotFound("POST: 404 NotFound", status=404, reason="NotFound"), "create", SECRETS)
    with pytest.raises(NotFound):
        Replica(api).keeper.reconcile()


def test_no_private_key_is_ever_logged_or_raised(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    replica, keys, raised = Replica(api), set[bytes](), ""
    for tenth_day in range(60):
        api.now += timedelta(days=10)
        refuse(api, KubeError("PUT: 500", status=500, reason="InternalError"), "replace", SECRET)
        for _ in range(2):
            try:
                replica.keeper.reconcile()
            except KubeError as error:
                raised += f"{error!r} {error.__cause__!r} {error.__context__!r}"
            api.on_call = lambda method, path, phase: None
        keys |= {api.secret_entry(name) for name in ("tls.key", "next.key") if name in api.objects[SECRET]["data"]}
        if tenth_day == 50:
            api.objects[SECRET]["data"]["tls.key"] = base64.b64encode(api.secret_entry("tls.key")[:-70]).decode()
    shown = raised + " ".join(str(record.__dict__) for record in caplog.records)
    assert len(keys) >= 3
    assert "tls_secret_written" in shown
    assert "PUT: 500" in shown
    for key in keys:
        assert key.splitlines()[1].decode() not in shown
        assert base64.b64encode(key).decode()[:60] not in shown


class Running:
    """The keeper's loop in a thread of its own, with an event for each check that has come to its end."""

    def __init__(self, api: Api) -> None:
        self._stop = threading.Event()
        self.replica = Replica(api, QUICK)
        self._thread = threading.Thread(target=self.replica.keeper.run, args=(self._stop,))

    def __enter__(self) -> Replica:
        self._thread.start()
        return self.replica

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.replica.keeper.poke()
        self._thread.join(30)
        assert not self._thread.is_alive()


def event_at(api: Api, method: str, path: str) -> threading.Event:
    seen = threading.Event()

    def on_call(called: str, target: str, phase: str) -> None:
        if (called, target, phase) == (method, path, "after"):
            seen.set()

    api.on_call = on_call
    return seen


def test_a_poke_makes_the_loop_look_at_once(api: Api) -> None:
    published = event_at(api, "patch", CONFIGURATION)
    with Running(api) as replica:
        assert published.wait(30)
        again = event_at(api, "patch", CONFIGURATION)
        api.install()
        replica.keeper.poke()
        assert again.wait(30), "the next check by the clock is an hour away"


def test_a_check_that_fails_is_tried_again_without_a_poke(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    failures: list[int] = []
    created = threading.Event()

    def on_call(method: str, path: str, phase: str) -> None:
        if method == "create" and phase == "after":
            created.set()
        elif phase == "before" and len(failures) < 5:
            failures.append(1)
            raise (KubeError("no answer came") if len(failures) % 2 else ZeroDivisionError("unforeseen"))

    api.on_call = on_call
    with Running(api):
        assert created.wait(30)
    failed = [record for record in caplog.records if record.message == "certificate_check_failed"]
    assert len(failed) == 5
    assert [bool(record.exc_info) for record in failed] == [False, True, False, True, False]
