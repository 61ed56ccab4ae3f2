"""`vjax generate` for a checkout: see --help, or vjax/cli/generate.py."""

import sys

from vjax.cli.generate import main

if __name__ == "__main__":
    sys.exit(main())
