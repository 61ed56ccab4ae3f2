"""`vjax importance` for a checkout: see --help, or vjax/cli/importance.py."""

import sys

from vjax.cli.importance import main

if __name__ == "__main__":
    sys.exit(main())
