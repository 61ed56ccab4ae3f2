"""Compiled functions on disk: the next process starts seconds faster."""

import os
import sys
from pathlib import Path

_BYTES = 10**9  # a command's compiled functions take 1 to 30 MB
_FROM_S = 0.3  # what compiles faster is not kept


def keep_compiled() -> None:
    """Lets jax keep compiled functions on disk, at most _BYTES of them, those used last.

    The user's own JAX_COMPILATION_CACHE_DIR comes first, with the size that the user gives it; an empty one keeps
    nothing. Call it before the first compile.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vjax" / "compiled"
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache)
        # Not in a folder that jax filled without a bound: it cannot tell how old those files are, and writes no more.
        os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_BYTES))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(_FROM_S))
    if "jax" in sys.modules:  # it has read the environment already
        config = sys.modules["jax"].config
        for name, kind in (
            ("jax_compilation_cache_dir", str),
            ("jax_compilation_cache_max_size", int),
            ("jax_persistent_cache_min_compile_time_secs", float),
        ):
            if name.upper() in os.environ:
                config.update(name, kind(os.environ[name.upper()]))
