"""A namespace's own telemetry key: used where it can be, said where it cannot, and never shown."""

import base64
import logging
from typing import Any

import pytest

from tests.unit.webhook.api_server import ApiServer
from webhook.clients.informer import Informer, Source
from webhook.clients.kube import KubeClient
from webhook.controller.events import EventRecorder
from webhook.controller.namespace_keys import NamespaceKeys, UnusableKeys
from webhook.controller.queue import Key
from webhook.logs import Formatter

NAME = "cronitor-key"
KEY = "namespace-key-0123456789"


def keys(api: ApiServer, kube: KubeClient, **secrets: str | None) -> NamespaceKeys:
    for namespace, text in secrets.items():
        data = {} if text is None else {"telemetry-key": base64.b64encode(text.encode()).decode()}
        api.put(f"/api/v1/namespaces/{namespace}/secrets/{NAME}", secret(namespace, data))
    informer = Informer(kube, Source("secrets", "/api/v1/secrets", field_selector=f"metadata.name={NAME}"))
    found = NamespaceKeys(informer, NAME)
    informer.start()
    assert informer.wait_synced(10)
    return found


def secret(namespace: str, data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace, "name": NAME}, "data": data}


def test_a_key_counts_in_its_own_namespace_alone(api: ApiServer, kube: KubeClient) -> None:
    found = keys(api, kube, shop=f" {KEY}\n")
    assert (found.of("shop"), found.of("lager")) == (KEY, "")
    assert found.unusable("shop") is found.unusable("lager") is None


@pytest.mark.parametrize("text", [None, "", "  \n", "a key of many words", "key/with?path-0123456789", "e", "x" * 15])
def test_what_cannot_be_a_key_is_not_used_and_said(api: ApiServer, kube: KubeClient, text: str | None) -> None:
    found = keys(api, kube, shop=text)
    assert found.of("shop") == ""
    UnusableKeys(found, EventRecorder(kube, "controller-0")).reconcile(Key("namespace-key", "shop"))
    (event,) = api.answer_list("/api/v1/namespaces/shop/events", {})
    assert (event["reason"], event["type"], event["involvedObject"]["name"]) == (
        "TelemetryKeyUnusable",
        "Warning",
        NAME,
    )


def test_a_key_shows_in_no_line(api: ApiServer, kube: KubeClient) -> None:
    keys(api, kube, shop=KEY)
    record = logging.makeLogRecord({"msg": f"sent to /p/{KEY}/backup"})
    assert KEY not in Formatter("text").format(record)


def test_what_is_no_key_takes_nothing_out_of_the_log(api: ApiServer, kube: KubeClient) -> None:
    keys(api, kube, shop="e", lager="the monitor of a CronJob")
    record = logging.makeLogRecord({"msg": "the monitor of a CronJob"})
    assert "the monitor of a CronJob" in Formatter("text").format(record)


def test_a_key_of_sixteen_characters_is_one(api: ApiServer, kube: KubeClient) -> None:
    assert keys(api, kube, shop="x" * 16).of("shop") == "x" * 16


def test_without_the_setting_nobody_has_one() -> None:
    found = NamespaceKeys(None, "")
    assert (found.of("shop"), found.unusable("shop"), found.namespaces(), found.informers) == ("", None, [], ())
