"""`vjax train` for a checkout: see --help, or vjax/cli/train.py."""

import sys

from vjax.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
