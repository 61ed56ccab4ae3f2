"""`vjax refine` for a checkout: see --help, or vjax/cli/refine.py."""

import sys

from vjax.cli.refine import main

if __name__ == "__main__":
    sys.exit(main())
