"""`vjax generate`: renders a dataset with the real Vital engine."""

import argparse

from vjax.cli.command import at_least, command_parser, run
from vjax.cli.recipe import SETTINGS_HELP, add_config_flag, parse_arguments, read_config
from vjax.cli.scheduler_flag import SCHEDULER_HELP, add_scheduler_flag

DESCRIPTION = """\
Renders a dataset with the real Vital engine. Shards appear in --out when they are complete. The same command continues
a run that was killed. The bytes are the same whatever the number of workers. With --presets, a share of the sounds
(--config.generation.sampling.preset_share) are the presets of that folder, their crossovers and their mutations.
"""
EPILOG = f"""\
{SETTINGS_HELP}
{SCHEDULER_HELP}
examples:
  vjax generate --config tier3 --n 20000 --out DATASET
  vjax generate --config tier3:demo --n 300 --seed 1 --workers 2 --out DATASET
  vjax generate --config tier3 --presets PRESETS --n 20000 --out DATASET
  RAY_ADDRESS=HOST:6379 vjax generate --config tier3 --n 1000000 --scheduler ray --out DATASET
  vjax inspect DATASET    # shows the result
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("generate", DESCRIPTION, EPILOG)
    add_config_flag(parser, "tier3")
    parser.add_argument(
        "--n",
        type=at_least(1),
        help="number of rows; each is a preset rendered at one note (default: data.n of the recipe)",
    )
    parser.add_argument("--seed", type=int, help="seed of the random numbers (default: the recipe's)")
    parser.add_argument(
        "--workers",
        type=at_least(0),
        default=0,
        help="number of render processes, or with ray of shards at a time (0 = all cores)",
    )
    add_scheduler_flag(parser)
    parser.add_argument("--presets", help="folder of .vital files to mix in (default: the recipe's data.presets)")
    parser.add_argument("--out", required=True, help="folder for the shards")
    arguments, overrides = parse_arguments(parser, argv)
    kept = f"{arguments.out} keeps the finished shards; the same command continues"
    return run(parser.prog, lambda: _generate(arguments, overrides), kept)


def _generate(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from vjax.data.generate import generate

    config = read_config(arguments.config, overrides)
    report = generate(
        config.generation,
        arguments.out,
        n=arguments.n or config.data.n,
        seed=config.seed if arguments.seed is None else arguments.seed,
        workers=arguments.workers or None,
        presets=arguments.presets or config.data.presets or None,
        scheduler=arguments.scheduler,
    )
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(report.rejected.items())) or "none"
    print(f"{arguments.out}: {report.rows} rows of {report.presets} presets")
    print(f"rejected: {report.rejected_share:.1%} of the candidates ({reasons})")
    return 0
