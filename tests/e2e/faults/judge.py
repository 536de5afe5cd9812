"""Holds what was heard and seen of a row against what the row says."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from sidecar import journal as journals
from sidecar.reporter import delivery_limit
from tests.cronitor.events import Kind
from tests.cronitor.runs import RunEvent
from tests.e2e.faults.rows import CONTROLLER, EITHER, SIDECAR, Heard
from tests.e2e.faults.scene import Scene
from tests.e2e.faults.watcher import OWN, state_of, status_of
from tests.e2e.world import Json, is_injected, outcome
from webhook.workloads import epoch

SLACK_SECONDS = 4.0
"""For a machine that is busy; the kubelet's times are whole seconds."""
MOST_CPU_SECONDS, MOST_KIB = 1.0, 32 * 1024
"""Several times what an undisturbed run takes, and somewhat more than its memory (docs/performance.md)."""
NOT_SEEN = "the pod ended before its containers were seen to end"
"""The sidecar's reason to leave the verdict to the controller."""
Logs = Mapping[str, str]


def problems(scene: Scene, logs: Logs) -> list[str]:
    """What was not as the row says; nothing if all was. `logs`: all log files by name, pods that are gone included."""
    return [
        *_heard(scene, logs),
        *_times(scene),
        *_job(scene),
        *_containers(scene),
        *_journal(scene),
        *_logged(scene, logs),
        *_held(scene, logs),
        *_used(scene, logs),
    ]


def _heard(scene: Scene, logs: Logs) -> Iterator[str]:
    run = scene.run()
    events = [event for event in run.events if event.repeat_of is None] if run else []
    all_wanted = scene.row.heard
    if [event.state for event in events] != [wanted.state for wanted in all_wanted]:
        yield f"heard {[event.state for event in events]}, not {[wanted.state for wanted in all_wanted]}"
        return
    for event, wanted in zip(events, all_wanted, strict=True):
        yield from _event(event, wanted)
        teller = _teller(scene, event)
        luck = wanted.teller == EITHER or scene.row.record_lost or (event.state != "run" and _shown_late(scene, logs))
        if teller != wanted.teller and not luck:
            yield f"{event.state} was told by the {teller}, not by the {wanted.teller}"
    repeats = len(run.events) - len(events) if run else 0
    if repeats > scene.row.repeats or (repeats < scene.row.repeats and not scene.row.record_lost):
        yield f"{repeats} repeats, not {scene.row.repeats}"
    for found in scene.cronitor.violations():
        if found.series == scene.series and not (scene.row.record_lost and found.kind is Kind.DUPLICATE):
            yield f"violation: {found}"


def _shown_late(scene: Scene, logs: Logs) -> bool:
    """Whether the kubelet of a busy node wrote the containers' end later than a sidecar waits for it after SIGTERM."""
    return any(NOT_SEEN in text for pod in scene.pods for text in _logs_of(pod, logs))


def _teller(scene: Scene, event: RunEvent) -> str:
    """Who sent it, by the request's User-Agent."""
    record = next(one for one in scene.cronitor.account.recording.all() if one.number == event.number)
    return SIDECAR if "sidecar" in record.headers.get("User-Agent", "") else CONTROLLER


def _event(event: RunEvent, wanted: Heard) -> Iterator[str]:
    if event.status_code != wanted.code:
        yield f"{event.state} with code {event.status_code}, not {wanted.code}"
    if wanted.message is not None and event.message != wanted.message:
        yield f"{event.state} says {event.message!r}, not {wanted.message!r}"


def _times(scene: Scene) -> Iterator[str]:
    """Stamps are those of the containers where the last pod still tells them, and in order in any case."""
    run = scene.run()
    stamps = [event.stamp for event in run.events if event.repeat_of is None] if run else []
    if run is None or not stamps:
        return
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < len(stamps) or known != sorted(known):
        yield f"stamps {stamps}"
        return
    if (created := epoch(scene.job["metadata"]["creationTimestamp"])) and known[0] < created - 1:
        yield "the first stamp is older than the Job"
    if any(event.stamp is not None and event.stamp > event.arrived + 1 for event in run.events):
        yield "a stamp is of the future"
    ended = state_of(scene.pods[0], "app", "terminated")
    if ended and len(scene.pods) == 1 and len(known) == 2 and "restartPolicy" not in scene.row.pod:
        times = [epoch(ended["startedAt"]), epoch(ended["finishedAt"])]
        if known != times and len(scene.row.containers) == 1:
            yield f"stamps {known}, but the container's times are {times}"


def _job(scene: Scene) -> Iterator[str]:
    if (found := outcome(scene.watcher.job(scene.job))) != scene.row.ends:
        yield f"the Job is {found or 'open'}, not {scene.row.ends}"
    if len(scene.pods) != scene.row.pods:
        yield f"{len(scene.pods)} pods, not {scene.row.pods}"


def _containers(scene: Scene) -> Iterator[str]:
    restarts = 0
    if wrong := [pod for pod in scene.pods if is_injected(pod) != scene.row.injected]:
        yield f"{len(wrong)} pods {'without' if scene.row.injected else 'with'} a sidecar"
    for pod in filter(is_injected, scene.pods):
        restarts += status_of(pod, OWN).get("restartCount", 0)
        ended = state_of(pod, OWN, "terminated")
        if ended and ended.get("reason") != "ContainerStatusUnknown" and _started(ended):
            if ended["exitCode"] not in scene.row.exits:
                yield f"the sidecar exited with {ended['exitCode']}"
        elif not scene.watcher.is_gone(pod):
            yield "the sidecar has no end"
    if restarts != scene.row.restarts:
        yield f"the sidecar was restarted {restarts} times, not {scene.row.restarts}"


def _started(ended: Json) -> bool:
    return bool(ended.get("containerID"))


def _journal(scene: Scene) -> Iterator[str]:
    ended = state_of(scene.pods[-1], OWN, "terminated") if scene.pods else None
    pending = tuple(event.state.value for event in journals.decode((ended or {}).get("message", "")).pending)
    if scene.row.undelivered is not None and pending != scene.row.undelivered:
        yield f"undelivered in the journal: {pending}, not {scene.row.undelivered}"


def _logged(scene: Scene, logs: Logs) -> Iterator[str]:
    written = "".join(text for pod in scene.pods for text in _logs_of(pod, logs))
    for text in scene.row.logged:
        if text not in written:
            yield f"{text!r} was not logged"


def _held(scene: Scene, logs: Logs) -> Iterator[str]:
    """From SIGTERM, as our container logged it, to its end as the kubelet tells it."""
    limit = delivery_limit(scene.row.grace_seconds) + SLACK_SECONDS
    for pod in scene.pods:
        ended = epoch((state_of(pod, OWN, "terminated") or {}).get("finishedAt"))
        lines = [line for text in _logs_of(pod, logs) for line in text.splitlines() if "event=sigterm" in line]
        if ended and lines and ended - (told := _written_at(lines[-1])) > limit:
            yield f"held the pod for {ended - told:.1f} s after SIGTERM, limit {limit:g} s"


def _used(scene: Scene, logs: Logs) -> Iterator[str]:
    """Whatever went wrong, no sidecar has spun or grown: by its own last line."""
    for pod in scene.pods:
        for text in _logs_of(pod, logs):
            for cpu_seconds, peak_kib in re.findall(r"event=used .*cpu_seconds=([\d.]+) peak_kib=(\d+)", text):
                if float(cpu_seconds) > MOST_CPU_SECONDS:
                    yield f"the sidecar used {cpu_seconds} s of CPU"
                if int(peak_kib) > MOST_KIB:
                    yield f"the sidecar had {peak_kib} KiB of memory"


def _logs_of(pod: Json, logs: Logs) -> list[str]:
    uid = pod["metadata"]["uid"]
    return [text for name, text in logs.items() if f"_{uid}/{OWN}/" in name]


def _written_at(line: str) -> float:
    """The container runtime writes the time before each line, to the nanosecond."""
    moment = re.sub(r"(\.\d{6})\d*", r"\1", line.split(" ", 1)[0])
    return datetime.fromisoformat(moment).timestamp()
