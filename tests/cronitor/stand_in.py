"""The stand-in as a whole: three listeners (HTTP, HTTPS, control) around one account, and the methods tests call.

The control listener serves the page and `/_control` only by habit: it is the same application, but no fault of the
connection ever touches it, so that a refusing Cronitor can still be asked what it saw.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from socket import socket
from ssl import SSLContext
from threading import RLock, Timer
from types import TracebackType
from typing import Any, Self

from tests.cronitor.account import Account, Behaviour
from tests.cronitor.app import create_app
from tests.cronitor.certificates import server_context
from tests.cronitor.control import control
from tests.cronitor.faults import Fault, FaultKind
from tests.cronitor.rules import Rule
from tests.cronitor.server import Listener, bind
from tests.cronitor.state_file import StateFile, StateFileError
from tests.cronitor.watched import Watched


class StandIn(Watched):
    """Runs from `start` to `stop`, or as a context manager. HTTPS needs a directory for its certificates.

    With `state`, a file, its monitors survive a restart.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        https_port: int = 0,
        control_port: int = 0,
        directory: Path | None = None,
        names: Sequence[str] = (),
        keys: Mapping[str, str] | None = None,
        behaviour: Behaviour | None = None,
        rules: Sequence[Rule] = (),
        state: Path | None = None,
        clock: Callable[[], float] = time.time,
        page_socket: socket | None = None,
    ) -> None:
        super().__init__(Account(keys=keys or {}, clock=clock, behaviour=behaviour or Behaviour(), rules=tuple(rules)))
        self.directory = directory
        self._state = state
        self._host = host
        self._ports = {"http": port, "https": https_port, "control": control_port}
        self._names = [host, *names] if host not in ("0.0.0.0", "::") else names
        self._context: SSLContext | None = None
        self._page_socket = page_socket
        self._listeners: dict[str, Listener] = {}
        self._reserved: dict[str, socket] = {}
        self._doors = RLock()
        self._timers: list[Timer] = []
        self._app = create_app(self.account)
        self._app.register_blueprint(control(self))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Raises OSError or StateFileError where it cannot."""
        if self.directory is not None:
            self._context = server_context(self.directory, self._names)
        try:
            if self._state is not None:
                with self.account.lock:
                    self.account.monitors.keep_in(StateFile(self._state))
            for name in ("http", "https", "control"):
                self._listen(name)
        except (OSError, StateFileError):
            self.stop()
            raise
        if self._page_socket is not None:  # bound by whoever started us, perhaps in another network
            self._listeners["page"] = Listener(self._page_socket, self._app)

    def stop(self) -> None:
        with self._doors:
            for timer in self._timers:
                timer.cancel()
            self.account.recording.close()
            for name in list(self._listeners):
                self._listeners.pop(name).stop()
            for name in list(self._reserved):
                self._reserved.pop(name).close()
        with self.account.lock:
            self.account.monitors.release()

    @property
    def url(self) -> str:
        """For telemetry as it is; the monitors API is under `/api`."""
        return self._address("http", "http")

    @property
    def https_url(self) -> str:
        return self._address("https", "https")

    @property
    def control_url(self) -> str:
        return self._address("http", "control")

    @property
    def ca_file(self) -> Path:
        if self.directory is None:
            raise ValueError("a stand-in without a directory has no HTTPS")
        return self.directory / "ca.crt"

    def fault(self, fault: Fault | str, **more: Any) -> None:
        """Adds a fault to the script: `fault("status", status=503, times=2, surface="telemetry")`."""
        added = fault if isinstance(fault, Fault) else Fault.from_json({"kind": fault, **more})
        with self.account.lock:
            self.account.faults.add(added, self.account.clock())
        if added.kind is FaultKind.REFUSE and added.times is None:
            self._set_doors()
            if added.seconds is not None:
                timer = Timer(added.seconds, self._set_doors)
                timer.daemon = True
                self._timers.append(timer)
                timer.start()

    def clear_faults(self) -> None:
        with self.account.lock:
            self.account.faults.clear()
        self._set_doors()

    def faults(self) -> list[dict[str, Any]]:
        with self.account.lock:
            return self.account.faults.as_json(self.account.clock())

    def reset(self) -> None:
        """As new: no requests, monitors, faults, expectations, or rules but those it began with."""
        self.clear_faults()
        self.account.reset()

    def _address(self, scheme: str, name: str) -> str:
        if not self._ports[name]:
            raise ValueError(f"the stand-in does not serve {name}")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)
        return f"{scheme}://{host}:{self._ports[name]}"

    def _listen(self, name: str) -> None:
        context = self._context if name == "https" else None
        if name in self._listeners or (name == "https" and context is None):
            return
        if name not in self._reserved:
            # Bound for good and never listening: while the door is closed the port is nobody's outgoing one.
            self._reserved[name] = bind(self._host, self._ports[name])
            self._ports[name] = self._reserved[name].getsockname()[1]
        bound = bind(self._host, self._ports[name])
        refuses = (lambda: False) if name == "control" else self._refuses
        self._listeners[name] = Listener(bound, self._app, context, refuses)

    def _refuses(self) -> bool:
        with self.account.lock:
            return self.account.faults.refuses(self.account.clock())

    def _set_doors(self) -> None:
        """Closes or opens the listening sockets as the faults in force want it."""
        with self._doors:
            if not self._listeners:
                return  # not started, or stopped
            with self.account.lock:
                closed = self.account.faults.closed(self.account.clock())
            for name in ("http", "https"):
                if not closed:
                    self._listen(name)
                elif name in self._listeners:
                    self._listeners.pop(name).stop()
