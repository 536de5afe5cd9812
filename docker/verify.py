"""Run in the sidecar's image: everything that is in it can be imported from it alone, and works.

The build ends here if a module, a library or the CA bundle were left out; a test on the cluster runs the same again,
as the sidecar's user with a read-only root.
"""

import importlib
import json
import socket
import ssl
import sys
import threading
import traceback
from pathlib import Path

# The command line's own folder, which is no part of the image's search path.
LIBRARY = Path(json.__file__).parent.parent
MIN_AUTHORITIES = 50


def module_names() -> list[str]:
    """Every module whose file is in the image."""
    names = []
    for path in sorted(LIBRARY.rglob("*")):
        if path.suffix == ".pyc":
            parts = path.relative_to(LIBRARY).with_suffix("").parts
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        elif path.suffix == ".so":
            names.append(path.name.split(".")[0])
    return names


def check(holds: bool, what: str) -> None:
    """Like `assert`, which compiling may have left out."""
    if not holds:
        sys.exit(f"image: {what}")


def check_names() -> None:
    check("bücher.example".encode("idna") == b"xn--bcher-kva.example", "IDNA does not work")
    try:
        socket.getaddrinfo("localhost", 443)
    except socket.gaierror as error:
        # Where the builder gives no /etc/hosts; what counts is that libc could look.
        check(error.errno == socket.EAI_NONAME or error.errno == socket.EAI_AGAIN, f"getaddrinfo: {error}")


def check_tls() -> None:
    context = ssl.create_default_context()
    authorities = context.cert_store_stats()["x509_ca"]
    check(authorities >= MIN_AUTHORITIES, f"only {authorities} certificate authorities")
    check(ssl.get_default_verify_paths().cafile is not None, "OpenSSL finds no CA file of its own")
    folder = ssl.get_default_verify_paths().capath
    hashed = list(Path(folder).glob("*.[0-9]")) if folder else []
    check(not hashed or len(hashed) >= authorities, f"only {len(hashed)} of {authorities} authorities by their hash")
    check(ssl.HAS_TLSv1_3 and bool(context.get_ciphers()), "no TLS 1.3")
    # A handshake up to the client's first message: what it draws on (random numbers, curves) is there.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname="bücher.example").do_handshake()
    except ssl.SSLWantReadError:
        check(outgoing.pending > 0, "no TLS greeting")


def check_errors() -> None:
    try:
        json.loads("{")
    except ValueError as error:
        shown = traceback.format_exception(error)
        check("JSONDecodeError" in shown[-1], "exceptions are not shown")


def main() -> None:
    names = module_names()
    check("sidecar.__main__" in names, "no sidecar in it")
    for name in names:
        importlib.import_module(name)
    for absent in ("pip", "setuptools", "ensurepip", "site-packages"):
        check(not list(LIBRARY.glob(f"{absent}*")), f"{absent} is in it")
    check_names()
    check_tls()
    check_errors()
    print(f"verified {len(names)} modules, Python {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}", flush=True)
    # Still running as the interpreter leaves: it then needs libgcc_s.
    threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()


if __name__ == "__main__":
    main()
