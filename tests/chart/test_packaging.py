"""The chart as a package: lint, versions, and the workflows that publish it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, ROOT, HelmNotFoundError, helm_binary, lint
from tests.chart.value_sets import VALUE_SETS

WORKFLOWS = ROOT / ".github" / "workflows"


def test_helm_lint_finds_nothing() -> None:
    done = lint("--set", "credentials.apiKey=x")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


def test_version_and_app_version_are_the_project_s() -> None:
    version = (ROOT / "VERSION").read_text().strip()
    chart = load(CHART / "Chart.yaml")
    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert chart["kubeVersion"] == ">=1.29.0-0"


def test_the_release_publishes_the_images_that_the_chart_names() -> None:
    values = load(CHART / "values.yaml")
    text = (WORKFLOWS / "release.yaml").read_text()
    matrix = load(WORKFLOWS / "release.yaml")["jobs"]["images"]["strategy"]["matrix"]["image"]
    named = {values["image"]["repository"], values["sidecar"]["image"]["repository"]}
    assert {f"ghcr.io/cronitorio/cronitor-k8s-{image}" for image in matrix} == named
    assert "ghcr.io/cronitorio/cronitor-k8s-${{ matrix.image }}" in text


@pytest.mark.parametrize("workflow", ["ci.yaml", "release.yaml"])
def test_every_action_is_pinned_to_a_version(workflow: str) -> None:
    steps = [step for job in load(WORKFLOWS / workflow)["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    for action in used:
        assert action.rsplit("@v", 1)[1].count(".") == 2, action


def test_value_sets_have_different_names() -> None:
    assert len({str(each) for each in VALUE_SETS}) == len(VALUE_SETS)


def test_a_missing_helm_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HELM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CRONITOR_K8S_CACHE", str(tmp_path))
    with pytest.raises(HelmNotFoundError, match=r"python -m tests\.cluster up"):
        helm_binary.__wrapped__()


def load(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text())
    assert isinstance(loaded, dict)
    return loaded
