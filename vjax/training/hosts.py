"""Several processes, on one host or many, that train together: how they connect, wait for each other, and end.

Process 0 is the leader. Only the leader renders, evaluates and writes, except for checkpoints, which all processes
save. The leader also runs jax's coordination service. If it dies, the others end at once. If another process dies, all
end after the 100 s of jax's heartbeat. So no process hangs forever.
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
_END_S = 10.0  # longest time between the ends of processes that fail for the same reason


class JoinError(ValueError):
    """The processes could not connect. The message states what to check."""


@contextlib.contextmanager
def joined(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    timeout_s: float = 300.0,
) -> Iterator[None]:
    """Makes this process one of several. Enter it before any code uses a device.

    Without the first three arguments, jax gets them from the cluster (Slurm, Open MPI, Kubernetes, TPU pods). A process
    of Slurm or Open MPI then uses one GPU, the one of its local number.

    Args:
      coordinator_address: HOST:PORT at which process 0 listens, in a form that works on all hosts.
      num_processes: number of processes.
      process_id: number of this process, from 0 on. It uses all accelerators of its host.
      timeout_s: how long to wait for the others.

    Raises:
      JoinError: no cluster was found, process 0 does not respond, or the port is in use.
    """
    # Otherwise jax catches SIGTERM to notify the program, and a job that gets this signal would not end.
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if coordinator_address is not None:
        _check(coordinator_address, num_processes, process_id, timeout_s)
    try:
        jax.distributed.initialize(
            coordinator_address,
            num_processes,
            process_id,
            # The arguments replace the detection of a cluster, also inside a Slurm job.
            cluster_detection_method=None if coordinator_address is None else "deactivate",
            initialization_timeout=int(timeout_s),
        )
    except ValueError as error:
        raise JoinError(
            f"no cluster was found ({error}). Under Slurm start it with srun; elsewhere give each process "
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
    """Returns when all processes have called this, even days later. Use each `name` only once.

    The processes wait on the coordination service. In a collective they would wait in a busy loop, and gloo and NCCL
    would time out: gloo if the first collective of one process comes 30 s after another's.
    """
    ocp.multihost.get_barrier_sync_fn()(key=f"vjax {name}", timeout_ms=_DAYS_MS)


def on_leader(name: str, work: Callable[[], T]) -> T | None:
    """Runs `work` in process 0 and returns its result there. The others wait until it is done and return None.

    `name` is as in `wait_for_all`.
    """
    # Checked first, because `is_leader` initialises the devices, and `work` may run before that.
    if not jax.distributed.is_initialized():
        return work()
    result = work() if is_leader() else None
    wait_for_all(name)
    return result


def _check(address: str, num_processes: int | None, process_id: int | None, timeout_s: float) -> None:
    """Finds errors for which jax would end the process without a helpful message."""
    host, _, port = address.rpartition(":")
    print(
        f"process {process_id} of {num_processes}: waiting up to {timeout_s:.0f} s for the others at {address}",
        file=sys.stderr,
        flush=True,
    )
    if process_id == 0:
        _check_port_is_free(int(port))
    else:
        _wait_for_connection(host.strip("[]"), int(port), timeout_s)


def _check_port_is_free(port: int) -> None:
    try:
        with socket.create_server(("", port)):
            pass
    except OSError as error:
        raise JoinError(
            f"port {port} cannot be opened here ({error.strerror}); choose another one in --coordinator-address, the "
            "same for all processes"
        ) from error


def _wait_for_connection(host: str, port: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with socket.create_connection((host, port), timeout=5.0):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise JoinError(
                    f"{host}:{port} did not respond within {timeout_s:.0f} s ({error.strerror or error}). Check that "
                    "process 0 runs there, that the name resolves to its machine on this one, and that this machine "
                    "can reach the port"
                ) from error
        time.sleep(0.5)


def _end_together() -> None:
    """Prepares the exit after an error: orderly if all processes end, otherwise at once, which ends the others.

    An orderly exit waits for all processes, but this process may be the only one with an error.
    """
    try:
        ocp.multihost.get_barrier_sync_fn()(key="vjax end", timeout_ms=int(_END_S * 1000))
    except RuntimeError:  # it timed out, or a process is gone
        atexit.register(_exit_now)  # runs before jax's own handler, because the last registered runs first


def _exit_now() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
