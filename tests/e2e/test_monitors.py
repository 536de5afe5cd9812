"""Monitors in Cronitor follow CronJobs: made, changed, paused, shared, rejected, left alone while nothing changes."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests import installation
from tests.cluster import run
from tests.cronitor.stand_in import StandIn
from tests.e2e.conftest import API_KEY, NAMESPACE_KEY, NAMESPACED, OTHER_API_KEY, TELEMETRY_KEY, flush_old_replicas
from tests.e2e.world import INCLUDE, INJECTION, Json, World, cron_job, eventually
from tests.installation import NAMESPACE, TEST_LABEL
from webhook.controller.plan import secret_text

PREFIX = "k8s.cronitor.io/"
CONTROLLER = "cronitor-k8s-controller"
NAMESPACES, EACH, BAD = 20, 50, 30

Made = Callable[..., Json]


def annotated(**more: str) -> dict[str, str]:
    return {**INCLUDE, **{f"{PREFIX}{key.replace('_', '-')}": text for key, text in more.items()}}


def unique() -> str:
    return f"key-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def made(world: World, namespace: str) -> Made:
    """Makes a CronJob in the common namespace; its monitor's key is in its annotations."""

    def make(name: str, *, key: str = "", spec: Json | None = None, **annotations: str) -> Json:
        manifest = cron_job(f"{name}-{uuid.uuid4().hex[:4]}", annotations=annotated(key=key or unique(), **annotations))
        manifest["spec"] |= spec or {}
        return world.create(manifest, namespace)

    return make


def key_of(found: Json) -> str:
    return str(found["metadata"]["annotations"][f"{PREFIX}key"])


def has(cronitor: StandIn, key: str, **attributes: Any) -> Json:
    """The monitor, once Cronitor has it with these attributes."""

    def look() -> Json | None:
        found = cronitor.monitor(key)
        return found if found and all(found.get(name) == value for name, value in attributes.items()) else None

    return eventually(look, f"monitor {key} with {attributes}")


def events(world: World, about: Json, reason: str) -> list[str]:
    metadata = about["metadata"]
    found = world.all("Event", metadata["namespace"], fieldSelector=f"involvedObject.uid={metadata['uid']}")
    return [one["message"] for one in found if one["reason"] == reason]


def told(world: World, about: Json, reason: str, text: str = "") -> str:
    """The one Event with this reason."""
    (message,) = eventually(lambda: events(world, about, reason), f"{reason} on {about['metadata']['name']}")
    assert text in message
    return message


def patch(world: World, found: Json, patch: Json) -> None:
    world.patch("CronJob", found["metadata"]["namespace"], found["metadata"]["name"], patch)


# --- one CronJob, one monitor ----------------------------------------------------------------------------------------


def test_a_cron_job_has_its_monitor_and_is_told_so(world: World, cronitor: StandIn, made: Made, namespace: str) -> None:
    spec = {"schedule": "30 2 * * 1-5", "timeZone": "Europe/Berlin", "concurrencyPolicy": "Forbid"}
    found = made("backup", spec=spec, grace_seconds="0", tags="team-a, ,nightly", metric_duration="< 30 seconds")
    name = f"{namespace}/{found['metadata']['name']}"
    monitor = has(
        cronitor, key_of(found), name=name, schedule="30 2 * * 1-5", timezone="Europe/Berlin", grace_seconds=0
    )
    assert monitor["tags"] == ["kubernetes", f"kubernetes-namespace:{namespace}", "team-a", "nightly"]
    assert monitor["paused"] is False
    told(world, found, "MonitorSynced", key_of(found))


def test_an_edit_is_one_put_of_one_and_what_is_taken_away_goes_back(
    world: World, cronitor: StandIn, made: Made
) -> None:
    found = made("edited", note="first", grace_seconds="5")
    has(cronitor, key_of(found), note="first", grace_seconds=5)
    before = cronitor.account.recording.next_number - 1
    patch(world, found, {"spec": {"schedule": "7 7 * * *"}})
    has(cronitor, key_of(found), schedule="7 7 * * *")
    patch(world, found, {"metadata": {"annotations": {f"{PREFIX}note": None, f"{PREFIX}grace-seconds": None}}})
    has(cronitor, key_of(found), note=None, grace_seconds=60)
    puts = [put for put in cronitor.monitor_puts(before) if key_of(found) in put.keys]
    assert [put.count for put in puts] == [1, 1]


def test_suspending_pauses_and_resuming_ends_that_pause(world: World, cronitor: StandIn, made: Made) -> None:
    found = made("suspended")
    has(cronitor, key_of(found), paused=False)
    patch(world, found, {"spec": {"suspend": True}})
    has(cronitor, key_of(found), paused=True)
    patch(world, found, {"spec": {"suspend": False}})
    has(cronitor, key_of(found), paused=False)


def test_a_persons_pause_stays(world: World, cronitor: StandIn, made: Made) -> None:
    found = made("paused-by-hand")
    has(cronitor, key_of(found))
    cronitor.edit_monitor(key_of(found), paused=True)
    patch(world, found, {"spec": {"suspend": True}, "metadata": {"annotations": {f"{PREFIX}note": "one"}}})
    has(cronitor, key_of(found), note="one", paused=True)
    patch(world, found, {"spec": {"suspend": False}, "metadata": {"annotations": {f"{PREFIX}note": "two"}}})
    has(cronitor, key_of(found), note="two", paused=True)


def test_what_a_person_sets_in_cronitor_stays(world: World, cronitor: StandIn, made: Made) -> None:
    found = made("edited-there")
    has(cronitor, key_of(found))
    cronitor.edit_monitor(key_of(found), note="by hand", grace_seconds=300)
    patch(world, found, {"spec": {"schedule": "8 8 * * *"}})
    has(cronitor, key_of(found), schedule="8 8 * * *", note="by hand", grace_seconds=300)


def test_removed_and_made_again_it_is_paused_and_goes_on(world: World, cronitor: StandIn, made: Made) -> None:
    first = made("removed")
    has(cronitor, key_of(first), paused=False)
    world.delete("CronJob", first["metadata"]["namespace"], first["metadata"]["name"])
    has(cronitor, key_of(first), paused=True)
    second = made("removed", key=key_of(first))
    has(cronitor, key_of(second), paused=False, schedule=second["spec"]["schedule"])
    told(world, second, "MonitorSynced")


def test_excluded_or_unlabelled_it_is_paused(
    world: World, cronitor: StandIn, made: Made, make_namespace: NAMESPACED
) -> None:
    excluded = made("excluded")
    elsewhere = make_namespace("unlabelled")
    key = unique()
    world.create(cron_job("unlabelled", annotations=annotated(key=key)), elsewhere)
    for one in (key_of(excluded), key):
        has(cronitor, one, paused=False)
    patch(world, excluded, {"metadata": {"annotations": {f"{PREFIX}exclude": "true"}}})
    world.patch("Namespace", "", elsewhere, {"metadata": {"labels": dict.fromkeys(INJECTION)}})
    for one in (key_of(excluded), key):
        has(cronitor, one, paused=True)


def test_two_cron_jobs_with_one_key_are_both_told_and_the_older_counts(
    world: World, cronitor: StandIn, made: Made
) -> None:
    older = made("older", spec={"schedule": "1 1 * * *"})
    has(cronitor, key_of(older), schedule="1 1 * * *")
    # Times of creation are whole seconds.
    eventually(lambda: world.create(cron_job(unique()), older["metadata"]["namespace"])["metadata"]
               ["creationTimestamp"] > older["metadata"]["creationTimestamp"], "the next second")  # fmt: skip
    newer = made("newer", key=key_of(older), spec={"schedule": "2 2 * * *"})
    for one in (older, newer):
        told(world, one, "KeyShared", older["metadata"]["name"])
    assert has(cronitor, key_of(older))["schedule"] == "1 1 * * *"
    world.delete("CronJob", older["metadata"]["namespace"], older["metadata"]["name"])
    has(cronitor, key_of(newer), schedule="2 2 * * *", paused=False)


def test_what_cronitor_rejects_is_told_in_its_own_words_and_goes_once_it_is_mended(
    world: World, cronitor: StandIn, made: Made
) -> None:
    cronitor.rule("group", "^no-such-group$", "Group {value} does not exist")
    found = made("rejected", group="no-such-group")
    told(world, found, "MonitorRejected", "Group no-such-group does not exist")
    assert cronitor.monitor(key_of(found)) is None
    patch(world, found, {"metadata": {"annotations": {f"{PREFIX}group": None}}})
    has(cronitor, key_of(found), group=None)
    told(world, found, "MonitorSynced")


def test_an_annotation_without_effect_is_told_where_it_is_written_and_where_people_look(
    world: World, cronitor: StandIn, namespace: str
) -> None:
    key = unique()
    manifest = cron_job("mistyped", annotations=annotated(key=key, grace_second="5", inject="yes"))
    answer = run(
        ["kubectl", "apply", "--namespace", namespace, "--filename", "-"],
        stdin=json.dumps({"apiVersion": "batch/v1", **manifest}),
    ).stderr
    assert "did you mean grace-seconds?" in answer
    assert "'yes' is ignored" in answer
    found = world.get("CronJob", namespace, "mistyped")
    assert found is not None
    eventually(lambda: len(events(world, found, "AnnotationIgnored")) == 2, "two ignored annotations")
    assert any("did you mean grace-seconds?" in text for text in events(world, found, "AnnotationIgnored"))
    has(cronitor, key)


# --- levels ----------------------------------------------------------------------------------------------------------


def test_a_namespaces_annotations_count_for_monitor_and_runs_alike(
    world: World, cronitor: StandIn, make_namespace: NAMESPACED
) -> None:
    place = make_namespace("levels")
    levels = {"include": "true", "env": "staging", "key-inference": "name", "name-prefix": "none", "tags": "of-all"}
    world.patch("Namespace", "", place, {"metadata": {"annotations": {f"{PREFIX}{k}": v for k, v in levels.items()}}})
    name = f"plain-{uuid.uuid4().hex[:6]}"
    found = world.create(cron_job(name, annotations={}), place)
    monitor = eventually(
        lambda: next((one for one in cronitor.monitors() if one["name"] == name), None), f"the monitor {name}"
    )
    assert "of-all" in monitor["tags"]
    eventually(lambda: '"env"' in _state(world) or f"{PREFIX}env" in _state(world), "the namespace's annotations")
    job = world.run_now(found)
    heard = cronitor.wait_for(job["metadata"]["uid"], 120)
    assert (heard.monitor, heard.env, heard.states) == (monitor["key"], "staging", ["run", "complete"])


def _state(world: World) -> str:
    return str((world.get("ConfigMap", NAMESPACE, "cronitor-k8s-state") or {}).get("data"))


def test_a_logged_completion_is_a_message_and_no_state(world: World, cronitor: StandIn, made: Made) -> None:
    found = made("logged", log_complete_event="true")
    job = world.run_now(found)
    series = job["metadata"]["uid"]

    def heard() -> list[Any]:
        events = [one.event for one in cronitor.requests() if one.event is not None and one.event.series == series]
        return events if len(events) == 2 else []

    first, last = eventually(heard, f"the run of {series}")
    assert (first.state, last.state) == ("run", "")
    assert last.message.startswith("Job completed")
    assert (last.status_code, last.metrics) == (None, ())


def test_a_namespaces_own_key_is_used_for_its_runs(
    world: World, cronitor: StandIn, url: str, make_namespace: NAMESPACED, installed: Callable[..., None]
) -> None:
    cronitor.account.keys = {**cronitor.account.keys, NAMESPACE_KEY: "telemetry"}
    installed({"credentials": {"namespaceSecret": "cronitor-key"}})
    place = make_namespace("own-key")
    world.create(
        {"kind": "Secret", "metadata": {"name": "cronitor-key"}, "stringData": {"telemetry-key": NAMESPACE_KEY}}, place
    )
    eventually(lambda: _telemetry_key(world, place) == NAMESPACE_KEY, "the namespace's own key in its Secret")
    job = world.run_now(world.create(cron_job("own"), place))
    assert cronitor.wait_for(job["metadata"]["uid"], 120).states == ["run", "complete"]


def _telemetry_key(world: World, place: str) -> str:
    return secret_text(world.get("Secret", place, "cronitor-sidecar"), "telemetry-key")


# --- many, faults and other installations ----------------------------------------------------------------------------


@pytest.fixture
def installed(world: World, cronitor: StandIn, url: str) -> Iterator[Callable[..., None]]:
    """Installs with other values; as it was, afterwards."""

    def install(values: Json | None = None, api_key: str = API_KEY) -> None:
        ca = cronitor.ca_file.read_text()
        installation.install(url, api_key=api_key, telemetry_key=TELEMETRY_KEY, ca=ca, values=values)

    yield install
    install()
    flush_old_replicas(world)


def test_a_telemetry_key_for_monitors_is_said_loudly(
    world: World, cronitor: StandIn, made: Made, installed: Callable[..., None]
) -> None:
    installed(api_key=TELEMETRY_KEY)
    found = made("refused")
    told(world, found, "KeyRefused", "telemetry key")
    assert "telemetry key" in _readiness(world)
    installed()
    has(cronitor, key_of(found))
    eventually(lambda: "telemetry key" not in _readiness(world), "readiness without a complaint")


def test_with_another_key_everything_is_put_once_more(
    world: World, cronitor: StandIn, made: Made, installed: Callable[..., None]
) -> None:
    """It may be that of another account, which has only some of them. Going back is another one again."""
    suspended = {"suspend": True}
    there, resumed, missing = made("kept"), made("kept-resumed", spec=suspended), made("kept-missing", spec=suspended)
    for found in (resumed, missing):
        has(cronitor, key_of(found), paused=True)
    names = {key_of(one): has(cronitor, key_of(one))["name"] for one in (there, resumed, missing)}
    cronitor.account.keys = {**cronitor.account.keys, OTHER_API_KEY: "sdk"}
    cronitor.edit_monitor(key_of(there), name="another")
    cronitor.edit_monitor(key_of(resumed), name="another", paused=False)
    cronitor.delete_monitor(key_of(missing))
    installed(api_key=OTHER_API_KEY)
    for found, paused in ((there, False), (resumed, False), (missing, True)):
        has(cronitor, key_of(found), name=names[key_of(found)], paused=paused)


def _readiness(world: World) -> str:
    """What the leading replica says beside `ok`; all of them together."""
    names = [pod["metadata"]["name"] for pod in world.our_pods("controller")]
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{{}}:8080/proxy/readyz"
    return "\n".join(run(["kubectl", "get", "--raw", path.format(name)]).stdout for name in names)


def test_a_thousand_come_in_few_puts_and_stay_as_they_are(
    world: World, cronitor: StandIn, installed: Callable[..., None]
) -> None:
    """They are there before the chart is, 30 of them bad: the others go through, and nothing is asked in vain."""
    installation.uninstall()
    cronitor.rule("note", "^bad$", "{key}: no such note")
    places = [f"thousand-{number}-{uuid.uuid4().hex[:4]}" for number in range(NAMESPACES)]
    keys = _make_thousand(world, places)
    before = cronitor.account.recording.next_number - 1
    installed()
    eventually(lambda: _there(cronitor) >= keys["good"], "970 monitors")
    eventually(lambda: len(_rejected(world, places)) == BAD, "30 rejected monitors")
    assert all("no such note" in message for message in _rejected(world, places))
    taken = [key for put in cronitor.monitor_puts(before) if put.delivered for key in put.keys]
    assert sorted(key for key in taken if key.startswith("thousand-")) == sorted(keys["good"]), "each of them once"
    assert not _there(cronitor) & keys["bad"]

    before = cronitor.account.recording.next_number - 1
    _restart_controllers(world)
    patch(world, {"metadata": {"namespace": places[0], "name": "c0"}}, {"spec": {"schedule": "9 9 9 9 *"}})
    has(cronitor, f"{places[0]}-c0", schedule="9 9 9 9 *")
    puts = cronitor.monitor_puts(before)
    assert [put.keys for put in puts] == [(f"{places[0]}-c0",)], "nothing but what has changed, after a restart too"
    for place in places:
        world.delete("Namespace", "", place)


def _make_thousand(world: World, places: list[str]) -> dict[str, set[str]]:
    names = [(place, f"c{number}") for number in range(EACH) for place in places]
    step = len(names) // BAD
    bad = set(names[step - 1 : step * BAD : step])
    keys = {"good": {"-".join(one) for one in names if one not in bad}, "bad": {"-".join(one) for one in bad}}

    def make(one: tuple[str, str]) -> None:
        place, name = one
        kind = "bad" if one in bad else "good"
        world.create(cron_job(name, annotations=annotated(key="-".join(one), note=kind)), place)

    for place in places:
        labels = {TEST_LABEL: "e2e", **INJECTION}
        world.create({"kind": "Namespace", "metadata": {"name": place, "labels": labels}})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, names))
    assert (len(keys["good"]), len(keys["bad"])) == (NAMESPACES * EACH - BAD, BAD)
    return keys


def _there(cronitor: StandIn) -> set[str]:
    return {one["key"] for one in cronitor.monitors()}


def _rejected(world: World, places: list[str]) -> list[str]:
    found = [one for place in places for one in world.all("Event", place)]
    return [one["message"] for one in found if one["reason"] == "MonitorRejected"]


def _restart_controllers(world: World) -> None:
    old = {pod["metadata"]["uid"] for pod in world.our_pods("controller")}
    for pod in world.our_pods("controller"):
        world.delete("Pod", NAMESPACE, pod["metadata"]["name"], gracePeriodSeconds=0)

    def leads_anew() -> bool:
        pods = world.our_pods("controller")
        ready = [pod for pod in pods if pod["metadata"]["uid"] not in old and _is_ready(pod)]
        holder = ((world.get("Lease", NAMESPACE, CONTROLLER) or {}).get("spec") or {}).get("holderIdentity")
        return len(ready) == 2 and holder in {pod["metadata"]["name"] for pod in ready}

    eventually(leads_anew, "a new controller that leads")


def _is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
