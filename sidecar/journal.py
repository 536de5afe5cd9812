"""The journal: what this run has told and still has to tell, as text that fits a termination message. Pure.

The kubelet keeps the file's content as `terminated.message` of our container, where the next incarnation and
the controller read it. All containers of a pod share 12 KiB of such messages evenly, so with twelve of them 1 KiB
is what surely stays (kubelet, `MaxPodTerminationMessageLogLength`); longer ones are cut at their end. Therefore:
one JSON object a line, the most important line first, never more than `LIMIT` bytes, and a line that was cut is
passed over by `decode`. The verdict, the `run` and `left` fit 600 bytes together, what is left of 12 KiB to each of
twenty containers.

Keys of a line: `e` state, `t` stamp, `a` acknowledgement (see `Delivery`), and where known `c` status code,
`d` duration, `n` error count, `k` stuck, `m` message. A line `{"left": reason}` says that the verdict is the
controller's to tell, and why.
"""

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from sidecar.events import MESSAGE_BYTES, Event, State, cut

LIMIT = 1000
LEFT_BYTES = 120


class Delivery(Enum):
    """How far an event has come: written down, taken by Cronitor, or turned down by it for good (4xx)."""

    PENDING = 0
    ACCEPTED = 1
    REFUSED = 2


@dataclass(frozen=True, slots=True)
class Entry:
    event: Event
    delivery: Delivery = Delivery.PENDING


@dataclass(frozen=True, slots=True)
class Journal:
    """Entries in the order in which they are told; `left` says why the verdict is the controller's, if it is."""

    entries: tuple[Entry, ...] = field(default=())
    left: str = ""

    def with_event(self, event: Event) -> "Journal":
        return replace(self, entries=(*self.entries, Entry(event)))

    def with_delivery(self, event: Event, delivery: Delivery) -> "Journal":
        return replace(
            self,
            entries=tuple(
                replace(entry, delivery=delivery) if entry.event == event else entry for entry in self.entries
            ),
        )

    @property
    def pending(self) -> tuple[Event, ...]:
        return tuple(entry.event for entry in self.entries if entry.delivery is Delivery.PENDING)


def encode(journal: Journal) -> bytes:
    """The journal's text: the verdict, the start, `left`, a stuck start; at most `LIMIT` bytes."""
    ordered = sorted(journal.entries, key=lambda entry: entry.event.state is State.RUN)
    for message_bytes in (MESSAGE_BYTES, MESSAGE_BYTES // 3, 0):
        lines = [_line(entry, message_bytes) for entry in ordered if not entry.event.stuck]
        if journal.left:
            lines.append(_compact({"left": cut(journal.left, LEFT_BYTES)}))
        lines += [_line(entry, message_bytes) for entry in ordered if entry.event.stuck]
        text = b"\n".join(lines)
        if len(text) <= LIMIT:
            break
    return text


def decode(text: str) -> Journal:
    """Read back what `encode` wrote, cut or not; text that is none of ours gives an empty journal."""
    entries: list[Entry] = []
    left = ""
    for line in text.split("\n"):  # no other line end: a message may hold U+2028 or U+0085
        try:
            parsed = json.loads(line)
        except ValueError:
            continue
        if isinstance(parsed, dict) and "left" in parsed:
            left = str(parsed["left"])
        elif entry := _entry(parsed):
            entries.append(entry)
    entries.sort(key=_told_order)
    return Journal(tuple(entries), left)


def _told_order(entry: Entry) -> tuple[bool, bool]:
    """A stuck start is told before the `run`, every other verdict after it."""
    return (not entry.event.stuck, entry.event.state is not State.RUN)


def _line(entry: Entry, message_bytes: int) -> bytes:
    event = entry.event
    fields: dict[str, Any] = {"e": event.state.value, "t": event.stamp, "a": entry.delivery.value}
    optional = {"c": event.status_code, "d": event.duration, "n": event.error_count, "k": event.stuck or None}
    fields |= {key: known for key, known in optional.items() if known is not None}
    if message := cut(event.message, message_bytes):
        fields["m"] = message
    return _compact(fields)


def _entry(parsed: Any) -> Entry | None:
    try:
        event = Event(
            state=State(parsed["e"]),
            stamp=float(parsed["t"]),
            message=str(parsed.get("m", "")),
            status_code=parsed.get("c"),
            duration=parsed.get("d"),
            error_count=parsed.get("n"),
            stuck=bool(parsed.get("k", False)),
        )
        return Entry(event, Delivery(parsed["a"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _compact(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
