"""The certificate as it is served: an SSL context that is exchanged for a new one when the certificate is.

Not one context whose chain is loaded again: OpenSSL does not allow that while other threads begin handshakes with
it (between certificate and key the context has neither), and a session resumed in it would keep the old identity.
A connection keeps the context that it began with.
"""

import os
import ssl
import threading
from datetime import datetime

from webhook.tls.certificates import KeyPair, read_pair


class ServedCertificate:
    """What new connections are served with. Before the first `load` every handshake fails."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._context = _empty_context()
        self._pair: KeyPair | None = None
        self._expires_at: datetime | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """For one new connection: ask again for the next."""
        return self._context

    @property
    def loaded(self) -> bool:
        return self._pair is not None

    @property
    def expires_at(self) -> datetime | None:
        return self._expires_at

    @property
    def certificate_pem(self) -> bytes | None:
        return self._pair.certificate_pem if self._pair else None

    def load(self, pair: KeyPair) -> bool:
        """Serve this pair from the next connection on; False if it is the one served already.

        Raises BadCertificate or ssl.SSLError, and then goes on with what it had.
        """
        with self._loading:
            if pair == self._pair:
                return False
            leaf = read_pair(pair)
            context = _empty_context()
            _load_chain(context, pair)
            self._context, self._pair, self._expires_at = context, pair, leaf.not_valid_after_utc
            return True


def _empty_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load_chain(context: ssl.SSLContext, pair: KeyPair) -> None:
    # The ssl module takes file names only. A file in memory has one, and never touches a disk.
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pair.certificate_pem + b"\n" + pair.key_pem)
        file.flush()
        # Without a password to give, an encrypted key would make OpenSSL ask for one on the terminal.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "")
