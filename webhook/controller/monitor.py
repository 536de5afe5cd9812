"""A monitor in Cronitor, as a CronJob wants it to be. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Monitor:
    """`attributes` is its entry in the body of `PUT /monitors`, `type` and `key` among it, but never `paused`.

    Whether it is paused is a matter of what was there before: `suspended` says what the CronJob is.
    """

    key: str
    attributes: Mapping[str, Any]
    suspended: bool = False
