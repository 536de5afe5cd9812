"""The plan as of any moment, one decision at a time; nothing here knows of a cluster."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from webhook.tls.certificates import KeyPair, dns_names, issue, leaf_names, read_leaf, signers
from webhook.tls.rotation import Periods, Plan, Step, carry_out, plan
from webhook.tls.secret import Contents, read_secret, write_secret

Secret = dict[str, Any]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = dns_names("release-admission", "cronitor")
PERIODS = Periods()
DUE = NOW + timedelta(days=244)


def stored(contents: Contents, at: datetime) -> Secret:
    """The Secret as the API server would hold it after a write at this time."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    empty = {"metadata": {"name": "tls", "creationTimestamp": stamp, "managedFields": [{"time": stamp}]}}
    return write_secret(empty, contents)


def after(step: Step, secret: Secret | None, at: datetime, names: tuple[str, ...] = NAMES) -> Secret:
    return stored(carry_out(step, None if secret is None else read_secret(secret), at, names), at)


def steps_from(secret: Secret | None, at: datetime) -> list[Step]:
    """The steps taken one after the other at one moment, publication being no obstacle."""
    taken: list[Step] = []
    while (planned := plan(secret, at, NAMES)).step is not Step.KEEP:
        secret = after(planned.step, secret, at)
        taken.append(planned.step)
        assert len(taken) < 10, taken
    return taken


@pytest.fixture(name="fresh")
def fresh_secret() -> Secret:
    return after(Step.CREATE, None, NOW)


@pytest.fixture(name="introduced")
def introduced_secret(fresh: Secret) -> Secret:
    return after(Step.INTRODUCE, fresh, DUE)


@pytest.fixture(name="confirmed")
def confirmed_secret(introduced: Secret) -> Secret:
    return after(Step.CONFIRM, introduced, DUE)


def test_without_a_secret_one_is_created_and_then_left_alone_for_two_thirds_of_its_life() -> None:
    assert plan(None, NOW, NAMES).step is Step.CREATE
    secret = after(Step.CREATE, None, NOW)
    for days in (0, 1, 100, 243):
        assert plan(secret, NOW + timedelta(days=days), NAMES).step is Step.KEEP
    due = plan(secret, NOW, NAMES).due
    assert due is not None
    assert due == NOW + timedelta(days=365) * 2 / 3


def test_renewal_introduces_a_coming_leaf_beside_the_one_in_use(fresh: Secret, introduced: Secret) -> None:
    assert plan(fresh, DUE, NAMES).step is Step.INTRODUCE
    before, now = read_secret(fresh), read_secret(introduced)
    assert now.current == before.current
    assert now.authorities[0] == before.authorities[0]
    assert now.coming is not None
    assert signers(read_leaf(now.coming), now.authorities) == now.authorities[1:]


def test_the_leaf_changes_only_after_its_authority_was_published_and_has_settled(
    introduced: Secret, confirmed: Secret
) -> None:
    assert plan(introduced, DUE + timedelta(days=30), NAMES).step is Step.CONFIRM
    assert plan(confirmed, DUE + timedelta(minutes=9), NAMES).step is Step.KEEP
    assert plan(confirmed, DUE, NAMES).due == DUE + PERIODS.settle
    assert plan(confirmed, DUE + PERIODS.settle, NAMES).step is Step.SWITCH


def test_confirming_and_switching_need_the_bundle_to_be_published_and_nothing_else_does() -> None:
    assert {step for step in Step if Plan(step, "").needs_publication} == {Step.CONFIRM, Step.SWITCH}


def test_the_old_authority_stays_for_a_week_after_the_switch(confirmed: Secret) -> None:
    at = DUE + PERIODS.settle
    switched = after(Step.SWITCH, confirmed, at)
    coming = read_secret(confirmed).coming
    assert read_secret(switched).current == coming
    assert read_secret(switched).coming is None
    assert len(read_secret(switched).authorities) == 2
    assert plan(switched, at + timedelta(days=6), NAMES).step is Step.KEEP
    assert plan(switched, at + timedelta(days=7), NAMES).step is Step.RETIRE
    retired = read_secret(after(Step.RETIRE, switched, at + timedelta(days=7)))
    assert len(retired.authorities) == 1
    assert signers(read_leaf(retired.current), retired.authorities)


def test_a_secret_nobody_has_looked_at_for_years_is_replaced_at_once(fresh: Secret) -> None:
    assert steps_from(fresh, NOW.replace(year=2031)) == [Step.REPLACE]


def set_entry(key: str, content: bytes) -> Callable[[Secret], None]:
    def spoil(secret: Secret) -> None:
        secret["data"][key] = base64.b64encode(content).decode()

    return spoil


def drop_entry(key: str) -> Callable[[Secret], None]:
    def spoil(secret: Secret) -> None:
        del secret["data"][key]

    return spoil


def set_entries(entries: object) -> Callable[[Secret], None]:
    def spoil(secret: Secret) -> None:
        secret["data"] = entries

    return spoil


OTHER = issue(NAMES, NOW, NOW + timedelta(days=365)).pair

BROKEN: dict[str, Callable[[Secret], None]] = {
    "empty": set_entries({}),
    "no data": set_entries(None),
    "data of another kind": set_entries(["tls.crt"]),
    "not base64": set_entries({"tls.crt": "§", "tls.key": "?", "ca.crt": 7}),
    "no leaf": drop_entry("tls.crt"),
    "no key": drop_entry("tls.key"),
    "no bundle": drop_entry("ca.crt"),
    "garbled leaf": set_entry("tls.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    "garbled key": set_entry("tls.key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    "another leaf's key": set_entry("tls.key", OTHER.key_pem),
    "a leaf the bundle does not vouch for": lambda secret: (
        set_entry("tls.crt", OTHER.certificate_pem)(secret),
        set_entry("tls.key", OTHER.key_pem)(secret),
    )[0],
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_or_half_written_secret_is_repaired_in_one_step(fault: str, fresh: Secret) -> None:
    BROKEN[fault](fresh)
    planned = plan(fresh, NOW, NAMES)
    assert planned.step is Step.REPLACE
    assert planned.serve is None
    repaired = after(Step.REPLACE, fresh, NOW)
    assert plan(repaired, NOW, NAMES).step is Step.KEEP


def test_a_repair_keeps_the_authorities_by_which_replicas_may_still_serve(fresh: Secret) -> None:
    before = read_secret(fresh).authorities
    set_entry("tls.key", b"")(fresh)
    assert read_secret(after(Step.REPLACE, fresh, NOW)).authorities[:1] == before
    remembered = carry_out(Step.CREATE, None, NOW, NAMES, known=before)
    assert remembered.authorities[:1] == before


def test_repairs_do_not_let_the_bundle_grow_for_ever(fresh: Secret) -> None:
    for day in range(10):
        set_entry("tls.key", b"")(fresh)
        fresh = after(Step.REPLACE, fresh, NOW + timedelta(days=day))
    assert len(read_secret(fresh).authorities) <= 4
    assert steps_from(fresh, NOW + timedelta(days=20)) == [Step.RETIRE]


def test_a_foreign_certificate_that_serves_the_purpose_is_served_until_it_is_due() -> None:
    foreign = issue((*NAMES, "extra.example.org"), NOW, NOW + timedelta(days=90))
    secret = stored(Contents(foreign.pair, None, (foreign.authority,)), NOW)
    planned = plan(secret, NOW, NAMES)
    assert planned.step is Step.KEEP
    assert planned.serve == foreign.pair
    assert plan(secret, NOW + timedelta(days=61), NAMES).step is Step.INTRODUCE


def test_after_a_rename_the_new_leaf_serves_old_and_new_name_so_that_two_versions_do_not_fight(fresh: Secret) -> None:
    renamed = dns_names("renamed", "cronitor")
    assert plan(fresh, NOW, renamed).step is Step.REPLACE
    secret = after(Step.REPLACE, fresh, NOW, renamed)
    assert plan(secret, NOW, renamed).step is Step.KEEP
    assert plan(secret, NOW, NAMES).step is Step.KEEP
    coming = read_secret(after(Step.INTRODUCE, secret, DUE, renamed)).coming
    assert coming is not None
    assert leaf_names(read_leaf(coming)) == renamed


def test_a_coming_leaf_that_was_spoilt_is_made_anew_and_its_authority_goes(introduced: Secret) -> None:
    set_entry("next.key", b"")(introduced)
    assert plan(introduced, DUE, NAMES).step is Step.INTRODUCE
    again = after(Step.INTRODUCE, introduced, DUE)
    assert len(read_secret(again).authorities) == 2
    assert plan(again, DUE, NAMES).step is Step.CONFIRM


def test_a_coming_leaf_that_is_spoilt_and_not_needed_is_dropped_with_its_authority(fresh: Secret) -> None:
    early = NOW + timedelta(days=1)
    introduced = after(Step.INTRODUCE, fresh, early)
    set_entry("next.key", b"")(introduced)
    assert plan(introduced, early, NAMES).step is Step.ABANDON
    abandoned = after(Step.ABANDON, introduced, early)
    assert read_secret(abandoned).authorities == read_secret(fresh).authorities
    assert plan(abandoned, early, NAMES).step is Step.KEEP


def test_marks_that_are_missing_or_unreadable_do_not_stop_the_rotation(confirmed: Secret) -> None:
    confirmed["metadata"]["annotations"] = {"k8s.cronitor.io/tls-published-at": "yesterday"}
    assert steps_from(confirmed, DUE) == [Step.CONFIRM]
    switched = after(Step.SWITCH, confirmed, DUE)
    switched["metadata"]["annotations"] = None
    assert plan(switched, DUE + timedelta(days=6), NAMES).step is Step.KEEP
    assert plan(switched, DUE + timedelta(days=7), NAMES).step is Step.RETIRE


def test_a_mark_from_a_clock_far_ahead_does_not_hold_the_rotation_up(introduced: Secret) -> None:
    ahead = carry_out(Step.CONFIRM, read_secret(introduced), NOW.replace(year=2036), NAMES)
    secret = stored(ahead, DUE)
    assert plan(secret, DUE + PERIODS.settle, NAMES).step is Step.SWITCH


@pytest.mark.parametrize("year", [1970, 1999, 2025])
def test_a_clock_far_behind_changes_nothing_that_is_good(year: int, fresh: Secret) -> None:
    assert plan(fresh, NOW.replace(year=year), NAMES).step is Step.KEEP


@pytest.mark.parametrize("year", [2028, 2036, 2099])
def test_a_clock_far_ahead_makes_one_leaf_that_is_good_now_as_well_and_is_then_content(
    year: int, fresh: Secret
) -> None:
    ahead = NOW.replace(year=year)
    assert plan(fresh, ahead, NAMES).step is Step.REPLACE
    secret = stored(carry_out(Step.REPLACE, read_secret(fresh), ahead, NAMES), NOW)
    at_rest = {plan(secret, at, NAMES).step for at in (NOW, ahead, NOW + timedelta(days=6))}
    assert at_rest <= {Step.KEEP, Step.RETIRE}


@pytest.mark.parametrize("year", [1970, 2036])
def test_a_secret_first_made_by_a_wrong_clock_is_put_right_by_the_api_servers_stamp(year: int) -> None:
    wrong = NOW.replace(year=year)
    secret = stored(carry_out(Step.CREATE, None, wrong, NAMES), NOW)
    assert plan(secret, wrong, NAMES).step is Step.REPLACE
    secret = stored(carry_out(Step.REPLACE, read_secret(secret), wrong, NAMES), NOW)
    assert plan(secret, wrong, NAMES).step is Step.KEEP
    leaf = read_leaf(read_secret(secret).current)
    assert leaf.not_valid_before_utc < NOW < leaf.not_valid_after_utc


def test_what_others_keep_in_the_secret_stays(fresh: Secret) -> None:
    fresh["data"]["keystore.p12"] = "AAAA"
    fresh["metadata"]["labels"] = {"backup": "yes"}
    fresh["metadata"]["resourceVersion"] = "7"
    written = write_secret(fresh, carry_out(Step.INTRODUCE, read_secret(fresh), DUE, NAMES))
    assert written["data"]["keystore.p12"] == "AAAA"
    assert written["metadata"]["labels"] == {"backup": "yes"}
    assert written["metadata"]["resourceVersion"] == "7"
    assert set(written["data"]) == {"tls.crt", "tls.key", "ca.crt", "next.crt", "next.key", "keystore.p12"}


def test_no_private_key_shows_in_a_plan_or_in_contents(introduced: Secret) -> None:
    contents = read_secret(introduced)
    shown = f"{contents!r} {plan(introduced, DUE, NAMES)!r}"
    assert isinstance(contents.coming, KeyPair)
    for key in (contents.current.key_pem, contents.coming.key_pem):
        assert key.splitlines()[1].decode() not in shown
    assert "PRIVATE" not in shown
