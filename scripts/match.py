"""`vjax match` for a checkout: see --help, or vjax/cli/match.py."""

import sys

from vjax.cli.match import main

if __name__ == "__main__":
    sys.exit(main())
