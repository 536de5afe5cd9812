"""Two replicas, years of checks, every interleaving and breakdown a seeded chance comes up with.

At each moment every leaf that some replica serves is vouched for by the bundle published at that moment; in a
rotation that goes by plan, also by the one that an API server which hears of changes minutes late still uses.
"""

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from tests.unit.webhook.tls.api import CONFIGURATION, NAMES, SECRET, START, Api
from webhook.errors import KubeError
from webhook.tls.certificates import KeyPair, dns_names, read_bundle, read_leaf, signers
from webhook.tls.keeper import CertificateKeeper
from webhook.tls.rotation import plan
from webhook.tls.serving import ServedCertificate

DNS_NAMES = dns_names(NAMES.service, NAMES.namespace)


class Crash(Exception):  # noqa: N818 - no error, an end
    """The replica's process ends here, at once."""


class Replica:
    """A process that checks now and then. A crash takes what it served along, a failed request does not."""

    def __init__(self, api: Api, clock_error: timedelta = timedelta()) -> None:
        self._api = api
        self._clock_error = clock_error
        self.crashes = 0
        self.failures = 0
        self._start()

    def _start(self) -> None:
        self.serving = ServedCertificate()
        self._keeper = CertificateKeeper(self._api, NAMES, self.serving, lambda: self._api.now + self._clock_error)

    def check(self) -> None:
        try:
            self._keeper.reconcile()
        except KubeError:
            self.failures += 1
        except Crash:
            self.crashes += 1
            self._start()


class Vouching:
    """Asserts the invariant after everything that happens. A pair once judged is not judged again."""

    def __init__(self, api: Api, replicas: list[Replica], lag: timedelta = timedelta()) -> None:
        self._api = api
        self._replicas = replicas
        self._lag = lag
        self._judged: dict[tuple[bytes, bytes], bool] = {}

    def check(self) -> None:
        bundles = {self._api.bundle(), self._api.bundle_as_of(self._api.now - self._lag) or b""} - {b""}
        for replica in self._replicas:
            leaf = replica.serving.certificate_pem
            assert leaf is None or all(self._vouches(bundle, leaf) for bundle in bundles), self._api.now

    def _vouches(self, bundle: bytes, leaf: bytes) -> bool:
        if (bundle, leaf) not in self._judged:
            found = signers(read_leaf(KeyPair(leaf, b"")), read_bundle(bundle))
            self._judged[bundle, leaf] = bool(found)
        return self._judged[bundle, leaf]


def all_in_time(api: Api, replicas: list[Replica]) -> bool:
    leaves = [read_leaf(KeyPair(replica.serving.certificate_pem or b"", b"")) for replica in replicas]
    return all(leaf.not_valid_before_utc <= api.now < leaf.not_valid_after_utc for leaf in leaves)


def step_length(api: Api) -> timedelta:
    """An hour when something is due, up to five days where the plan says that nothing will be."""
    due = plan(api.objects.get(SECRET), api.now, DNS_NAMES).due or api.now
    return min(max((due - api.now) / 2, timedelta(hours=1)), timedelta(days=5))


def mischief(api: Api, replicas: list[Replica], chance: Random, vouching: Vouching) -> Callable[[str, str, str], None]:
    """Around each request: perhaps the other replica's whole check, perhaps a lost request, perhaps a crash."""
    depth = 0

    def on_call(_method: str, _path: str, _phase: str) -> None:
        nonlocal depth
        vouching.check()
        if depth:
            return
        luck = chance.random()
        if luck < 0.1:
            depth += 1
            chance.choice(replicas).check()
            depth -= 1
        elif luck < 0.13:
            raise Crash
        elif luck < 0.16:
            raise KubeError("no answer came", reason="ReadTimeoutError")

    return on_call


@pytest.mark.parametrize("seed", [1, 2])
def test_two_replicas_that_interleave_and_crash_serve_what_is_vouched_for_through_five_years(seed: int) -> None:
    api, chance = Api(), Random(seed)
    replicas = [Replica(api), Replica(api)]
    vouching = Vouching(api, replicas, lag=timedelta(minutes=5))
    api.on_call = mischief(api, replicas, chance, vouching)
    leaves: set[bytes] = set()
    while api.now < START + timedelta(days=5 * 365):
        for replica in chance.sample(replicas, 2):
            replica.check()
            vouching.check()
        if SECRET in api.objects:
            leaves.add(api.secret_entry("tls.crt"))
        api.now += step_length(api) * chance.uniform(0.5, 1.5)

    api.on_call = lambda method, path, phase: None
    for replica in replicas:
        replica.check()
    assert all_in_time(api, replicas)
    assert len(leaves) == 8, "one at the start, one every two thirds of a year"
    assert api.writes.count("create release-tls") == 1
    assert all(replica.crashes > 20 and replica.failures > 20 for replica in replicas)


def test_no_leaf_is_ever_served_out_of_its_time_while_checks_get_through() -> None:
    api = Api()
    replicas = [Replica(api), Replica(api)]
    while api.now < START + timedelta(days=3 * 365):
        for replica in replicas:
            replica.check()
        assert all_in_time(api, replicas)
        api.now += step_length(api)


def overwrite(api: Api, key: str, text: str) -> None:
    secret = api.objects[SECRET]
    secret["data"][key] = text
    api.put(SECRET, secret)


SABOTAGE: dict[str, Callable[[Api], object]] = {
    "the Secret is deleted": lambda api: api.objects.pop(SECRET),
    "the key is overwritten": lambda api: overwrite(api, "tls.key", "AAAA"),
    "the leaf is overwritten": lambda api: overwrite(api, "tls.crt", ""),
    "the bundle is overwritten": lambda api: overwrite(api, "ca.crt", ""),
    "everything is overwritten": lambda api: api.put(SECRET, {"metadata": {"name": "release-tls"}, "data": {}}),
    "the Secret expires unseen": lambda api: api.pass_time(days=500),
}


@pytest.mark.parametrize("sabotage", SABOTAGE)
def test_after_sabotage_replicas_that_have_not_noticed_yet_are_still_vouched_for(sabotage: str) -> None:
    api = Api()
    replicas = [Replica(api), Replica(api)]
    vouching = Vouching(api, replicas)
    for replica in replicas:
        replica.check()
    before = api.secret_entry("tls.crt")
    api.on_call = lambda method, path, phase: vouching.check()

    SABOTAGE[sabotage](api)
    for replica in replicas:
        replica.check()
        vouching.check()

    assert api.secret_entry("tls.crt") != before
    assert {replica.serving.certificate_pem for replica in replicas} == {api.secret_entry("tls.crt")}
    api.pass_time(days=8)
    replicas[0].check()
    assert len(read_bundle(api.bundle())) == 1


DAYS = [-20_000, -400, -1, 1, 250, 400, 3650]


@pytest.mark.parametrize("days", DAYS)
def test_a_replica_whose_clock_is_wrong_neither_harms_the_leaf_nor_fights_the_others(days: int) -> None:
    api = Api()
    replicas = [Replica(api, timedelta(days=days)), Replica(api)]
    vouching = Vouching(api, replicas)
    while api.now < START + timedelta(days=2 * 365):
        for replica in replicas:
            replica.check()
        for replica in replicas:
            replica.check()
        vouching.check()
        assert all_in_time(api, replicas), api.now
        api.now += timedelta(days=9)
    assert len([write for write in api.writes if write.endswith("release-tls")]) < 30


@pytest.mark.parametrize("days", DAYS)
def test_replicas_that_are_wrong_by_the_same_amount_still_serve_what_the_api_server_accepts(days: int) -> None:
    api = Api()
    replicas = [Replica(api, timedelta(days=days)), Replica(api, timedelta(days=days))]
    for _ in range(3):
        for replica in replicas:
            replica.check()
    assert all_in_time(api, replicas)
    assert CONFIGURATION in api.objects
