"""A CronJob's schedule in Cronitor's terms. Pure.

Kubernetes takes what robfig/cron's standard parser does: five fields, macros such as `@hourly`, `@every 1h30m`, and a
zone in front. The text stays as it is but for blanks, the zone, and `@every`, whose durations only Go writes so.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

MACROS = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
LONGEST_GO_SECONDS = 2**63 // 10**9

_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)\s+(.*)", re.DOTALL)
_FIELDS = re.compile(r"[0-9A-Za-z*/,?-]+( [0-9A-Za-z*/,?-]+){4}")
# A digit in each amount: or "msms…" could be read in ever so many ways.
_AMOUNT = re.compile(r"([0-9]{1,19}(?:\.[0-9]{0,19})?|\.[0-9]{1,19})(ns|us|µs|μs|ms|s|m|h)")
_EVERY = re.compile(rf"@every [+-]?(?:0|(?:{_AMOUNT.pattern})+)")
_SECONDS = {
    "h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("1e-3"),
    "us": Decimal("1e-6"), "µs": Decimal("1e-6"), "μs": Decimal("1e-6"), "ns": Decimal("1e-9"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Schedule:
    """`text` is '' for what Kubernetes would not take; `timezone` is '' where the text names none."""

    text: str
    timezone: str = ""


def read(text: str) -> Schedule:
    """The schedule that `spec.schedule` gives."""
    timezone = ""
    if zoned := _ZONE.fullmatch(text):
        timezone, text = zoned[1] or "UTC", zoned[2]
    plain = " ".join(text.split())
    if plain in MACROS or _FIELDS.fullmatch(plain):
        return Schedule(plain, timezone)
    return Schedule(_interval(plain), timezone)


def _interval(text: str) -> str:
    """`@every 1h30m` as `every 90 minutes`; '' for what is no such thing. As robfig/cron: whole seconds, 1 at least."""
    if not _EVERY.fullmatch(text):
        return ""
    total = sum((Decimal(amount) * _SECONDS[unit] for amount, unit in _AMOUNT.findall(text)), Decimal(0))
    if total > LONGEST_GO_SECONDS:
        return ""
    seconds = 1 if text.startswith("@every -") else max(1, int(total))
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return _counted(seconds // size, unit)
    return _counted(seconds, "second")


def _counted(number: int, unit: str) -> str:
    return f"every {number} {unit}{'' if number == 1 else 's'}"
