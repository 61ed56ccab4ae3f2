"""`python -m vjax`: the command `vjax`, where no command was installed."""

import sys

from vjax.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
