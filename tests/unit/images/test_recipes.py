"""The images: what the Dockerfiles copy is what decides whether they are built again."""

import re
import shutil
from pathlib import Path

import pytest

from tests.cluster.layout import CHECKOUT
from tests.images.recipes import ALL, SIDECAR, Recipe, image_key, input_files

VERSION = (CHECKOUT / "VERSION").read_text().strip()
each_image = pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)


def dockerfile(recipe: Recipe) -> str:
    return (CHECKOUT / recipe.dockerfile).read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the sidecar's image is made of."""
    for path in input_files(SIDECAR):
        target = tmp_path / path.relative_to(CHECKOUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


@each_image
def test_what_is_copied_is_an_input(recipe: Recipe) -> None:
    copied = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile(recipe), re.MULTILINE)
    assert sorted(copied) == sorted(recipe.inputs)


@each_image
def test_the_default_version_is_the_version(recipe: Recipe) -> None:
    assert re.findall(r"^ARG VERSION=(.*)$", dockerfile(recipe), re.MULTILINE) == [VERSION]


@each_image
def test_the_image_says_what_it_is_and_runs_as_nobody_in_particular(recipe: Recipe) -> None:
    text = dockerfile(recipe)
    for label in ("title", "description", "version", "revision", "source", "licenses"):
        assert f"org.opencontainers.image.{label}=" in text
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "65532:65532"
    assert "ARG PYTHON_IMAGE=python:3.13-slim\n" in text


@each_image
def test_packages_are_installed_only_as_pinned(recipe: Recipe) -> None:
    installs = re.findall(r"pip install (.*(?:\\\n.*)*)", dockerfile(recipe))
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]


def test_the_same_files_have_the_same_key_wherever_they_are(checkout: Path) -> None:
    assert image_key(SIDECAR, checkout) == image_key(SIDECAR)


@pytest.mark.parametrize("changed", ["Dockerfile.sidecar", "sidecar/__main__.py", "docker/collect.py", "VERSION"])
def test_a_changed_input_has_another_key(changed: str, checkout: Path) -> None:
    with open(checkout / changed, "a") as file:
        file.write("# changed\n")
    assert image_key(SIDECAR, checkout) != image_key(SIDECAR)


def test_a_new_module_has_another_key_and_a_compiled_one_has_not(checkout: Path) -> None:
    (checkout / "sidecar" / "__pycache__").mkdir()
    (checkout / "sidecar" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"compiled")
    assert image_key(SIDECAR, checkout) == image_key(SIDECAR)
    (checkout / "sidecar" / "new.py").write_text("")
    assert image_key(SIDECAR, checkout) != image_key(SIDECAR)
