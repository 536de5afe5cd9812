"""`python -m sidecar`. Always exits with 0, and not before it is told to: its exit code and its restarts count in the
user's Job (podFailurePolicy, `backoffLimit` under `OnFailure`).
"""

import os
import queue
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidecar.reporter import Incoming

# A PID 1 without a handler never gets SIGTERM: the handler stands before anything larger is imported.
inbox: "queue.SimpleQueue[Incoming]" = queue.SimpleQueue()
signal.signal(signal.SIGTERM, lambda _signal, _frame: inbox.put(None))


def main() -> None:
    """Report the run; whatever goes wrong is logged, then SIGTERM is awaited."""
    from sidecar.log import Log

    try:
        report()
    except BaseException as error:  # noqa: BLE001 - an exit other than 0 could fail the user's Job
        Log().error("cannot_report", error=type(error).__name__, detail=_harmless(error))
        while inbox.get() is not None:
            pass
    sys.stdout.flush()
    os._exit(0)  # threads may still be blocked on the network


def report() -> None:
    """Start the watch and the sender, and run the loop between them to its end."""
    from threading import Thread

    from sidecar.deliver import Sender
    from sidecar.log import Log
    from sidecar.reporter import Delivered, Reporter, Seen
    from sidecar.settings import load
    from sidecar.watch import watch_pod

    settings = load()
    log = Log(settings.log_level, namespace=settings.namespace, pod=settings.pod, series=settings.identity.series)
    log.info("started", tells=",".join(sorted(state.value for state in settings.rules.tells)) or "nothing")
    sender = Sender(settings, log, lambda event, delivery: inbox.put(Delivered(event, delivery)))
    sender.start()
    watch = Thread(
        target=watch_pod,
        args=(settings, log, lambda pod, deleted: inbox.put(Seen(pod, deleted))),
        name="watch",
        daemon=True,
    )
    watch.start()
    Reporter(settings, log, inbox, sender.send, sender.hurry, process_started_at()).run()


def process_started_at() -> float:
    """When this process began, in Unix seconds: by /proc, as start-up itself may have taken a while."""
    import time

    with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
        age = float(uptime.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _harmless(error: BaseException) -> str:
    """The error's text where it is ours, and so holds no key."""
    from sidecar.settings import SettingsError

    return str(error) if isinstance(error, SettingsError) else ""


if __name__ == "__main__":
    main()
