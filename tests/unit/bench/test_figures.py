"""Percentiles, what something adds, and how figures are written."""

import pytest

from tests.bench.figures import added, median, percentile, ratio_added, short, slices, spread


@pytest.mark.parametrize(
    ("samples", "percent", "found"),
    [
        ([7.0], 99, 7.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.5),
        ([float(n) for n in range(101)], 99, 99.0),
        ([1.0, 2.0], 0, 1.0),
        ([1.0, 2.0], 100, 2.0),
    ],
)
def test_a_percentile_lies_between_the_nearest_ranks(samples: list[float], percent: float, found: float) -> None:
    assert percentile(samples, percent) == pytest.approx(found)


def test_of_nothing_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        median([])


def test_what_is_added_is_the_difference_of_percentiles() -> None:
    assert added([5.0, 6.0, 7.0], [1.0, 2.0, 3.0]) == 4.0
    assert added([5.0, 6.0, 9.0], [1.0, 2.0, 3.0], 100) == 6.0


def test_a_ratio_compares_what_is_added_not_what_there_is() -> None:
    assert ratio_added(ours=[8.0], theirs=[6.0], neither=[5.0]) == 3.0


def test_a_ratio_to_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="nothing measurable"):
        ratio_added(ours=[8.0], theirs=[5.0], neither=[5.0])


@pytest.mark.parametrize("number", [1, 3, 7, 50])
def test_slices_hold_every_sample_once_in_order_and_are_about_equal(number: int) -> None:
    samples = [float(n) for n in range(20)]
    parts = slices(samples, number)
    assert [sample for part in parts for sample in part] == samples
    assert len(parts) == min(number, 20)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_spread_is_p10_to_p90() -> None:
    assert spread([float(n) for n in range(11)]) == "1–9"
    assert spread([]) == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.01234, "0.0123"), (2.5, "2.5"), (12.345, "12.3"), (1234.5, "1234"), (-0.5, "-0.5")],
)
def test_numbers_have_three_digits(number: float, text: str) -> None:
    assert short(number) == text
