"""`vjax evaluate` for a checkout: see --help, or vjax/cli/evaluate.py."""

import sys

from vjax.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
