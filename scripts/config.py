"""`vjax config` for a checkout: see --help, or vjax/cli/config.py."""

import sys

from vjax.cli.config import main

if __name__ == "__main__":
    sys.exit(main())
