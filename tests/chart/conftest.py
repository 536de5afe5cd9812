"""Every invariant of the chart is checked with every set of values."""

import pytest

from tests.chart.helm import Manifest, render
from tests.chart.value_sets import VALUE_SETS, ValueSet


@pytest.fixture(params=VALUE_SETS, ids=str)
def value_set(request: pytest.FixtureRequest) -> ValueSet:
    """One set of values after the other."""
    assert isinstance(request.param, ValueSet)
    return request.param


@pytest.fixture
def manifests(value_set: ValueSet) -> list[Manifest]:
    """The release that it makes."""
    return render(
        value_set.values,
        release=value_set.release,
        namespace=value_set.namespace,
        credentials=value_set.credentials,
    )
