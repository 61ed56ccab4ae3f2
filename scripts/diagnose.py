"""`vjax diagnose` for a checkout: see --help, or vjax/cli/diagnose.py."""

import sys

from vjax.cli.diagnose import main

if __name__ == "__main__":
    sys.exit(main())
