"""What `webhook/` writes, `sidecar/` reads, and the other way round: neither imports the other, so this holds both.

A pod is injected, its container's environment is what the kubelet would make of it, and the sidecar's settings are
loaded from that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

import sidecar.events
import sidecar.journal
import sidecar.pod
import sidecar.rules
import sidecar.settings
import webhook.admission.decide
import webhook.admission.inject
import webhook.journal
import webhook.telemetry
from sidecar.events import Event, State
from sidecar.journal import Delivery, Entry, Journal
from tests.unit.webhook import objects
from tests.unit.webhook.kubelet import variables
from webhook.admission.decide import Owners
from webhook.admission.template import Proxy, Sidecar, Template
from webhook.annotations import Options
from webhook.controller import plan
from webhook.journal import Report
from webhook.monitor_identity import MonitorIdentity
from webhook.run_mark import RunMark

FIELDS = {"metadata.name": "backup-1-x7k2p", "metadata.namespace": "shop", "spec.nodeName": "node-1"}
FROM_THE_KUBELET = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
FOR_TESTS_ALONE = {"CRONITOR_MOUNT", "CRONITOR_TERMINATION_LOG"}

SIDECAR = Sidecar(
    image="registry.example/sidecar:1",
    image_pull_policy="IfNotPresent",
    image_pull_secrets=(),
    run_as_user=65532,
    resources={},
    guaranteed_resources={},
    ignore_containers=("istio-proxy", "linkerd-proxy"),
    stuck_seconds=90,
    unscheduled_seconds=500,
    log_level="debug",
)
TEMPLATE = Template(
    SIDECAR,
    "https://telemetry.example/cronitor",
    Proxy("http://user:p$$(x)@proxy:3128", "http://proxy:8080", ".corp,10.0.0.0/8"),
    "cronitor-sidecar",
    dry_run=True,
)
IDENTITY = MonitorIdentity("nightly/“backup” $(CRONITOR_SERIES)", "shop/backup", "prod $", logs_complete=True)
# Everything that can be said is said.
JOB = objects.job(
    backoffLimit=3,
    activeDeadlineSeconds=600,
    annotations={"cronjob.kubernetes.io/instantiate": "manual"},
    status={"failed": 1},
)
MARK = RunMark("k", "n", start=objects.CREATED_AT + 1.25, stuck=True)
OPTIONS = Options(containers=("app", "worker"))
ALL = frozenset(state.value for state in State)


def injected(
    a_job: dict[str, Any] = JOB,
    *,
    template: Template = TEMPLATE,
    mark: RunMark | None = MARK,
    options: Options = OPTIONS,
    identity: MonitorIdentity = IDENTITY,
    told: frozenset[str] = ALL,
    **spec: Any,
) -> dict[str, Any]:
    """The pod's spec after admission."""
    pod = objects.pod(terminationGracePeriodSeconds=45, **spec)
    operations = webhook.admission.inject.patch(
        pod, Owners(a_job, objects.cron_job()), options, mark, identity, told, {}, template
    )
    patched: dict[str, Any] = jsonpatch.apply_patch(pod, operations)["spec"]
    return patched


def given(spec: Mapping[str, Any]) -> dict[str, str]:
    """The environment as the kubelet makes it."""
    return {**variables(spec["initContainers"][0], FIELDS.__getitem__), **FROM_THE_KUBELET}


def environment(spec: Mapping[str, Any]) -> dict[str, str]:
    """The same as the sidecar reads it."""
    found = dict(sidecar.settings.unpacked(given(spec)))
    del found[sidecar.settings.PACKED]
    return found


class Read(dict[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("variables are read by their names")


def test_everything_that_admission_says_arrives() -> None:
    found = sidecar.settings.load(given(injected()))
    assert found.telemetry_url == "https://telemetry.example/cronitor"
    assert found.monitor_key == IDENTITY.key
    assert found.identity == sidecar.events.Identity(objects.JOB_UID, IDENTITY.env, "node-1", logs_complete=True)
    assert (found.namespace, found.pod) == ("shop", "backup-1-x7k2p")
    assert found.api_server == "https://10.96.0.1:443"
    assert found.grace_seconds == 45
    assert (found.proxy, found.no_proxy) == (TEMPLATE.proxy.https, TEMPLATE.proxy.no)
    assert found.log_level == "debug"
    assert found.dry_run is True
    assert found.rules == sidecar.rules.Rules(
        tells=frozenset(State),
        backoff_limit=3,
        failed_before=1,
        job_deadline_seconds=600,
        job_started_at=objects.CREATED_AT,
        run_started_at=objects.CREATED_AT + 1.25,
        containers=frozenset({"app", "worker"}),
        ignored=frozenset({"istio-proxy", "linkerd-proxy"}),
        stuck_seconds=90,
        stuck_told=True,
        unscheduled_seconds=500,
        manual=True,
    )


def test_what_admission_leaves_out_is_what_the_sidecar_takes_for_granted() -> None:
    plain = injected(
        objects.job(status={"startTime": None}),
        mark=None,
        options=Options(),
        identity=MonitorIdentity("k", "n", ""),
        template=Template(SIDECAR, "https://cronitor.link", Proxy("", "", ""), "cronitor-sidecar"),
    )
    found = sidecar.settings.load(environment(plain))
    rules = found.rules
    assert (rules.backoff_limit, rules.failed_before) == (6, 0)
    assert (rules.job_deadline_seconds, rules.job_started_at, rules.run_started_at) == (None, None, None)
    assert (rules.containers, rules.stuck_told, rules.manual) == (frozenset(), False, False)
    assert (found.proxy, found.no_proxy, found.identity.env) == ("", "", "")
    assert found.identity.logs_complete is False
    assert found.dry_run is False


def test_what_both_take_for_granted_is_the_same() -> None:
    granted = webhook.admission.inject.TAKEN_FOR_GRANTED
    said = {name: text for name, text in environment(injected()).items() if name not in granted}
    assert sidecar.settings.load(said) == sidecar.settings.load({**said, **granted})


@pytest.mark.parametrize(
    "told",
    [
        ALL,
        frozenset({"complete", "fail"}),
        frozenset({"run", "complete"}),
        frozenset({"complete"}),
        frozenset({"earlier-run", "complete", "fail"}),
        frozenset({"run", "earlier-run", "complete", "fail"}),
        frozenset(),
    ],
    ids=lambda told: ",".join(sorted(told)) or "nothing",
)
def test_who_speaks_arrives(told: frozenset[str]) -> None:
    found = sidecar.settings.load(environment(injected(told=told))).rules
    passed_on = {sidecar.settings.EARLIER_RUN} if found.passes_run_on else set()
    assert {state.value for state in found.tells} | passed_on == told


def test_a_plain_http_address_goes_through_the_proxy_for_those() -> None:
    template = Template(SIDECAR, "http://cronitor.internal", TEMPLATE.proxy, "cronitor-sidecar")
    assert sidecar.settings.load(environment(injected(template=template))).proxy == "http://proxy:8080"


def test_what_may_be_told_has_the_same_names() -> None:
    assert {*webhook.admission.inject.TELLS} == {*(state.value for state in State), sidecar.settings.EARLIER_RUN}


def test_every_variable_that_is_written_is_read() -> None:
    written = environment(injected())
    asked = set()
    for url in ("https://cronitor.link", "http://cronitor.link"):  # one proxy counts for each
        reading = Read({**written, "CRONITOR_TELEMETRY_URL": url})
        sidecar.settings.load(reading)
        asked |= reading.names
    assert set(written) - asked == set()


def test_every_variable_that_is_read_is_written() -> None:
    reading = Read(environment(injected()))
    sidecar.settings.load(reading)
    assert reading.names - set(reading.keys()) == {*FOR_TESTS_ALONE, sidecar.settings.PACKED}


def test_settings_are_packed_under_one_name() -> None:
    assert webhook.admission.inject.PACKED == sidecar.settings.PACKED


# --- mounted files ---------------------------------------------------------------------------------------------------


def test_the_files_are_where_the_sidecar_looks_for_them() -> None:
    spec = injected()
    (mount,) = spec["initContainers"][0]["volumeMounts"]
    found = sidecar.settings.load(environment(spec))
    assert Path(mount["mountPath"]) == found.mount == sidecar.settings.MOUNT
    read = {path.name for path in (found.token_file, found.api_ca_file, found.telemetry_key_file, found.extra_ca_file)}
    wanted = plan.Wanted(
        "cronitor-sidecar", "role", "uid", {"telemetry-key": "k", "ca.crt": "CA", "cronitor-ca.crt": "CA"}
    )
    assert set(plan.secret(wanted, "token")["data"]) == read
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == mount["name"]]
    assert volume["secret"]["secretName"] == wanted.name
    assert "items" not in volume["secret"], "every entry is a file of its name"


def test_the_termination_message_is_the_file_that_the_sidecar_writes() -> None:
    spec = injected()
    found = sidecar.settings.load(environment(spec))
    assert str(found.termination_log) == spec["initContainers"][0]["terminationMessagePath"]


def test_our_container_has_one_name() -> None:
    assert webhook.admission.decide.CONTAINER == sidecar.pod.OWN_CONTAINER
    assert injected()["initContainers"][0]["name"] == sidecar.pod.OWN_CONTAINER


def test_the_sidecar_finds_itself_in_the_pod_that_was_injected() -> None:
    spec = injected(initContainers=[{"name": "setup"}, {"name": "mesh", "restartPolicy": "Always"}])
    pod = sidecar.pod.parse({"metadata": {}, "spec": spec, "status": {}})
    kinds = {container.name: container.kind for container in pod.containers}
    assert kinds == {
        "cronitor": sidecar.pod.Kind.OWN,
        "setup": sidecar.pod.Kind.INIT,
        "mesh": sidecar.pod.Kind.NATIVE_SIDECAR,
        "app": sidecar.pod.Kind.REGULAR,
    }


# --- the journal -----------------------------------------------------------------------------------------------------

RUN = Event(State.RUN, 1772366401.0)
COMPLETE = Event(State.COMPLETE, 1772366405.25, "attempt 1/7 · app 0", status_code=0, duration=4.25, error_count=0)
FAIL = Event(State.FAIL, 1772366405.0, "attempt 7/7 · app 3", status_code=3, duration=4.0, error_count=7)
NO_CODE = Event(State.FAIL, 1772366405.0, "DeadlineExceeded · attempt 1/7 · “ü”\u2028running", error_count=1)
STUCK = Event(State.FAIL, 1772366400.5, "attempt 1/7 · app ImagePullBackOff", stuck=True)
TAKEN, WAITING, REFUSED = Delivery.ACCEPTED, Delivery.PENDING, Delivery.REFUSED


def as_read(event: Event) -> webhook.telemetry.Event:
    """The controller's value for the sidecar's."""
    return webhook.telemetry.Event(
        webhook.telemetry.State(event.state.value),
        event.stamp,
        event.message,
        event.status_code,
        event.duration,
        event.error_count,
        stuck=event.stuck,
    )


@pytest.mark.parametrize(
    ("entries", "left", "told", "pending"),
    [
        ((), "", (), ()),
        (((RUN, TAKEN),), "", (RUN,), ()),
        (((RUN, TAKEN), (COMPLETE, TAKEN)), "", (RUN, COMPLETE), ()),
        (((RUN, TAKEN), (FAIL, TAKEN)), "", (RUN, FAIL), ()),
        (((STUCK, TAKEN),), "the pod is being deleted", (STUCK,), ()),
        (((STUCK, TAKEN), (RUN, TAKEN), (COMPLETE, TAKEN)), "", (STUCK, RUN, COMPLETE), ()),
        (((RUN, TAKEN), (COMPLETE, WAITING)), "", (RUN,), (COMPLETE,)),
        (((RUN, WAITING), (FAIL, REFUSED)), "late", (FAIL,), (RUN,)),
        (((STUCK, WAITING), (RUN, WAITING), (NO_CODE, WAITING)), "", (), (STUCK, RUN, NO_CODE)),
    ],
)
def test_the_controller_reads_the_journal_that_the_sidecar_writes(
    entries: tuple[tuple[Event, Delivery], ...], left: str, told: tuple[Event, ...], pending: tuple[Event, ...]
) -> None:
    written = sidecar.journal.encode(Journal(tuple(Entry(*entry) for entry in entries), left)).decode()
    expected = Report(tuple(map(as_read, told)), tuple(map(as_read, pending)), left)
    assert webhook.journal.read(written) == expected


def test_a_journal_that_the_kubelet_has_cut_is_read_as_far_as_it_goes() -> None:
    journal = Journal((Entry(RUN, TAKEN), Entry(COMPLETE, TAKEN)), "why")
    text = sidecar.journal.encode(journal).decode()
    verdicts = {objects.verdict_told(webhook.journal.read(text[:length])) for length in range(len(text) + 1)}
    assert verdicts == {"", "complete"}
    assert objects.verdict_told(webhook.journal.read(text[: text.index("\n") + 5])) == "complete", (
        "the verdict stands first"
    )


@pytest.mark.parametrize("logs_complete", [False, True])
@pytest.mark.parametrize("event", [RUN, COMPLETE, FAIL, NO_CODE, STUCK])
def test_what_the_controller_delivers_of_a_journal_is_the_very_request_that_the_sidecar_would_make(
    event: Event, logs_complete: bool
) -> None:
    written = sidecar.journal.encode(Journal((Entry(event),))).decode()
    (read,) = webhook.journal.read(written).pending
    identity = sidecar.events.Identity("job-uid", "prod", "node-1", logs_complete=logs_complete)
    its_own = sidecar.events.query(event, identity)
    sent = webhook.telemetry.query(replace(read, host="node-1"), "job-uid", "prod", logs_complete=logs_complete)
    assert sent == its_own
    assert ("state" in dict(its_own)) is not (logs_complete and event.state is State.COMPLETE)
