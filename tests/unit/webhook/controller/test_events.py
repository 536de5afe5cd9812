"""Kubernetes Events as people read them: told once, never in the way."""

from typing import Any

import pytest

from tests.unit.webhook.api_server import ApiServer
from tests.unit.webhook.api_store import Fault
from tests.unit.webhook.objects import JOB_UID, job
from webhook.clients.kube import KubeClient
from webhook.controller.events import LONGEST_MESSAGE, EventRecorder

EVENTS = "/api/v1/events"


def told(api: ApiServer) -> list[dict[str, Any]]:
    return api.answer_list(EVENTS, {})


def test_an_event_says_whom_it_is_about_and_who_says_it(api: ApiServer, kube: KubeClient) -> None:
    EventRecorder(kube, "controller-0").tell("Job", job(), "CronitorPodFreed", "why", warning=True)
    (event,) = told(api)
    assert event["involvedObject"] == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": "backup-1",
        "namespace": "shop",
        "uid": JOB_UID,
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "CronitorPodFreed", "why")
    assert (event["source"]["component"], event["reportingInstance"]) == ("cronitor-k8s", "controller-0")
    assert event["metadata"]["namespace"] == "shop"


def test_the_same_is_told_once_by_any_replica_and_something_else_as_well(api: ApiServer, kube: KubeClient) -> None:
    for replica in ("controller-0", "controller-1"):
        recorder = EventRecorder(kube, replica)
        for _ in range(3):
            recorder.tell("Job", job(), "CronitorPodFreed", "why")
        recorder.tell("Job", job(), "CronitorPodFreed", "why else")
    assert len(told(api)) == 2
    assert len(api.asked("POST")) == 4


def test_a_long_message_and_a_long_name_fit(api: ApiServer, kube: KubeClient) -> None:
    EventRecorder(kube, "c").tell("Job", job("n" * 253), "Reason", "x" * 9999)
    (event,) = told(api)
    assert len(event["message"]) == LONGEST_MESSAGE
    assert len(event["metadata"]["name"]) <= 253


@pytest.mark.parametrize("fault", [Fault(500), Fault(403, "Forbidden"), Fault(404, "NotFound"), Fault()], ids=str)
def test_an_event_that_cannot_be_written_is_nobodys_failure(api: ApiServer, kube: KubeClient, fault: Fault) -> None:
    api.fail("POST", fault)
    EventRecorder(kube, "c").tell("Job", job(), "Reason", "why")
    assert told(api) == []
