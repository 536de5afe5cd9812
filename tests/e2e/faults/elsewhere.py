"""Rows that need another installation: Cronitor by a name that does not resolve, Cronitor behind a proxy."""

from collections.abc import Mapping
from typing import Any

from tests.cluster.layout import NODE_IP
from tests.e2e.faults import acts
from tests.e2e.faults.resolver import NAME
from tests.e2e.faults.rows import Row

OWN_RESOLVER: Mapping[str, Any] = {
    "dnsPolicy": "None",
    "dnsConfig": {
        "nameservers": [NODE_IP],
        "options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "1"}],
    },
}
KNOWN_HOST: Mapping[str, Any] = {"hostAliases": [{"ip": NODE_IP, "hostnames": [NAME]}]}

BY_NAME = (
    Row("dns-fails-in-every-way", acts.ends_once_told, pod=OWN_RESOLVER, logged=("NameResolutionError",)),
    Row("name-is-known", acts.ends, pod=KNOWN_HOST),
)
BEHIND_PROXY = (Row("tls-intercepting-proxy", acts.ends_once_told, logged=("telling_again",)),)
