"""The webhook's certificates: made and examined. Pure crypto: the time is passed in, nothing is read or written.

Every issue makes an authority (CA) of its own, signs one leaf with it and throws the authority's key away. So no
key that could sign anything is ever kept, a rotation is always the same path, and an authority left in a bundle a
little longer than needed vouches for nothing but the one leaf it signed. An authority lives as long as its leaf.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CURVE = ec.SECP256R1()
_END = b"-----END CERTIFICATE-----"
_BEGIN = b"-----BEGIN CERTIFICATE-----"


class BadCertificate(ValueError):  # noqa: N818 - says what it is
    """A certificate or key cannot be used. The message never quotes what was read: it may be a key."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A leaf certificate (chain) and its private key, as PEM. Not verified."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new leaf and the authority that signed it and nothing else."""

    pair: KeyPair
    authority: x509.Certificate


def dns_names(service: str, namespace: str) -> tuple[str, ...]:
    """The names a Service is called by; the API server uses the first."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local", f"{service}.{namespace}")


def issue(names: Sequence[str], not_before: datetime, not_after: datetime) -> Issued:
    """A new authority and a leaf for these DNS names, both valid for exactly this time."""
    authority_key, leaf_key = ec.generate_private_key(_CURVE), ec.generate_private_key(_CURVE)
    serial = x509.random_serial_number()
    # A subject of its own for each authority: verifiers look issuers up by name first.
    authority_name = _common_name(f"cronitor-k8s webhook CA {serial:040x}"[:64])
    authority = (
        _builder(authority_name, authority_name, authority_key, not_before, not_after)
        .serial_number(serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, SHA256())
    )
    # The names are in the SAN alone: a common name is cut at 64 characters, a Service's full name may be longer.
    leaf = (
        _builder(_common_name("cronitor-k8s admission"), authority_name, leaf_key, not_before, not_after)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(leaf_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, SHA256())
    )
    key_pem = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Issued(KeyPair(leaf.public_bytes(Encoding.PEM), key_pem), authority)


def read_leaf(pair: KeyPair) -> x509.Certificate:
    """The pair's leaf, its key left aside; BadCertificate if it does not parse."""
    try:
        return x509.load_pem_x509_certificate(pair.certificate_pem)
    except ValueError:
        raise BadCertificate("the certificate cannot be read") from None


def read_pair(pair: KeyPair) -> x509.Certificate:
    """The pair's leaf; BadCertificate if it does not parse, or the key is not the leaf's."""
    leaf = read_leaf(pair)
    try:
        leaf_public_key = leaf.public_key()
        public_key = load_pem_private_key(pair.key_pem, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # `from None`: whatever the parser has to say about a private key stays unsaid.
        raise BadCertificate("the private key cannot be read") from None
    if public_key != leaf_public_key:
        raise BadCertificate("the private key is not the certificate's")
    return leaf


def read_bundle(bundle: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in a bundle, each once, in order; what cannot be read is left out."""
    found: list[x509.Certificate] = []
    for part in bundle.split(_END)[:-1]:
        start = part.rfind(_BEGIN)
        if start < 0:
            continue
        try:
            certificate = x509.load_pem_x509_certificate(part[start:] + _END + b"\n")
        except ValueError:
            continue
        if certificate not in found:
            found.append(certificate)
    return tuple(found)


def write_bundle(authorities: Iterable[x509.Certificate]) -> bytes:
    return b"".join(authority.public_bytes(Encoding.PEM) for authority in authorities)


def signers(leaf: x509.Certificate, authorities: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Those of the authorities that signed this leaf."""
    return tuple(authority for authority in authorities if _signed(leaf, authority))


def leaf_names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The DNS names a leaf is for."""
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(extension.value.get_values_for_type(x509.DNSName))


def serves_tls(leaf: x509.Certificate) -> bool:
    """Whether the leaf may be a server's: the extended key usage says so, or says nothing."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def _signed(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .not_valid_before(not_before.replace(microsecond=0))
        .not_valid_after(not_after.replace(microsecond=0))
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
