"""What people are told of monitors, as Events on the CronJob."""

import pytest

from tests.unit.webhook.api_server import ApiServer
from tests.unit.webhook.controller.monitor_scene import cron_job
from webhook.annotations import MOST_TOLD, Problem
from webhook.clients.kube import KubeClient
from webhook.controller.events import EventRecorder
from webhook.controller.monitor_events import ProblemTeller, Told, events_on_cron_jobs, refusal
from webhook.controller.monitor_records import CronJobReference
from webhook.controller.monitor_steps import Shared
from webhook.errors import KeyRefused

BAD = Problem("grace-seconds", "soon", "a whole number of 0 or more, in seconds")
WORSE = Problem("notify", "", "words")


class Heard:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, bool]] = []

    def __call__(self, cron_job: CronJobReference, reason: str, message: str, *, warning: bool = False) -> None:
        self.events.append((cron_job.name, reason, message, warning))


def test_they_are_events_on_the_cron_job(api: ApiServer, kube: KubeClient) -> None:
    tell = events_on_cron_jobs(EventRecorder(kube, "controller-0"))
    tell(cron_job(), "MonitorRejected", "why", warning=True)
    (event,) = api.answer_list("/api/v1/events", {})
    involved = event["involvedObject"]
    assert (involved["apiVersion"], involved["kind"], involved["uid"]) == ("batch/v1", "CronJob", "uid-backup")
    assert (event["metadata"]["namespace"], event["type"], event["reason"]) == ("shop", "Warning", "MonitorRejected")


def test_warnings_are_told_before_good_news() -> None:
    heard = Heard()
    told = Told(heard)
    told.synced(cron_job("a"), "key")
    told.rejected(cron_job("b"), "key", "")
    while told:
        told.tell_next()
    assert heard.events == [
        ("b", "MonitorRejected", "Cronitor rejects the monitor key: it does not say why", True),
        ("a", "MonitorSynced", "Cronitor has the monitor key for this CronJob", False),
    ]


def test_of_very_many_cron_jobs_that_share_a_key_some_are_named() -> None:
    heard = Heard()
    told = Told(heard)
    told.shared(Shared("k", tuple(cron_job(f"c{number}") for number in range(500))))
    assert len(told) == 500
    told.tell_next()
    assert len(heard.events[0][2]) < 500
    assert "and 490 more" in heard.events[0][2]


class TestProblems:
    def test_each_text_is_told_once_while_it_stands(self) -> None:
        heard = Heard()
        teller = ProblemTeller(heard)
        for problems in ([BAD], [BAD], [BAD, WORSE], [WORSE], [], [BAD, BAD]):
            teller.tell_problems(cron_job(), problems)
        assert [message for _, _, message, _ in heard.events] == [str(BAD), str(WORSE), str(BAD)]
        assert {(reason, warning) for _, reason, _, warning in heard.events} == {("AnnotationIgnored", True)}

    def test_every_cron_job_for_itself(self) -> None:
        heard = Heard()
        teller = ProblemTeller(heard)
        for name in ("a", "b", "a"):
            teller.tell_problems(cron_job(name), [BAD])
        assert [name for name, *_ in heard.events] == ["a", "b"]

    def test_of_very_many_the_first_are_told_and_how_many_more_there_are(self) -> None:
        heard = Heard()
        teller = ProblemTeller(heard)
        for number in (3000, 3000, MOST_TOLD):
            teller.tell_problems(cron_job(), [Problem(f"key-{one}", "", "no such key") for one in range(number)])
        messages = [message for *_, message, _ in heard.events]
        assert len(messages) == MOST_TOLD + 1
        assert messages[-1] == f"… and {3000 - MOST_TOLD} more of what has no effect"

    def test_one_that_is_made_again_hears_of_it_again(self) -> None:
        heard = Heard()
        teller = ProblemTeller(heard)
        teller.tell_problems(cron_job(), [BAD])
        teller.tell_problems(cron_job()._replace(uid="another"), [BAD])
        assert len(heard.events) == 2

    def test_what_belongs_to_one_that_is_gone_is_forgotten(self) -> None:
        heard = Heard()
        teller = ProblemTeller(heard)
        teller.tell_problems(cron_job(), [BAD])
        for name in (cron_job().name, "nobody"):
            teller.forget(cron_job().namespace, name)
        teller.tell_problems(cron_job(), [BAD])
        assert len(heard.events) == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyRefused(403, "no"), "(403: no); it has no right to monitors, as a telemetry key has none"),
        (KeyRefused(403, ""), "(403); it has"),
        (KeyRefused(401, "Invalid API key"), "(401: Invalid API key); it is not known there: see credentials.apiKey"),
    ],
)
def test_a_refused_key_is_said_with_what_to_do(error: KeyRefused, said: str) -> None:
    assert said in refusal(error)
