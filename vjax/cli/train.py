"""`vjax train`: trains the inverse model."""

import argparse
import contextlib

from vjax.cli.command import CommandError, UsageError, at_least, command_parser, run
from vjax.cli.config import add_settings_to_help
from vjax.cli.recipe import SETTINGS_HELP, add_config_flag, parse_arguments, read_config
from vjax.io.folder_lock import locked

DESCRIPTION = """\
Trains the network that predicts presets from sounds. Without --config.data.path the run first renders its own data. The
same command continues a run that was stopped or killed, also with another number of processes. It prints the settings
that were changed, and fails if the checkpoint depends on one of them, such as train.batch_size.
"""
EPILOG = f"""\
{SETTINGS_HELP}
examples:
  vjax train --config tier3:demo --workdir runs/demo    # minutes on two CPU cores
  vjax train --config tier3 --config.data.path=DATASET --workdir runs/tier3
  vjax train --config configs/tier3.py:demo --config.loss.modulation_weight=0.5 --workdir runs/half

  # in a Slurm job, one task for each GPU:
  srun vjax train --distributed --config tier3 --config.data.path=DATASET --workdir runs/tier3
  # on hosts a and b, all GPUs of each; the first on a, the second on b:
  vjax train --coordinator-address a:9876 --num-processes 2 --process-id 0 --config tier3 --workdir runs/tier3
  vjax train --coordinator-address a:9876 --num-processes 2 --process-id 1 --config tier3 --workdir runs/tier3
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("train", DESCRIPTION, EPILOG)
    add_config_flag(parser, "tier3:demo")
    parser.add_argument(
        "--workdir",
        default="runs/train",
        help="folder for checkpoints, config.json, train.log and summary.json (default %(default)s)",
    )
    _add_host_flags(parser)
    add_settings_to_help(parser, "tier3")
    arguments, overrides = parse_arguments(parser, argv)
    kept = f"{arguments.workdir} keeps finished shards and the last checkpoint; the same command continues"
    return run(parser.prog, lambda: _train(arguments, overrides), kept)


def _add_host_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "several processes",
        # argparse prints this text without reformatting.
        "On one host or many, all with the same command line except --process-id. They share each batch:\n"
        "train.batch_size is the number of rows of all processes together, a multiple of the number of their devices.\n"
        "All read the data and --workdir at the same path, on a shared file system. Process 0 renders, evaluates and\n"
        "logs. If one fails, all end; start all of them again to continue.",
    )
    group.add_argument(
        "--distributed", action="store_true", help="read the next three from Slurm (or Open MPI, Kubernetes)"
    )
    group.add_argument(
        "--coordinator-address", metavar="HOST:PORT", type=_address, help="a free port of process 0's host"
    )
    group.add_argument("--num-processes", metavar="N", type=at_least(1), help="number of processes")
    group.add_argument("--process-id", metavar="I", type=at_least(0), help="number of this process, from 0")


def _train(arguments: argparse.Namespace, overrides: list[str]) -> int:
    config = read_config(arguments.config, overrides)
    with _joined(arguments), contextlib.ExitStack() as stack:
        from vjax.candidates.bank import write_bank
        from vjax.evaluation.listen import make_listener
        from vjax.evaluation.run_summary import print_summary
        from vjax.training.hosts import is_leader, on_leader
        from vjax.training.loop import train
        from vjax.training.run_log import NonFiniteLossError

        on_leader("lock", lambda: stack.enter_context(locked(arguments.workdir)))
        listener = make_listener(config.generation, config.train.listen_sounds, config.data.render_workers or None)
        try:
            summary = train(config, arguments.workdir, evaluators=[listener, write_bank])
        except NonFiniteLossError as error:
            raise CommandError(str(error)) from error
        if is_leader():
            print_summary(summary, arguments.workdir)
    return 0


def _joined(arguments: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """A context that joins the other processes, or does nothing if there are none.

    Raises UsageError if the flags are incomplete or contradict each other.
    """
    given = {
        "--coordinator-address": arguments.coordinator_address,
        "--num-processes": arguments.num_processes,
        "--process-id": arguments.process_id,
    }
    missing = [flag for flag, value in given.items() if value is None]
    if arguments.distributed and len(missing) < len(given):
        raise UsageError(f"--distributed reads {', '.join(given)} from Slurm; give it or them, not both")
    if not arguments.distributed and 0 < len(missing) < len(given):
        raise UsageError(f"{' and '.join(missing)} must be given too, in every process")
    if not arguments.distributed and missing:
        return contextlib.nullcontext()
    if not missing and arguments.process_id >= arguments.num_processes:
        last = arguments.num_processes - 1
        raise UsageError(f"--process-id {arguments.process_id}: expected 0 to {last}, as --num-processes is {last + 1}")
    from vjax.training.hosts import joined

    return joined(*given.values())


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, such as node0:9876, got {text!r}")
    return text
