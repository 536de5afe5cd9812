"""What must hold of the repository as a whole: one version, pinned requirements, nothing of one place in the tree."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VERSION = (ROOT / "VERSION").read_text().strip()
# In two parts each, or this file would hold what it forbids.
FORBIDDEN = [
    "/".join(("", "work", "")),
    ".".join(("pypi", "org")),
    ".".join(("files", "pythonhosted")),
    ".".join(("proxy", "golang")),
    ".".join(("sum", "golang")),
    ".".join(("registry", "npmjs")),
    "--".join(("", "index-url")),
    "--".join(("", "extra-index-url")),
]


def tracked() -> list[Path]:
    """Every file of the repository, and those that are about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    assert paths
    return [path for path in paths if path.is_file()]


# --- the version -----------------------------------------------------------------------------------------------------


def test_the_version_is_one_of_three_numbers() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", VERSION)


@pytest.mark.parametrize("image", ["webhook", "sidecar"])
def test_the_images_say_the_version(image: str) -> None:
    text = (ROOT / f"Dockerfile.{image}").read_text()
    assert re.findall(r"^ARG VERSION=(.*)$", text, re.MULTILINE) == [VERSION]
    assert 'org.opencontainers.image.version="${VERSION}"' in text


def test_the_chart_says_the_version() -> None:
    chart = yaml.safe_load((ROOT / "charts/cronitor-k8s/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_the_chart_takes_the_images_of_its_version_unless_told_otherwise() -> None:
    values = yaml.safe_load((ROOT / "charts/cronitor-k8s/values.yaml").read_text())
    for image in (values["image"], values["sidecar"]["image"]):
        assert (image["tag"], image["digest"]) == ("", "")


# --- requirements ----------------------------------------------------------------------------------------------------

REQUIREMENTS = ["webhook", "sidecar", "dev"]
Pins = dict[str, tuple[str, str]]


def pins(name: str) -> Pins:
    """Each package with its version and the rest of its entry."""
    found: Pins = {}
    text = (ROOT / f"requirements/{name}.txt").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            pinned = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]+\])?==(\S+)(.*)", line)
            assert pinned, f"{name}: not pinned: {line}"
            found[pinned[1].lower()] = (pinned[2], pinned[3])
    return found


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    assert pins(name)
    for package, (version, rest) in pins(name).items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", rest), f"{package}=={version} has no hash"


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_what_is_asked_for_is_pinned(name: str) -> None:
    text = (ROOT / f"requirements/{name}.in").read_text()
    wanted = re.findall(r"^([A-Za-z][A-Za-z0-9._-]*)", text, re.MULTILINE)
    assert {package.lower() for package in wanted} <= set(pins(name))


@pytest.mark.parametrize("name", ["webhook", "sidecar"])
def test_the_tests_run_with_what_the_images_carry(name: str) -> None:
    dev = {package: version for package, (version, _) in pins("dev").items()}
    assert {package: dev.get(package) for package in pins(name)} == {
        package: version for package, (version, _) in pins(name).items()
    }


# --- the tree --------------------------------------------------------------------------------------------------------


def test_no_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    found = []
    for path in tracked():
        content = path.read_bytes()
        found += [f"{path.relative_to(ROOT)}: {words}" for words in FORBIDDEN if words.encode() in content]
    assert found == []


def test_every_python_file_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py" and path.read_text().strip() and not path.read_text().startswith(('"""', "#!"))
    ]
    assert silent == []


@pytest.mark.parametrize("package", ["webhook", "sidecar"])
def test_the_files_of_the_product_are_small(package: str) -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if path.is_relative_to(ROOT / package) and (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


# --- decisions -------------------------------------------------------------------------------------------------------

ADR = ROOT / "docs/adr"


def test_every_decision_is_in_the_index_once_and_in_order() -> None:
    pages = sorted(path.name for path in ADR.glob("[0-9]*.md"))
    listed = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \|", (ADR / "README.md").read_text(), re.MULTILINE)
    assert [page for _, page in listed] == pages
    assert [int(number) for number, _ in listed] == [int(page[:4]) for page in pages]


def test_every_decision_has_a_number_of_its_own_and_a_title() -> None:
    numbers = [path.name[:4] for path in ADR.glob("[0-9]*.md")]
    assert sorted(numbers) == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    for path in ADR.glob("[0-9]*.md"):
        assert re.match(r"# .+\n", path.read_text()), path.name
