"""Keeps compiled functions on disk, so that the next process starts seconds faster."""

import os
import sys
import warnings

from vjax.io.cache_folder import cache_folder

_BYTES = 10**9  # a command's compiled functions take 1 to 30 MB
_FROM_S = 0.3  # a function that compiles faster is not kept


def keep_compiled() -> None:
    """Makes jax keep compiled functions on disk: the most recently used ones, at most _BYTES in all.

    If the user has set JAX_COMPILATION_CACHE_DIR, that folder is used, with the size limit that the user has set. An
    empty value turns the cache off. Nothing is kept, and nothing fails, where files cannot be written. Call this
    function before the first compilation.
    """
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")  # it compiles then
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and (cache := cache_folder("compiled")):
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache)
        # Limit only our own folder. In a folder that jax filled without a limit, jax cannot see how old the files are,
        # and writes nothing more.
        os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_BYTES))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(_FROM_S))
    if "jax" in sys.modules:  # then it has read the environment already
        config = sys.modules["jax"].config
        for name, kind in (
            ("jax_compilation_cache_dir", str),
            ("jax_compilation_cache_max_size", int),
            ("jax_persistent_cache_min_compile_time_secs", float),
        ):
            if name.upper() in os.environ:
                config.update(name, kind(os.environ[name.upper()]))
