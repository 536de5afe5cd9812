"""The certificate over real TLS connections: verified by the bundle, exchanged while connections are open."""

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.unit.webhook.tls.api import NAMES, Api
from webhook.tls.certificates import BadCertificate, Issued, KeyPair, dns_names, issue, write_bundle
from webhook.tls.keeper import CertificateKeeper
from webhook.tls.serving import ServedCertificate

HOST = "release-admission.cronitor.svc"


def issued() -> Issued:
    now = datetime.now(UTC)
    return issue(dns_names("release-admission", "cronitor"), now - timedelta(hours=1), now + timedelta(days=365))


class Server:
    """Echoes what it receives; asks for the context once a connection, as gunicorn's hook does."""

    def __init__(self, serving: ServedCertificate) -> None:
        self._serving = serving
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        try:
            with self._serving.context.wrap_socket(connection, server_side=True) as tls:
                while received := tls.recv(100):
                    tls.sendall(received)
        except OSError:
            connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Client:
    """A connection that verifies the server as the API server does: by the bundle, for the Service's name."""

    def __init__(self, server: Server, bundle: bytes, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        context = ssl.create_default_context(cadata=bundle.decode())
        context.minimum_version = context.maximum_version = version
        self._tls = context.wrap_socket(socket.create_connection(server.address, timeout=30), server_hostname=HOST)

    def leaf(self) -> bytes:
        found = self._tls.getpeercert(binary_form=True)
        assert found is not None
        return x509.load_der_x509_certificate(found).public_bytes(Encoding.PEM)

    def echo(self, text: bytes) -> bytes:
        self._tls.sendall(text)
        return self._tls.recv(100)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._tls.close()


@pytest.fixture(name="serving")
def serving_nothing_yet() -> ServedCertificate:
    return ServedCertificate()


@pytest.fixture(name="server")
def server_on_loopback(serving: ServedCertificate) -> Iterator[Server]:
    server = Server(serving)
    yield server
    server.close()


def test_before_the_first_certificate_a_handshake_fails_and_the_server_lives_on(
    serving: ServedCertificate, server: Server
) -> None:
    found = issued()
    with pytest.raises(OSError):  # an alert or a reset, whichever comes first
        Client(server, write_bundle([found.authority]))
    assert not serving.loaded
    assert serving.expires_at is None
    serving.load(found.pair)
    with Client(server, write_bundle([found.authority])) as client:
        assert client.echo(b"hello") == b"hello"


def test_new_connections_see_the_new_leaf_and_old_ones_live_on(serving: ServedCertificate, server: Server) -> None:
    old, new = issued(), issued()
    both = write_bundle([old.authority, new.authority])
    serving.load(old.pair)
    with Client(server, both) as before:
        assert before.leaf() == old.pair.certificate_pem
        assert serving.load(new.pair)
        with Client(server, write_bundle([new.authority])) as after:
            assert after.leaf() == new.pair.certificate_pem
            assert after.echo(b"new") == b"new"
        assert before.echo(b"old") == b"old"
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(server, write_bundle([old.authority]))


def test_a_keepers_rotation_reaches_connections_without_a_restart(serving: ServedCertificate, server: Server) -> None:
    api = Api()
    # Leaves are verified at the real time here.
    api.now = datetime.now(UTC)
    keeper = CertificateKeeper(api, NAMES, serving, lambda: api.now)
    keeper.reconcile()
    with Client(server, api.bundle()) as before:
        api.pass_time(days=244)
        keeper.reconcile()
        api.pass_time(minutes=10)
        keeper.reconcile()
        with Client(server, api.bundle()) as after:
            assert after.leaf() == api.secret_entry("tls.crt") != before.leaf()
        assert before.echo(b"still here") == b"still here"


def test_tls_1_2_is_the_oldest_version_spoken(serving: ServedCertificate, server: Server) -> None:
    found = issued()
    serving.load(found.pair)
    with Client(server, write_bundle([found.authority]), ssl.TLSVersion.TLSv1_2) as client:
        assert client.echo(b"hello") == b"hello"
    assert serving.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_what_cannot_be_served_leaves_what_is_served_alone(serving: ServedCertificate) -> None:
    good, other = issued().pair, issued().pair
    serving.load(good)
    before = serving.context
    key = load_pem_private_key(good.key_pem, None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    for bad in (
        KeyPair(good.certificate_pem, other.key_pem),
        KeyPair(b"", b""),
        KeyPair(good.certificate_pem, encrypted),
    ):
        with pytest.raises(BadCertificate):
            serving.load(bad)
    assert serving.context is before
    assert not serving.load(good), "it is served already"


def test_expiry_is_that_of_the_leaf_served(serving: ServedCertificate) -> None:
    found = issued()
    serving.load(found.pair)
    assert serving.expires_at == x509.load_pem_x509_certificate(found.pair.certificate_pem).not_valid_after_utc


def test_loading_leaves_no_file_open_behind_it(serving: ServedCertificate) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(5):
        serving.load(issued().pair)
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1, "one is the listing's own"


def test_connections_made_while_certificates_change_all_succeed(serving: ServedCertificate, server: Server) -> None:
    pairs = [issued() for _ in range(4)]
    bundle = write_bundle([found.authority for found in pairs])
    serving.load(pairs[0].pair)
    done = threading.Event()

    def exchange() -> None:
        while not done.is_set():
            for found in pairs:
                serving.load(found.pair)
                done.wait(0.001)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(30):
            with Client(server, bundle) as client:
                assert client.echo(b"x") == b"x"
    finally:
        done.set()
        thread.join(30)


def test_openssl_verifies_the_chain_for_a_server(tmp_path: Path) -> None:
    found = issued()
    authority, leaf = tmp_path / "ca.pem", tmp_path / "leaf.pem"
    authority.write_bytes(write_bundle([found.authority]))
    leaf.write_bytes(found.pair.certificate_pem)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", HOST]
    subprocess.run([*command, "-CAfile", str(authority), str(leaf)], check=True, capture_output=True)
