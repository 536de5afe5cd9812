"""`python -m tests.cluster`: what it does with its arguments and its environment."""

import io

import pytest

from tests.cluster import current, packages
from tests.cluster.__main__ import main
from tests.cluster.errors import ClusterError
from tests.cluster.progress import Step


def test_exec_without_a_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exec", "--"]) == 1
    assert "exec -- kubectl get nodes" in capsys.readouterr().err


def test_no_command_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2


@pytest.mark.parametrize(("value", "chosen"), [("", False), ("own", False), ("current", True)])
def test_cluster_in_the_environment_chooses_the_cluster(
    value: str, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER", value)
    assert current.chosen() is chosen


def test_an_unknown_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER", "kind")
    with pytest.raises(ClusterError, match="CLUSTER=kind"):
        current.chosen()


def test_only_absent_packages_are_installed() -> None:
    wanted = {"present": "/proc/self/stat", "absent": "/nowhere/program", "unknown": "no-such-program"}
    assert packages.missing(wanted) == ["absent", "unknown"]


def test_a_step_says_how_it_ended() -> None:
    shown = io.StringIO()
    with Step("building a", shown):
        pass
    with pytest.raises(ValueError, match="no"), Step("building b", shown):
        raise ValueError("no")
    lines = shown.getvalue().splitlines()
    assert lines[0] == "building a …"
    assert lines[1].startswith("  done: building a")
    assert lines[3].startswith("  failed: building b")
