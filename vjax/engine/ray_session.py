"""Ray sessions, and the CPUs of the nodes that are alive."""

import contextlib
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator

import ray


@contextlib.contextmanager
def ray_session() -> Iterator[None]:
    """Joins a Ray cluster, or starts one on this machine's cores that ends with the block. Ray's logs are not shown.

    The cluster is the one at RAY_ADDRESS, or the one that `ray start` began on this machine. Within a session, or if
    the caller has called `ray.init`, this function does nothing.

    Raises:
      ConnectionError: the cluster does not respond.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            # jax warns of forks. These forks are safe, because they start another program at once.
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:
        given = os.environ.get("RAY_ADDRESS")
        address = f"RAY_ADDRESS={given}" if given else "`ray start`'s address"
        raise ConnectionError(
            f"no Ray cluster responds at {address} ({error}); start one with `ray start --head`, or set "
            "RAY_ADDRESS=local to use this machine alone"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own handler exits with status 15
    try:
        yield
    finally:
        ray.shutdown()


def node_cpus() -> dict[str, int]:
    """Number of CPUs by node, of the nodes that are alive and have any."""
    cpus = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]}
    return {node: n for node, n in cpus.items() if n}


def become_worker() -> None:
    """Prepares an actor or a task. Call it there first.

    A render process imports the main script of its parent, unless that has no file. Importing Ray's main script takes
    0.3 s, so this function removes its file. (Preloading it in the fork server, as `prepare_method` requests, is broken
    in Python 3.11: python/cpython issue 126631.)
    """
    if hasattr(sys.modules["__main__"], "__file__"):
        del sys.modules["__main__"].__file__
