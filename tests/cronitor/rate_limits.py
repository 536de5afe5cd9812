"""Cronitor's documented telemetry limits as token buckets: per source IP and per monitor. The time is passed in."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Buckets:
    """One token bucket for each name: `burst` tokens at most, `rate` new ones a second."""

    rate: float
    burst: float
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)  # name → tokens, time

    def take(self, name: str, now: float) -> float:
        """Takes a token and returns 0, or returns the seconds until there is one."""
        tokens, then = self._levels.get(name, (self.burst, now))
        tokens = min(self.burst, tokens + max(0.0, now - then) * self.rate)
        taken = tokens >= 1
        self._levels[name] = (tokens - 1 if taken else tokens, now)
        return 0.0 if taken else (1 - tokens) / self.rate


@dataclass(slots=True)
class RateLimits:
    """Both limits together."""

    per_source: Buckets = field(default_factory=lambda: Buckets(rate=50, burst=250))
    per_monitor: Buckets = field(default_factory=lambda: Buckets(rate=5, burst=10))

    def take(self, source: str, monitor: str, now: float) -> float:
        """Seconds to wait before this request would be taken; 0: it is taken."""
        return self.per_source.take(source, now) or self.per_monitor.take(monitor, now)
