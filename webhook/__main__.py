"""`python -m webhook admission` and `python -m webhook controller`."""

import argparse
import sys

from webhook import logs
from webhook.errors import SettingsError
from webhook.settings import Settings, load


def main() -> int:
    """Start the process that is asked for. Exits with 2 where a setting cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m webhook", description=__doc__)
    parser.add_argument("process", choices=["admission", "controller"])
    process: str = parser.parse_args().process
    try:
        settings = load()
        logs.set_up(settings.log_level, settings.log_format)
        return _admission(settings) if process == "admission" else _controller(settings)
    except SettingsError as error:
        print(f"settings: {error}", file=sys.stderr)  # noqa: T201 - there is no log format to speak of yet
        return 2


def _admission(settings: Settings) -> int:
    from webhook.admission.server import serve

    serve(settings)
    return 0


def _controller(settings: Settings) -> int:
    from webhook.controller.process import run

    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
