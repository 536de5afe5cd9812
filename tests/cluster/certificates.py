"""Makes the cluster's certificates on the spot: a CA, one pair for each component, the ServiceAccount key."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.cluster.layout import API_SERVICE_IP, NODE_IP, NODE_NAME

LIFE = datetime.timedelta(days=365)
EXPORT = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate speaks for: to the API server, CN is the user's name and O the group."""

    file: str
    common_name: str
    organization: str | None = None
    names: Sequence[str] = ()


SUBJECTS = (
    Subject(
        "apiserver", "kube-apiserver",
        names=(
            NODE_IP, API_SERVICE_IP, "127.0.0.1", "localhost",
            "kubernetes", "kubernetes.default", "kubernetes.default.svc",
        ),
    ),
    Subject("admin", "admin", "system:masters"),
    Subject("kube-controller-manager", "system:kube-controller-manager"),
    Subject("kube-scheduler", "system:kube-scheduler"),
    Subject("kube-proxy", "system:kube-proxy"),
    Subject("kubelet", f"system:node:{NODE_NAME}", "system:nodes", (NODE_IP, NODE_NAME)),
    Subject("apiserver-kubelet-client", "apiserver-kubelet-client", "system:masters"),
)  # fmt: skip


def write(folder: Path, now: datetime.datetime) -> None:
    """Writes `NAME.crt` and `NAME.key` for everyone, `ca.crt`, and the ServiceAccount pair `sa.key`, `sa.pub`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("cronitor-k8s test cluster", None)
    ca = _builder(ca_name, ca_name, ca_key.public_key(), now)
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    ca_certificate = ca.sign(ca_key, hashes.SHA256())
    (folder / "ca.crt").write_bytes(ca_certificate.public_bytes(serialization.Encoding.PEM))
    for subject in SUBJECTS:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _leaf(subject, key, ca_name, now).sign(ca_key, hashes.SHA256())
        (folder / f"{subject.file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{subject.file}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *EXPORT))
    account = ec.generate_private_key(ec.SECP256R1())
    public = account.public_key()
    (folder / "sa.key").write_bytes(account.private_bytes(serialization.Encoding.PEM, *EXPORT))
    (folder / "sa.pub").write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _leaf(
    subject: Subject, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, now: datetime.datetime
) -> x509.CertificateBuilder:
    name = _name(subject.common_name, subject.organization)
    usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    leaf = _builder(name, issuer, key.public_key(), now).add_extension(usages, critical=False)
    if subject.names:
        leaf = leaf.add_extension(x509.SubjectAlternativeName([_alternative(n) for n in subject.names]), critical=False)
    return leaf


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common_name: str, organization: str | None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFE)
    )
