"""What is issued is what a TLS client accepts, and what cannot be used is said to be so without showing it."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from webhook.tls.certificates import (
    BadCertificate,
    Issued,
    KeyPair,
    dns_names,
    issue,
    leaf_names,
    read_bundle,
    read_leaf,
    read_pair,
    serves_tls,
    signers,
    write_bundle,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = dns_names("release-admission", "cronitor")


def issued(names: tuple[str, ...] = NAMES, at: datetime = NOW) -> Issued:
    return issue(names, at - timedelta(hours=1), at + timedelta(days=365))


def verify(found: Issued, name: str, at: datetime) -> None:
    policy = PolicyBuilder().store(Store([found.authority])).time(at)
    policy.build_server_verifier(x509.DNSName(name)).verify(read_leaf(found.pair), [])


@pytest.mark.parametrize(
    "name",
    ["release-admission.cronitor.svc", "release-admission.cronitor.svc.cluster.local", "release-admission.cronitor"],
)
def test_a_client_accepts_the_leaf_for_every_name_of_the_service(name: str) -> None:
    verify(issued(), name, NOW)


def test_a_client_refuses_the_leaf_for_another_name_outside_its_time_and_by_another_authority() -> None:
    ours, other = issued(), issued()
    for name, at in (
        ("other.cronitor.svc", NOW),
        (NAMES[0], NOW - timedelta(hours=2)),
        (NAMES[0], NOW.replace(year=2028)),
    ):
        with pytest.raises(VerificationError):
            verify(ours, name, at)
    with pytest.raises(VerificationError):
        verify(Issued(ours.pair, other.authority), NAMES[0], NOW)


def test_a_service_name_longer_than_a_common_name_may_be_is_no_trouble() -> None:
    names = dns_names("a" * 63, "b" * 63)
    verify(issued(names), names[0], NOW)


def test_dates_beyond_2050_are_issued_and_read() -> None:
    leaf = read_pair(issued(at=datetime(2061, 1, 1, tzinfo=UTC)).pair)
    assert leaf.not_valid_after_utc == datetime(2062, 1, 1, tzinfo=UTC)


def test_the_leaf_is_a_p256_server_certificate_for_the_names_and_signs_nothing() -> None:
    leaf = read_pair(issued().pair)
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert leaf_names(leaf) == NAMES
    assert serves_tls(leaf)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_two_authorities_never_share_a_subject() -> None:
    assert issued().authority.subject != issued().authority.subject


def test_only_its_own_authority_signed_a_leaf() -> None:
    ours, other = issued(), issued()
    assert signers(read_pair(ours.pair), (other.authority, ours.authority)) == (ours.authority,)


def test_a_bundle_keeps_each_certificate_once_and_leaves_out_what_cannot_be_read() -> None:
    first, second = issued().authority, issued().authority
    garbage = b"-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
    bundle = b"# a comment\n" + write_bundle([first, second, first]) + garbage + b"-----BEGIN CERTIFICATE-----\ncut"
    assert read_bundle(bundle) == (first, second)
    assert read_bundle(b"") == ()


def test_a_pair_that_cannot_be_used_is_refused_without_quoting_it() -> None:
    ours, other = issued().pair, issued().pair
    broken = {
        "certificate cannot be read": KeyPair(b"", ours.key_pem),
        "private key cannot be read": KeyPair(ours.certificate_pem, ours.key_pem[:-60]),
        "private key is not the certificate's": KeyPair(ours.certificate_pem, other.key_pem),
    }
    for reason, pair in broken.items():
        with pytest.raises(BadCertificate, match=reason) as caught:
            read_pair(pair)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "PRIVATE" not in repr(ours)
