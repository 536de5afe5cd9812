"""`python -m tests.cronitor.screenshot URL OUT.png`: the stand-in's page in headless Chromium (Debian: `chromium`)."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-proxy-server",
)
TIMEOUT = 60


def take(url: str, out: Path, width: int = 1280, height: int = 800, budget: int = 3000) -> None:
    """Asks for the still page: virtual time, which the budget is counted in, stands while anything is being loaded."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise FileNotFoundError("chromium is not installed (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory(prefix="screenshot-") as profile:
        command = [chromium, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        command += [f"--virtual-time-budget={budget}", f"--screenshot={out}", f"{url.rstrip('/')}/?still"]
        subprocess.run(command, check=True, timeout=TIMEOUT, capture_output=True)
    if not out.exists():
        raise FileNotFoundError(f"Chromium wrote no {out}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cronitor.screenshot", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=800)
    arguments = parser.parse_args()
    take(arguments.url, arguments.out, arguments.width, arguments.height)
    return 0


if __name__ == "__main__":
    sys.exit(main())
