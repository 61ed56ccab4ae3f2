"""`vjax export` for a checkout: see --help, or vjax/cli/export.py."""

import sys

from vjax.cli.export import main

if __name__ == "__main__":
    sys.exit(main())
