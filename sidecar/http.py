"""HTTP connections of the sidecar: one to the API server, one to Cronitor (through a proxy where one is set)."""

import logging
import ssl
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import urllib3

# urllib3 writes request paths into its own log lines, and in Cronitor's the path holds the key.
logging.getLogger("urllib3").addHandler(logging.NullHandler())
logging.getLogger("urllib3").propagate = False


def pool(url: str, context: ssl.SSLContext, *, proxy: str = "", no_proxy: str = "") -> urllib3.PoolManager:
    """A pool of one connection; retries are the caller's."""
    if proxy and not _bypassed(urlsplit(url).hostname or "", no_proxy):
        address, credentials = _address_and_credentials(proxy)
        return urllib3.ProxyManager(
            address,
            proxy_headers=_basic(credentials) if credentials else None,
            num_pools=1,
            maxsize=1,
            retries=False,
            ssl_context=context,
            proxy_ssl_context=context,
        )
    return urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, ssl_context=context)


def proxy_secrets(proxy: str) -> tuple[str, ...]:
    """What no log may show of a proxy's address: its credentials in each form that they take."""
    _, credentials = _address_and_credentials(proxy)
    password = credentials.partition(":")[2]
    if not password:
        return ()
    return credentials, _basic(credentials)["proxy-authorization"].split()[1], password, unquote(password)


def trusting(authorities: Path) -> ssl.SSLContext:
    """A context that trusts the CAs of one file, and no others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(authorities)
    return context


def trusting_the_system(extra: Path) -> ssl.SSLContext:
    """A context that trusts the system's CAs and, where there is such a file, those of `extra`.

    From a folder with a file for each CA, named by its hash, OpenSSL reads the one that it needs; the whole bundle
    costs 0.85 MB of private memory in each pod (measured). It is read only where there is no such folder.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    paths = ssl.get_default_verify_paths()
    if paths.capath and any(Path(paths.capath).glob("*.0")):
        context.load_verify_locations(capath=paths.capath)
    elif paths.cafile:
        context.load_verify_locations(paths.cafile)
    if extra.is_file():
        context.load_verify_locations(extra)
    return context


def _address_and_credentials(proxy: str) -> tuple[str, str]:
    """`http://user:password@host:3128` → `http://host:3128`, `user:password` as written; http where no scheme is."""
    scheme, _, rest = proxy.strip().rpartition("://")
    credentials, _, host = rest.rpartition("@")
    return f"{scheme or 'http'}://{host}", credentials


def _basic(credentials: str) -> dict[str, str]:
    user, _, password = (unquote_to_bytes(part).decode("latin-1") for part in credentials.partition(":"))
    return urllib3.make_headers(proxy_basic_auth=f"{user}:{password}")  # which encodes as latin-1 again


def _bypassed(host: str, no_proxy: str) -> bool:
    """Whether `host` is one of NO_PROXY's entries or below one, or NO_PROXY is `*`."""
    names = [name.strip().lstrip(".").split(":")[0] for name in no_proxy.split(",")]
    return any(name == "*" or (name and (host == name or host.endswith("." + name))) for name in names)
