"""`vjax pack` for a checkout: see --help, or vjax/cli/pack.py."""

import sys

from vjax.cli.pack import main

if __name__ == "__main__":
    sys.exit(main())
