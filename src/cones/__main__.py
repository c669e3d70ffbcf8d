"""Entry point of the `cones` command and of `python -m cones`: light, so that it works where extras are missing."""

import sys

from . import __version__
from .common.extras import MissingExtraError
from .common.interrupts import STOPPED


def main() -> None:
    """Run the command line, or say in one line what it needs."""
    if sys.argv[1:2] == ["--version"]:
        print(f"cones {__version__}")
        return
    try:
        from .cli.app import main as run
    except MissingExtraError as error:
        sys.exit(f"cones: {error}")
    except KeyboardInterrupt:
        print("cones: stopped", file=sys.stderr)
        sys.exit(STOPPED)
    run()


if __name__ == "__main__":
    main()
