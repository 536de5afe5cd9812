"""`python -m sidecar`. Always exits with 0, and not before it is told to: its exit code and its restarts count in the
user's Job (podFailurePolicy, `backoffLimit` under `OnFailure`).
"""

import signal

# A PID 1 without a handler never gets SIGTERM: it stands before anything else is imported.
stopped = False
inbox: "queue.SimpleQueue[Incoming] | None" = None


def stop(_signal: int, _frame: object) -> None:
    """SIGTERM: kept as a flag too, for when there is no inbox yet, or what was in it has been taken out."""
    global stopped
    stopped = True
    if inbox is not None:
        inbox.put(None)


signal.signal(signal.SIGTERM, stop)

import os  # noqa: E402
import queue  # noqa: E402
import time  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

if TYPE_CHECKING:
    from sidecar.log import Log
    from sidecar.reporter import Incoming


def main() -> None:
    """Report the run; whatever goes wrong is logged, then SIGTERM is awaited."""
    global inbox
    inbox = queue.SimpleQueue()
    if stopped:
        inbox.put(None)
    try:
        report(inbox)
    except BaseException as error:  # noqa: BLE001 - an exit other than 0 could fail the user's Job
        log_failure(error)
        while not stopped:
            inbox.get()
    os._exit(0)  # threads may still be blocked on the network; what was logged is written line by line


def report(inbox: "queue.SimpleQueue[Incoming]") -> None:
    """Start the watch and the sender, and run the loop between them to its end."""
    import threading

    from sidecar.deliver import Sender
    from sidecar.log import Log
    from sidecar.reporter import Broken, Delivered, Earlier, Reporter, Seen
    from sidecar.settings import load
    from sidecar.watch import find_beginning, watch_pod

    settings = load()
    log = Log(settings.log_level, namespace=settings.namespace, pod=settings.pod, series=settings.identity.series)
    log_only_the_kind_of_error(log)
    log.info("started", tells=",".join(sorted(state.value for state in settings.rules.tells)) or "nothing")
    sender = Sender(settings, log, lambda event, delivery: inbox.put(Delivered(event, delivery)))
    ending = threading.Event()

    def hurry(seconds: float) -> None:
        sender.hurry(seconds)
        ending.set()

    def rest(seconds: float) -> None:
        """Ends as soon as the pod is ending; from then on rests are short."""
        if ending.is_set() or ending.wait(seconds):
            time.sleep(min(seconds, 0.2))

    def watch() -> None:
        watch_pod(settings, log, lambda pod, deleted: inbox.put(Seen(pod, deleted)), lambda: inbox.put(Broken()), rest)

    def look_at_earlier_pods() -> None:
        find_beginning(settings, log, lambda found: inbox.put(Earlier(found.beginning, found.failed)), rest)

    sender.start()
    if settings.rules.passes_run_on:
        threading.Thread(target=look_at_earlier_pods, name="earlier", daemon=True).start()
    threading.Thread(target=watch, name="watch", daemon=True).start()
    Reporter(settings, log, inbox, sender.send, hurry, process_started_at()).run()
    spent = os.times()
    log.info("used", cpu_seconds=round(spent.user + spent.system, 2), peak_kib=peak_kib())


def peak_kib() -> int:
    """The most memory that this process has had resident, in KiB; 0 where /proc does not tell."""
    try:
        with open("/proc/self/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)
    except (OSError, ValueError, IndexError):
        return 0


def process_started_at() -> float:
    """When this process began, in Unix seconds: by /proc, as start-up itself may have taken a while; now without."""
    try:
        with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
            ticks = int(stat.read().rpartition(")")[2].split()[19])
            age = float(uptime.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        age = 0.0
    return time.time() - age


def log_only_the_kind_of_error(log: "Log") -> None:
    """For threads: the interpreter's own report holds the error's text, and that may hold the key."""
    import threading

    def report_end(ended: threading.ExceptHookArgs) -> None:
        log.error("thread_ended", thread=ended.thread.name if ended.thread else "", error=ended.exc_type.__name__)

    threading.excepthook = report_end


def log_failure(error: BaseException) -> None:
    """With the error's text where it is ours, and so holds no key. By name: its module may be what is not there."""
    from contextlib import suppress

    with suppress(Exception):
        from sidecar.log import Log

        detail = str(error) if type(error).__name__ == "SettingsError" else ""
        Log().error("cannot_report", error=type(error).__name__, detail=detail)


if __name__ == "__main__":
    main()
