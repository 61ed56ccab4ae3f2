"""Several processes, on one host or many, that train as one: how they meet, wait for each other, and end.

Process 0 leads: it alone renders, listens and writes, except for checkpoints, which are saved by all. It also holds
jax's coordination service, so that the others end at once when it dies; when another one does, all end after the 100 s
of jax's heartbeat. Nobody hangs for ever.
"""

import atexit
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
import orbax.checkpoint as ocp

T = TypeVar("T")

_DAYS_MS = 7 * 24 * 3600 * 1000  # rendering a dataset may take days
_END_S = 10.0  # between the ends of processes that fail of the same thing


class JoinError(ValueError):
    """The processes did not find each other; the text says what to look at."""


@contextlib.contextmanager
def joined(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    timeout_s: float = 300.0,
) -> Iterator[None]:
    """Makes this process one of several. Enter it before anything touches a device.

    Args:
      coordinator_address: HOST:PORT at which process 0 listens, as all others reach it.
      num_processes: how many there are.
      process_id: which one this is, from 0 on. It uses all accelerators of its host.
        Without these three the cluster is asked (Slurm, Open MPI, Kubernetes, TPU pods), in which case a process of
        Slurm or Open MPI uses one GPU, the one of its local number.
      timeout_s: how long to wait for the others.

    Raises:
      JoinError: no cluster, no answer, or a port that is taken.
    """
    # Else jax swallows SIGTERM, to tell us: a job that is told to end would not.
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if coordinator_address is not None:
        _check(coordinator_address, num_processes, process_id, timeout_s)
    try:
        jax.distributed.initialize(
            coordinator_address,
            num_processes,
            process_id,
            # What is given is all there is, also inside of a Slurm job.
            cluster_detection_method=None if coordinator_address is None else "deactivate",
            initialization_timeout=int(timeout_s),
        )
    except ValueError as error:
        raise JoinError(
            f"no cluster was found ({error}). Under Slurm start it by srun; elsewhere give each process "
            "--coordinator-address HOST:PORT, --num-processes N and --process-id I"
        ) from error
    try:
        yield
    except Exception:
        _end_together()
        raise


def is_leader() -> bool:
    """Whether this is process 0, or the only one."""
    return jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Returns when all processes have called this, be it days later. `name` is used once.

    They wait on the coordination service. In a collective they would spin, and gloo and NCCL give up after a while:
    gloo when the first collective of one process comes 30 s after another's.
    """
    ocp.multihost.get_barrier_sync_fn()(key=f"vjax {name}", timeout_ms=_DAYS_MS)


def on_leader(name: str, work: Callable[[], T]) -> T | None:
    """What `work` returns in process 0. The others wait until it is done and get None; `name` as in `wait_for_all`."""
    if not jax.distributed.is_initialized():  # asking for the process would start the devices: `work` may not want them
        return work()
    result = work() if is_leader() else None
    wait_for_all(name)
    return result


def _check(address: str, num_processes: int, process_id: int, timeout_s: float) -> None:
    """Finds out what jax would end the process for, without a word that helps."""
    host, _, port = address.rpartition(":")
    print(
        f"process {process_id} of {num_processes}: waiting up to {timeout_s:.0f} s for the others at {address}",
        file=sys.stderr,
        flush=True,
    )
    if process_id == 0:
        _check_port_is_free(int(port))
    else:
        _wait_for_answer(host.strip("[]"), int(port), timeout_s)


def _check_port_is_free(port: int) -> None:
    try:
        with socket.create_server(("", port)):
            pass
    except OSError as error:
        raise JoinError(
            f"port {port} cannot be opened here ({error.strerror}); choose another one in --coordinator-address, the "
            "same for all processes"
        ) from error


def _wait_for_answer(host: str, port: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with socket.create_connection((host, port), timeout=5.0):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise JoinError(
                    f"no answer from {host}:{port} for {timeout_s:.0f} s ({error.strerror or error}). Does process 0 "
                    "run there, does the name mean its machine here too, and is the port open to this one?"
                ) from error
        time.sleep(0.5)


def _end_together() -> None:
    """After an error: leaves in order if all end, else at once, which ends the others.

    An orderly exit waits for everybody, and this process may be the only one with an error.
    """
    try:
        ocp.multihost.get_barrier_sync_fn()(key="vjax end", timeout_ms=int(_END_S * 1000))
    except RuntimeError:  # it timed out, or somebody is gone
        atexit.register(_exit_now)  # before jax's own handler: the last registered comes first


def _exit_now() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
