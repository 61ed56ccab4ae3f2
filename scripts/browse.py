"""`vjax browse` for a checkout: see --help, or vjax/cli/browse.py."""

import sys

from vjax.cli.browse import main

if __name__ == "__main__":
    sys.exit(main())
