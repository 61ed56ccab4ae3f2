"""`vjax catalog` for a checkout: see --help, or vjax/cli/catalog.py."""

import sys

from vjax.cli.catalog import main

if __name__ == "__main__":
    sys.exit(main())
