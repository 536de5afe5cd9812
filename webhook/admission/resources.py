"""The requests and limits of our container: such that no pod is refused because of it, nor its class changed. Pure.

LimitRanger, ResourceQuota and the kubelet look at every container of a pod, init containers included (Kubernetes:
plugin/pkg/admission/limitranger, pkg/quota/v1/evaluator/core/pods.go, pkg/apis/core/v1/helper/qos). At the time of our
call LimitRanger has given the user's containers their defaults, and it will check ours once more.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

Json = Mapping[str, Any]
Amounts = dict[str, Decimal]

NAMES = ("cpu", "memory")
LEAST_MEMORY = Decimal(32 * 1024**2)
"""Below that the sidecar would be killed for memory (its peak is 25 MiB), and restarts of ours count in the Job."""
_SUFFIXES = {
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{suffix: Decimal(1000) ** -power for power, suffix in enumerate(("m", "u", "n"), 1)},
}


def quantity(text: object) -> Decimal | None:
    """A Kubernetes quantity such as `100m`, `1.5Gi`, `1e3`; None for what is none."""
    words = str(text)
    for suffix, factor in _SUFFIXES.items():
        if words.endswith(suffix):
            return _number(words.removesuffix(suffix), factor)
    return _number(words, Decimal(1))


def resources(pod: Json, normal: Json, guaranteed: Json, limit_ranges: Sequence[Json]) -> dict[str, Any] | None:
    """`resources` for our container in this pod; None where the namespace's LimitRanges leave no room for it.

    `normal` and `guaranteed` are the chart's `sidecar.resources` and `sidecar.guaranteedResources`.
    """
    spec = pod["spec"]
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    if spec.get("resources") or not any(_amounts(c, part) for c in containers for part in ("requests", "limits")):
        return {}  # a pod with a budget of its own (KEP-2837) shares it; a BestEffort one stays so
    if all(_is_guaranteed(container) for container in containers):
        limits = _read(guaranteed)
        requests = dict(limits)
        equal = True
    else:
        limits, requests = _read(normal.get("limits") or {}), _read(normal.get("requests") or {})
        _follow_suit(containers, limits, requests, _read(guaranteed))
        equal = False
    for limit_range in limit_ranges:
        for item in (limit_range.get("spec") or {}).get("limits") or ():
            if item.get("type") == "Container":
                _fit(item, limits, requests, equal=equal)
    if not _has_room(limits, requests) or not _fits_pod(limit_ranges, containers, limits):
        return None
    written = {"requests": _write(requests), "limits": _write(limits)}
    return {part: amounts for part, amounts in written.items() if amounts}


def _follow_suit(containers: Iterable[Json], limits: Amounts, requests: Amounts, spare: Amounts) -> None:
    """Give ours what every other container has: a quota on it demands it of each container."""
    containers = list(containers)
    for name in NAMES:
        if all(name in _amounts(container, "limits") for container in containers):
            limits.setdefault(name, spare.get(name, requests.get(name, Decimal(0))))
        if all(name in _amounts(container, "requests") for container in containers):
            requests.setdefault(name, min(limits.get(name, spare[name]), spare[name]) if name in spare else Decimal(0))


def _fit(item: Json, limits: Amounts, requests: Amounts, *, equal: bool) -> None:
    """Bring ours within one `Container` item of a LimitRange."""
    least, most, default = (_read(item.get(key) or {}) for key in ("min", "max", "default"))
    ratios = _read(item.get("maxLimitRequestRatio") or {})
    for name in NAMES:
        if equal:
            value = max(
                min(limits.get(name, Decimal(0)), most.get(name, Decimal("Infinity"))), least.get(name, Decimal(0))
            )
            limits[name] = requests[name] = value
            continue
        if name in most:
            limits[name] = min(limits.get(name, default.get(name, most[name])), most[name])
        if name in least:
            requests[name] = max(requests.get(name, Decimal(0)), least[name])
        effective = limits.get(name, default.get(name))
        if effective is None:
            continue
        if ratios.get(name):
            requests[name] = max(requests.get(name, effective), effective / ratios[name])
        if requests.get(name, effective) > effective:
            requests[name] = min(requests[name], most.get(name, requests[name]))
            limits[name] = max(requests[name], effective)


def _has_room(limits: Amounts, requests: Amounts) -> bool:
    memory = limits.get("memory")
    within = all(requests.get(name, Decimal(0)) <= limits[name] for name in limits)
    return within and (memory is None or memory >= LEAST_MEMORY)


def _fits_pod(limit_ranges: Sequence[Json], containers: Sequence[Json], limits: Amounts) -> bool:
    """Whether the pod with ours stays below the `max` of every `Pod` item."""
    for limit_range in limit_ranges:
        for item in (limit_range.get("spec") or {}).get("limits") or ():
            if item.get("type") != "Pod":
                continue
            for name, most in _read(item.get("max") or {}).items():
                others = [_amounts(container, "limits").get(name, Decimal(0)) for container in containers]
                if sum(others, limits.get(name, Decimal(0))) > most:
                    return False
    return True


def _is_guaranteed(container: Json) -> bool:
    limits, requests = _amounts(container, "limits"), _amounts(container, "requests")
    return all(limits.get(name) and requests.get(name, limits[name]) == limits[name] for name in NAMES)


def _amounts(container: Json, part: str) -> Amounts:
    """Requests or limits of a container for cpu and memory; zero counts as none, as it does for the class."""
    found = _read((container.get("resources") or {}).get(part) or {})
    return {name: amount for name, amount in found.items() if amount}


def _read(amounts: Json) -> Amounts:
    known = {name: quantity(amounts[name]) for name in NAMES if name in amounts}
    return {name: amount for name, amount in known.items() if amount is not None}


def _write(amounts: Amounts) -> dict[str, str]:
    """CPU in thousandths, memory in bytes, both rounded up."""
    written = {}
    for name, amount in amounts.items():
        thousandths = name == "cpu"
        whole = (amount * (1000 if thousandths else 1)).to_integral_value(ROUND_CEILING)
        written[name] = f"{whole}m" if thousandths else _bytes(int(whole))
    return written


def _bytes(amount: int) -> str:
    return f"{amount // 1024**2}Mi" if amount % 1024**2 == 0 and amount else str(amount)


def _number(text: str, factor: Decimal) -> Decimal | None:
    try:
        return Decimal(text) * factor
    except InvalidOperation:
        return None
