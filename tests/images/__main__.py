"""`python -m tests.images build`: builds both images and loads them into the cluster that is up."""

import argparse
import sys
from collections.abc import Sequence

from tests import images
from tests.cluster import ClusterError, current


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.images", description="Our images, for the tests.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build what has changed and load it into the cluster")
    build.add_argument("--no-load", action="store_true", help="only build; print where the archives are")
    options = parser.parse_args(arguments)
    try:
        built = images.build()
        if options.no_load or current.chosen():
            for image in built:
                print(image.archive)
        else:
            images.load(built)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
