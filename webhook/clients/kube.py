"""Raw JSON over the `kubernetes` package's configuration and connection.

Its generated models drop fields they do not know and cost six times the memory (docs/adr); what it does well,
finding the API server, its CA, and refreshing tokens, is used as it is.
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import client, config

from webhook import errors

JsonObject = dict[str, Any]
Query = Mapping[str, str]

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 5.0


def configuration() -> client.Configuration:
    """The pod's own service account in a cluster, else the current kubectl context.

    Never through a proxy in a cluster: HTTPS_PROXY is meant for Cronitor.
    """
    loaded = client.Configuration()
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        config.load_incluster_config(client_configuration=loaded)
        loaded.proxy = None
    else:
        config.load_kube_config(client_configuration=loaded)
    loaded.retries = False
    loaded.connection_pool_maxsize = 32
    return loaded


class KubeClient:
    """Requests to the API server. Paths are like `/api/v1/namespaces/x/secrets/y`; bodies are JSON objects.

    Raises a KubeError, of the subclass that fits the status, for everything that goes wrong. Safe for threads.
    """

    def __init__(self, loaded: client.Configuration) -> None:
        self._configuration = loaded
        self._connections: urllib3.PoolManager = client.rest.RESTClientObject(loaded).pool_manager

    def get(self, path: str, query: Query | None = None, timeout: float = TIMEOUT_SECONDS) -> JsonObject:
        return self._request("GET", path, query=query, timeout=timeout)

    def create(self, path: str, body: JsonObject) -> JsonObject:
        return self._request("POST", path, body=body)

    def replace(self, path: str, body: JsonObject) -> JsonObject:
        return self._request("PUT", path, body=body)

    def patch(self, path: str, body: JsonObject | list[JsonObject], content_type: str = MERGE_PATCH) -> JsonObject:
        return self._request("PATCH", path, body=body, content_type=content_type)

    def delete(self, path: str, body: JsonObject | None = None) -> JsonObject:
        return self._request("DELETE", path, body=body)

    def stream(self, path: str, query: Query, read_timeout: float) -> Iterator[bytes]:
        """The lines of a long answer as they come; ends when the API server closes it, or is silent for too long."""
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=read_timeout)
        response = self._send("GET", path, query=query, timeout=timeout, preload_content=False)
        try:
            if response.status != 200:
                raise _error("GET", path, response.status, response.data)
            rest = b""
            for chunk in response.stream(None):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
        except urllib3.exceptions.ReadTimeoutError:
            return
        except urllib3.exceptions.HTTPError as error:
            raise errors.KubeError(f"GET {path}: {type(error).__name__}", reason=type(error).__name__) from None
        finally:
            response.close()

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: JsonObject | list[JsonObject] | None = None,
        content_type: str = "application/json",
        timeout: float = TIMEOUT_SECONDS,
    ) -> JsonObject:
        response = self._send(
            method,
            path,
            query=query,
            body=None if body is None else json.dumps(body).encode(),
            content_type=content_type,
            # Both together: admission has to answer in time.
            timeout=urllib3.Timeout(total=timeout, connect=min(CONNECT_SECONDS, timeout)),
        )
        if not 200 <= response.status < 300:
            raise _error(method, path, response.status, response.data)
        try:
            parsed: JsonObject = json.loads(response.data)
        except ValueError:
            raise errors.KubeError(f"{method} {path}: the answer is not JSON", status=response.status) from None
        return parsed

    def _send(
        self,
        method: str,
        path: str,
        *,
        timeout: urllib3.Timeout,
        query: Query | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        preload_content: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "cronitor-k8s"}
        for auth in self._configuration.auth_settings().values():
            headers[auth["key"]] = auth["value"]
        url = self._configuration.host + path
        if query:
            url += "?" + urlencode(query)

        def send() -> urllib3.BaseHTTPResponse:
            return self._connections.request(
                method, url, body=body, headers=headers, timeout=timeout, preload_content=preload_content, retries=False
            )

        try:
            try:
                return send()
            except urllib3.exceptions.ProtocolError:
                if method != "GET":
                    raise
                return send()  # the connection had been kept open and was dropped on the way
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise errors.KubeError(f"{method} {path}: {type(error).__name__}", reason=type(error).__name__) from None


def _error(method: str, path: str, status: int, answer: bytes) -> errors.KubeError:
    try:
        parsed = json.loads(answer)
        reason, message = str(parsed.get("reason") or ""), str(parsed.get("message") or "")
    except (ValueError, AttributeError):
        reason, message = "", ""
    kinds: dict[int, type[errors.KubeError]] = {
        401: errors.Unauthorized,
        403: errors.Forbidden,
        404: errors.NotFound,
        409: errors.AlreadyExists if reason == "AlreadyExists" else errors.Conflict,
        410: errors.Gone,
    }
    kind = kinds.get(status, errors.KubeError)
    return kind(f"{method} {path}: {status} {reason or message}".strip(), status=status, reason=reason or message)
