"""The options of a CronJob over all levels: the chart's, its Namespace's, its own.

Admission and controller must come to the same: what a run is told under is settled by whichever comes first.
"""

from collections.abc import Callable, Mapping

from webhook import annotations
from webhook.annotations import Options, Problem, Scope

Annotations = Mapping[str, str]


class Levels:
    """Over caches: `namespace_annotations` gives those of a Namespace, or None."""

    def __init__(self, chart: Options, namespace_annotations: Callable[[str], Annotations | None]) -> None:
        self._chart, self._namespace_annotations = chart, namespace_annotations

    def of(self, namespace: str, own: Annotations | None) -> Options:
        """The options of a CronJob with these annotations of its own in this namespace."""
        above = self._namespace_annotations(namespace)
        levels = [self._chart, *([annotations.read(above, Scope.NAMESPACE)] if above else [])]
        return annotations.layered(*levels, annotations.read(own))

    def unknown(self, namespace: str) -> tuple[Problem, ...]:
        """The keys on the Namespace that nobody knows; `of` passes them over, as it does those of the CronJob."""
        return annotations.unknown(self._namespace_annotations(namespace), Scope.NAMESPACE)
