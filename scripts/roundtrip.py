"""`vjax roundtrip` for a checkout: see --help, or vjax/cli/roundtrip.py."""

import sys

from vjax.cli.roundtrip import main

if __name__ == "__main__":
    sys.exit(main())
