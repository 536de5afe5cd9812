"""Collects, in the build stage, the only files that the sidecar's image holds.

The interpreter, the modules that `sidecar` imports (found by importing all of it and looking at what is there then,
plus LAZY), the shared libraries of both, the CA bundle, and the few files that libc looks for. Knows no path of any
distribution: the interpreter is asked. Runs on any glibc-based image with Python ≥ 3.11 and `ldd`.
"""

import argparse
import os
import py_compile
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

# Imported only when something is first used, so not seen by importing the sidecar.
LAZY = (
    "encodings.idna",  # socket.getaddrinfo with any host name
    "encodings.punycode",  # the same, with letters beyond ASCII
    "encodings.ascii",  # http.client: host names, methods, paths
    "encodings.latin_1",  # http.client: headers
    "encodings.iso8859_1",  # the same under its other name
    "traceback",  # an exception that nobody caught, in a thread or in the end
    "linecache",  # the same, and what it imports in turn
    "tokenize",
    "runpy",  # `python -m`
    "pkgutil",
)
# Loaded by libc itself when a thread is ended from outside (a daemon thread as the interpreter leaves); without it
# the process is aborted instead.
LOADED_BY_NAME = ("libgcc_s.so.1",)
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
USER = 65532
# Without docstrings and asserts: 0.8 MB less private memory in each pod, of 14 (measured, Python 3.11).
OPTIMIZE = 2

LIST_MODULES = """
import importlib, pkgutil, sys
from importlib.machinery import PathFinder
sys.path[:0] = sys.argv[1:3]
import sidecar
names = [found.name for found in pkgutil.walk_packages(sidecar.__path__, "sidecar.")]
for name in [*names, *sys.argv[3:]]:
    importlib.import_module(name)
for name, module in sorted(sys.modules.items()):
    spec = getattr(module, "__spec__", None)
    if spec is not None and spec.name != name:
        # It has put another in its own place, as collections.abc does from 3.13 on: its file is needed all the same.
        spec = PathFinder.find_spec(name, getattr(sys.modules.get(name.rpartition(".")[0]), "__path__", []))
    if spec is not None and spec.has_location and spec.origin:
        print(name, int(spec.submodule_search_locations is not None), spec.origin, sep="\\t")
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--application", type=Path, required=True, help="folder that holds the package sidecar")
    parser.add_argument("--packages", type=Path, required=True, help="folder with what it requires")
    parser.add_argument("--into", type=Path, required=True, help="the image's root, to be made")
    options = parser.parse_args()
    root: Path = options.into
    library = root / "usr/lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (library / "lib-dynload").mkdir(parents=True)

    binaries = [copy_interpreter(root)]
    for name, is_package, origin in imported(options.application, options.packages):
        if origin.suffix == ".py":
            compile_module(name, is_package, origin, library)
        else:
            target = library / "lib-dynload" / origin.name
            shutil.copy(origin, target)
            binaries.append(target)
    # The interpreter knows its library folder by this file, although it has the module built in.
    compile_module("os", False, Path(os.__file__), library)
    copy_libraries(binaries, root)
    write_system_files(root)
    sizes = [path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    print(f"collected {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")


def imported(application: Path, packages: Path) -> list[tuple[str, bool, Path]]:
    """Name, whether it is a package, and file of each module that is loaded once the sidecar is."""
    # Isolated and without `site`, as in the image: what those would load is not wanted there.
    command = [sys.executable, "-I", "-S", "-c", LIST_MODULES, str(application.resolve()), str(packages.resolve())]
    listed = subprocess.run([*command, *LAZY], check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = [line.split("\t") for line in listed.splitlines()]
    return [(name, bool(int(is_package)), Path(origin)) for name, is_package, origin in rows if name != "__main__"]


def compile_module(name: str, is_package: bool, source: Path, library: Path) -> None:
    """Compiled alone, without its source: half the size, and nothing to be compared at start."""
    path = Path(*name.split("."), "__init__") if is_package else Path(*name.split("."))
    target = library / path.with_name(f"{path.name}.pyc")
    target.parent.mkdir(parents=True, exist_ok=True)
    shown = str(Path("/", *library.parts[-3:]) / path.with_name(f"{path.name}.py"))
    py_compile.compile(
        str(source),
        cfile=str(target),
        dfile=shown,
        doraise=True,
        optimize=OPTIMIZE,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def copy_interpreter(root: Path) -> Path:
    target = root / "usr/bin/python3"
    target.parent.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), target)
    return target


def copy_libraries(binaries: list[Path], root: Path) -> None:
    """Copies what the binaries are linked with: the loader to its own place, all else to one folder it looks in."""
    libraries: dict[str, Path] = {}
    for binary in binaries:
        listed = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True).stdout
        if "not found" in listed:
            sys.exit(f"{binary} needs a library that is not there:\n{listed}")
        for name, path in re.findall(r"^\s*(\S+) => (/\S+) \(", listed, re.MULTILINE):
            libraries[name] = Path(path)
        for loader in re.findall(r"^\s*(/\S+) \(", listed, re.MULTILINE):
            target = root / loader.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(loader, target)
    for name in LOADED_BY_NAME:
        libraries[name] = libraries["libc.so.6"].with_name(name)
    for name, path in libraries.items():
        shutil.copy(path, root / "usr/lib" / name)


def write_system_files(root: Path) -> None:
    """The CA bundle, where this interpreter's OpenSSL looks for it too, and what libc reads."""
    bundle = root / BUNDLE.relative_to("/")
    bundle.parent.mkdir(parents=True)
    shutil.copy(BUNDLE, bundle)
    # One file for each CA, named by its hash: OpenSSL reads the one that it needs. Only where the base has them.
    for path in BUNDLE.parent.glob("*.[0-9]"):
        shutil.copy(path.resolve(), bundle.parent / path.name)
    folder = root / ssl.get_default_verify_paths().openssl_capath.lstrip("/")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(BUNDLE.parent)
    default = ssl.get_default_verify_paths().openssl_cafile
    if Path(default) != BUNDLE:
        link = root / default.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(BUNDLE)
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    (root / "etc/passwd").write_text(f"root:x:0:0::/:\nsidecar:x:{USER}:{USER}::/:\n")
    (root / "etc/group").write_text(f"root:x:0:\nsidecar:x:{USER}:\n")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


if __name__ == "__main__":
    main()
