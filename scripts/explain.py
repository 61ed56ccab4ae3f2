"""`vjax explain` for a checkout: see --help, or vjax/cli/explain.py."""

import sys

from vjax.cli.explain import main

if __name__ == "__main__":
    sys.exit(main())
