"""What tests ask of the account of a stand-in in their own process, and tell it. None of it touches a socket."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.cronitor.account import Account
from tests.cronitor.events import Kind
from tests.cronitor.monitors import UnknownMonitorError
from tests.cronitor.puts import MonitorPut, monitor_puts
from tests.cronitor.recording import Expectation, Found, Recorded
from tests.cronitor.rules import Rule
from tests.cronitor.runs import Run

WhatToWaitFor = str | Callable[[Run], bool]


class ProtocolBrokenError(AssertionError):
    """The protocol was broken in ways the test did not declare."""


class NotHeardError(AssertionError):
    """What a test waited for did not come."""


def matcher(wanted: WhatToWaitFor) -> Callable[[Run], bool]:
    """A series stands for its verdict; else a run must satisfy the predicate."""
    if isinstance(wanted, str):
        return lambda run: run.series == wanted and bool(run.verdict)
    return wanted


def not_heard(wanted: WhatToWaitFor, timeout: float, runs: Sequence[Run]) -> NotHeardError:
    what = f"series {wanted}" if isinstance(wanted, str) else "the run that the predicate describes"
    heard = "\n".join(f"  {run}" for run in runs) or "  nothing"
    return NotHeardError(f"{what} was not heard of within {timeout:g} s; heard was:\n{heard}")


def demand_clean(violations: Sequence[Found]) -> None:
    if violations:
        raise ProtocolBrokenError("\n".join(["the protocol was broken:", *(f"  {one}" for one in violations)]))


class Watched:
    """One account, watched and scripted."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def runs(self) -> list[Run]:
        return self.account.runs()

    def requests(self) -> list[Recorded]:
        return self.account.recording.all()

    def monitors(self) -> list[dict[str, Any]]:
        with self.account.lock:
            return self.account.monitors.listed()

    def monitor(self, key: str) -> dict[str, Any] | None:
        with self.account.lock:
            return self.account.monitors.get(key)

    def edit_monitor(self, key: str, /, **attributes: Any) -> dict[str, Any]:
        """As a person does in Cronitor. Raises UnknownMonitorError or RejectedError."""
        with self.account.lock:
            edited = self.account.monitors.edit(key, attributes, self.account.refusals)
            self.account.recording.edited()
            return edited

    def delete_monitor(self, key: str) -> None:
        """As a person does in Cronitor. Raises UnknownMonitorError."""
        with self.account.lock:
            if not self.account.monitors.delete(key):
                raise UnknownMonitorError(key)
            self.account.recording.edited()

    def monitor_puts(self, after: int = 0) -> list[MonitorPut]:
        """The PUTs of monitors, after the request of that number: how many monitors each held, and when it came."""
        return monitor_puts(self.account.recording.after(after))

    def rule(self, rule: Rule | str, matches: str = "", message: str = "", form: str = "errors") -> None:
        """Has monitors refused from here on: `rule("name", "bad", "Name is taken", form="text")`."""
        added = rule if isinstance(rule, Rule) else Rule(rule, matches, message, form)
        with self.account.lock:
            self.account.rules += (added,)

    def clear_rules(self) -> None:
        """Those it began with too."""
        with self.account.lock:
            self.account.rules = ()

    def behave(self, **behaviour: Any) -> None:
        """Sets some of what Behaviour has: `behave(groups=["ops"], tags=[])`."""
        with self.account.lock:
            self.account.behaviour = self.account.behaviour.altered(**behaviour)

    def wait_for(self, wanted: WhatToWaitFor, timeout: float = 30.0) -> Run:
        """The first run that matches: a series once it has a verdict, or whatever the predicate says."""
        matches = matcher(wanted)
        found = self.account.recording.wait_for(
            lambda: next((run for run in self.runs() if matches(run)), None), timeout
        )
        if found is None:
            raise not_heard(wanted, timeout, self.runs())
        return found

    def expect(self, kind: Kind | str, series: str = "", monitor: str = "") -> None:
        """Declares violations that the test brings about on purpose, past or to come."""
        self.account.recording.expect(Expectation(Kind(kind), series, monitor))

    def violations(self, *, unexpected_only: bool = True) -> list[Found]:
        return self.account.recording.violations(unexpected_only=unexpected_only)

    def assert_clean(self) -> None:
        demand_clean(self.violations())
