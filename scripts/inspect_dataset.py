"""`vjax inspect` for a checkout: see --help, or vjax/cli/inspect_dataset.py."""

import sys

from vjax.cli.inspect_dataset import main

if __name__ == "__main__":
    sys.exit(main())
