"""`vjax precompute` for a checkout: see --help, or vjax/cli/precompute.py."""

import sys

from vjax.cli.precompute import main

if __name__ == "__main__":
    sys.exit(main())
