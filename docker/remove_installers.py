"""Removes, in the webhook's final stage, what installs packages: nothing is ever installed in a running container."""

import importlib
import shutil
import site
import sys
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path

MODULES = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "ensurepip")
LEFTOVERS = ("distutils-precedence.pth", "pip-*", "setuptools-*", "wheel-*")
PROGRAMS = ("pip*", "wheel*", "easy_install*")


def main() -> None:
    libraries = [*map(Path, site.getsitepackages()), Path(sysconfig.get_path("stdlib"))]
    for library in libraries:
        for pattern in (*MODULES, *LEFTOVERS):
            for found in library.glob(pattern):
                remove(found)
    for folder in {Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))}:
        for pattern in PROGRAMS:
            for found in folder.glob(pattern):
                remove(found)
    importlib.invalidate_caches()
    # Looked for as files: one that was loaded as this interpreter began is still known to it by name.
    left = [name for name in MODULES if PathFinder.find_spec(name)]
    if left:
        sys.exit(f"still there: {', '.join(left)}")


def remove(path: Path) -> None:
    print(f"removing {path}")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    main()
