"""The Go programs' place in the cache follows their source."""

from tests.bench.programs import EMPTY_WEBHOOK, LOAD, source_key


def test_the_same_source_has_the_same_place_and_another_one_another() -> None:
    assert source_key(LOAD, "go1.25") == source_key(LOAD, "go1.25")
    assert len({source_key(LOAD, "go1.25"), source_key(EMPTY_WEBHOOK, "go1.25"), source_key(LOAD, "go1.26")}) == 3
