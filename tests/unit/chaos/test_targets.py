"""Which containers can be hit, and which one is."""

from tests.chaos.targets import Target, picked, running
from tests.e2e.world import Json

SIDECAR = {"name": "cronitor", "containerID": "containerd://s", "state": {"running": {}}}
MESH = {"name": "mesh", "containerID": "containerd://m", "state": {"running": {}}}
APP = {"name": "app", "containerID": "containerd://a", "state": {"running": {}}}
ENDED = {"name": "helper", "containerID": "containerd://h", "state": {"terminated": {}}}


def pod(name: str) -> Json:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "status": {"initContainerStatuses": [SIDECAR, MESH], "containerStatuses": [APP, ENDED]},
    }


def test_only_what_runs_can_be_hit_in_a_settled_order() -> None:
    assert running([pod("b"), pod("a")]) == [Target("a", "uid-a", "a"), Target("b", "uid-b", "a")]
    assert running([pod("a")], sidecars=True) == [Target("a", "uid-a", "s")]
    assert running([{"metadata": {"name": "new", "uid": "u"}}]) == []


def test_the_picked_one_is_first_and_none_is_left_out() -> None:
    found = running([pod(name) for name in "abc"])
    assert [target.pod for target in picked(found, 0.5)] == ["b", "c", "a"]
    assert [target.pod for target in picked(found, 0.999)] == ["c", "a", "b"]
    assert picked([], 0.5) == []
