"""Memory and CPU as the kernel writes them, seen at this very process."""

import os

from tests.bench import accounting


def test_a_process_has_memory_of_its_own_and_more_that_is_resident() -> None:
    found = accounting.memory(os.getpid())
    assert 0 < found.private <= found.proportional <= found.resident


def test_a_process_outside_of_all_pods_is_in_none() -> None:
    assert list(accounting.processes({"5a7d5bbd-0000-0000-0000-000000000000"})) == []
