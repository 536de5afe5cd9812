"""HTTP connections of the sidecar: one to the API server, one to Cronitor (through a proxy where one is set)."""

import logging
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

# urllib3 writes request paths into its own log lines, and in Cronitor's the path holds the key.
logging.getLogger("urllib3").addHandler(logging.NullHandler())
logging.getLogger("urllib3").propagate = False


def pool(url: str, ca_files: list[Path], *, proxy: str = "", no_proxy: str = "") -> urllib3.PoolManager:
    """A pool of one connection. Without `ca_files` that exist the system's bundle counts; retries are the caller's."""
    context = ssl.create_default_context() if not ca_files else _trusting(ca_files)
    if proxy and not _bypassed(urlsplit(url).hostname or "", no_proxy):
        return urllib3.ProxyManager(
            proxy, num_pools=1, maxsize=1, retries=False, ssl_context=context, proxy_ssl_context=context
        )
    return urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, ssl_context=context)


def with_system_bundle(extra: Path) -> list[Path]:
    """The system's CA bundle and, where there is one, `extra` beside it."""
    bundle = ssl.get_default_verify_paths().cafile
    return [path for path in (Path(bundle) if bundle else None, extra) if path is not None and path.is_file()]


def _trusting(ca_files: list[Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in ca_files:
        context.load_verify_locations(path)
    return context


def _bypassed(host: str, no_proxy: str) -> bool:
    """Whether `host` is one of NO_PROXY's entries or below one, or NO_PROXY is `*`."""
    names = [name.strip().lstrip(".").split(":")[0] for name in no_proxy.split(",")]
    return any(name == "*" or (name and (host == name or host.endswith("." + name))) for name in names)
