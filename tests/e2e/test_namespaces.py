"""What a labelled namespace gets, keeps, and loses again."""

import base64
import json
import time
from typing import Any

import pytest

from tests.cronitor.stand_in import StandIn
from tests.e2e.conftest import API_KEY, TELEMETRY_KEY
from tests.e2e.world import INJECTION, Json, World, container, cron_job, eventually, is_injected, outcome
from webhook.controller.plan import read_claims, secret_text

NAME = "cronitor-sidecar"
KINDS = ("ServiceAccount", "RoleBinding", "Secret")


def has_all(world: World, namespace: str) -> bool:
    return all(world.get(kind, namespace, NAME) is not None for kind in KINDS)


def has_none(world: World, namespace: str) -> bool:
    return all(world.get(kind, namespace, NAME) is None for kind in KINDS)


def label(world: World, namespace: str, value: str | None) -> None:
    world.patch("Namespace", "", namespace, {"metadata": {"labels": {"k8s.cronitor.io/injection": value}}})


def test_the_secret_holds_the_telemetry_key_and_a_token_for_a_day(world: World, namespace: str) -> None:
    secret = world.get("Secret", namespace, NAME)
    assert secret is not None
    assert secret_text(secret, "telemetry-key") == TELEMETRY_KEY
    everything = base64.b64decode("".join(secret["data"].values()) + "==", validate=False)
    assert API_KEY.encode() not in everything
    claims = read_claims(secret_text(secret, "token"))
    assert claims is not None
    assert claims.expires_at - claims.issued_at == pytest.approx(86400, abs=10)
    assert claims.expires_at > time.time() + 43000
    account = world.get("ServiceAccount", namespace, NAME)
    assert account is not None
    assert account["metadata"]["uid"] == claims.service_account_uid


@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_deletes_is_back(kind: str, world: World, cronitor: StandIn, namespace: str) -> None:
    before = world.get(kind, namespace, NAME)
    assert before is not None
    world.delete(kind, namespace, NAME)

    def is_back() -> bool:
        now = world.get(kind, namespace, NAME)
        return now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]

    eventually(is_back, f"the {kind} that was deleted")
    job = world.run_now(world.create(cron_job(f"after-{kind.lower()}"), namespace))
    run = cronitor.wait_for(job["metadata"]["uid"], 120)
    assert run.states == ["run", "complete"]


def test_what_somebody_edits_is_put_right(world: World, namespace: str) -> None:
    wrong = {"data": {"telemetry-key": base64.b64encode(b"wrong").decode()}}
    world.patch("Secret", namespace, NAME, wrong)
    eventually(
        lambda: secret_text(world.get("Secret", namespace, NAME), "telemetry-key") == TELEMETRY_KEY,
        "the telemetry key again",
    )


def test_pods_before_provisioning_go_uninjected_and_after_it_injected(world: World, make_namespace: Any) -> None:
    name = make_namespace("e2e-late", injected=False)
    made = world.create(cron_job("early", container(script="exit 0")), name)
    assert not is_injected(world.pod_of(world.run_now(made, "before")))
    began = time.monotonic()
    label(world, name, "enabled")
    eventually(lambda: world.provisioned(name), f"namespace {name} provisioned")
    print(f"provisioned {time.monotonic() - began:.2f} s after labelling")
    numbers = iter(range(1000))
    eventually(
        lambda: is_injected(world.pod_of(world.run_now(made, f"after-{next(numbers)}"))), "an injected pod", pause=1
    )


def test_clean_up_waits_for_the_last_injected_pod(world: World, cronitor: StandIn, make_namespace: Any) -> None:
    name = make_namespace("e2e-leaving")
    script = "trap 'exit 0' TERM; while [ ! -f /tmp/go ]; do sleep 0.2; done"
    job = world.run_now(world.create(cron_job("lasting", container(script=script)), name))
    pod = world.pod_of(job)
    assert is_injected(pod)
    series = job["metadata"]["uid"]
    cronitor.wait_for(lambda run: run.series == series and "run" in run.states, 120)
    label(world, name, None)
    eventually(lambda: not world.provisioned(name), f"namespace {name} no longer provisioned")
    late = world.run_now(world.create(cron_job("late", container(script="exit 0")), name))
    assert not is_injected(world.pod_of(late))
    assert outcome(world.finished(late)) == "Complete"
    assert has_all(world, name), "the running sidecar still needs them"
    _let_go(name, pod)
    run = cronitor.wait_for(series, 120)
    assert run.states == ["run", "complete"]
    eventually(lambda: has_none(world, name), f"what was made in {name} gone")


def _let_go(namespace: str, pod: Json) -> None:
    from tests import cluster

    command = ["kubectl", "exec", "--namespace", namespace, pod["metadata"]["name"], "--container", "app"]
    cluster.run([*command, "--", "touch", "/tmp/go"])


def test_an_included_job_is_marked_with_frozen_settings_and_its_start(world: World, make_namespace: Any) -> None:
    name = make_namespace("e2e-marks")
    made = world.create(cron_job("frozen", container(script="sleep 4")), name)
    job = world.run_now(made)

    def mark() -> Json | None:
        found = world.get("Job", name, "frozen-1") or {}
        text = (found.get("metadata") or {}).get("annotations", {}).get("k8s.cronitor.io/run")
        return json.loads(text) if text else None

    first = eventually(mark, "the mark of the run")
    assert (first["key"], first["name"]) == (made["metadata"]["uid"], f"{name}/frozen")
    world.patch("CronJob", name, "frozen", {"metadata": {"annotations": {"k8s.cronitor.io/key": "edited"}}})
    started = eventually(lambda: (mark() or {}).get("start"), "the start of the run in its mark")
    world.finished(job)
    pod = world.pod_of(job)
    kubelet = pod["status"]["containerStatuses"][0]["state"]["terminated"]["startedAt"]
    from webhook.workloads import epoch

    assert started == epoch(kubelet)
    closed = eventually(lambda: (mark() or {}).get("verdict"), "the verdict in the mark")
    assert closed == "complete"
    assert (mark() or {})["key"] == made["metadata"]["uid"]


def test_a_label_of_another_value_is_no_label(world: World, make_namespace: Any) -> None:
    name = make_namespace("e2e-other", {"k8s.cronitor.io/injection": "disabled"}, injected=False)
    label(world, name, INJECTION["k8s.cronitor.io/injection"])
    eventually(lambda: has_all(world, name), f"what {name} needs")
    label(world, name, "disabled")
    eventually(lambda: has_none(world, name), f"what was made in {name} gone")
