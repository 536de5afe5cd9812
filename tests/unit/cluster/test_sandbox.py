"""Taking down leaves no cgroup of ours, and waits for none of anybody else's."""

from pathlib import Path

from tests.cluster import sandbox


def test_empty_cgroups_are_removed_in_every_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "kubepods" / "burstable" / "pod1").mkdir(parents=True)
    (tmp_path / "memory" / "kubepods" / "pod2").mkdir(parents=True)
    (tmp_path / "memory" / "other").mkdir()
    assert sandbox.remove_cgroups(tmp_path)
    assert sandbox.pod_cgroups(tmp_path) == []
    assert (tmp_path / "memory" / "other").is_dir()


def test_cgroups_with_living_processes_are_left_to_their_kubelet(tmp_path: Path) -> None:
    group = tmp_path / "pids" / "kubepods" / "pod3"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("4711\n")
    assert sandbox.remove_cgroups(tmp_path)
    assert group.is_dir()


def test_a_cgroup_that_cannot_be_removed_yet_is_waited_for(tmp_path: Path) -> None:
    group = tmp_path / "pids" / "kubepods"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("")
    assert not sandbox.remove_cgroups(tmp_path)
