"""The name under which built binaries are kept: the same inputs the same, any other input another."""

import pytest

from tests.cluster import binaries
from tests.cluster.binaries import ALL, ETCD, KUBERNETES
from tests.cluster.errors import ClusterError
from tests.cluster.layout import MODULES

GO_MOD = "module x\n\nrequire k8s.io/kubernetes v1.35.4\n\nrequire (\n\tk8s.io/api v0.35.4 // indirect\n)\n"


def key(go_mod: str = GO_MOD, go_sum: str = "sum", go_version: str = "go1.26") -> str:
    return binaries.cache_key(KUBERNETES, go_mod, go_sum, go_version)


def test_the_same_inputs_have_the_same_key() -> None:
    assert key() == key()


@pytest.mark.parametrize(
    "other",
    [
        key(go_mod=GO_MOD.replace("1.35.4", "1.35.5")),
        key(go_sum="another sum"),
        key(go_version="go1.27"),
        binaries.cache_key(ETCD, GO_MOD, "sum", "go1.26"),
    ],
)
def test_any_other_input_has_another_key(other: str) -> None:
    assert other != key()


def test_other_build_flags_have_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(binaries, "BUILD_ENVIRONMENT", {"CGO_ENABLED": "1"})
    assert key() != before


def test_the_version_is_read_from_the_requirement() -> None:
    assert binaries.required_version(GO_MOD, "k8s.io/kubernetes") == "v1.35.4"
    assert binaries.required_version(GO_MOD, "k8s.io/api") == "v0.35.4"


def test_a_missing_requirement_is_named() -> None:
    with pytest.raises(ClusterError, match=r"k8s\.io/kubernetes"):
        binaries.required_version("module x\n", "k8s.io/kubernetes")


def test_kubernetes_is_linked_with_its_version() -> None:
    flags = binaries.link_flags(KUBERNETES, GO_MOD)
    assert "version.gitVersion=v1.35.4" in flags
    assert "version.gitMajor=1 " in flags
    assert flags.endswith("version.gitMinor=35")
    assert "version" not in binaries.link_flags(ETCD, GO_MOD)


@pytest.mark.parametrize("module", ALL, ids=lambda module: module.name)
def test_what_is_built_is_what_the_module_pins(module: binaries.Module) -> None:
    folder = MODULES / module.name
    assert (folder / "go.sum").stat().st_size > 0
    named = (folder / "tools.go").read_text()
    for package in module.packages.values():
        assert f'"{package}"' in named
