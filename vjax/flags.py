"""Command-line flags of the scripts that take a --config."""

import sys
from collections.abc import Sequence

from absl import app, logging


def parse_flags(argv: Sequence[str]) -> list[str]:
    """absl's flag parser, which answers a wrong `--config.*` override in one line, and with the near names."""
    logging.set_verbosity(logging.WARNING)  # jax and Orbax tell at length what they do
    try:
        return app.parse_flags_with_usage(argv)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = str(error).strip("\"'").replace("\\n", ". ").replace("\\", "")
        sys.exit(f"{argv[0]}: a --config flag is wrong: {text}")
