"""Render a dataset with the real Vital engine.

    python scripts/generate.py --config configs/tier3.py --n 20000 --out DATASET
    python scripts/generate.py --config configs/tier3.py:demo --n 300 --seed 1 --workers 2 --out DATASET
    python scripts/generate.py --config configs/tier3.py --presets PRESETS --n 20000 --out DATASET

--n counts rows: sounds, each a preset at one note. Shards appear in --out when they are complete. A killed run called
again continues and ends with the same bytes; so does one with another number of workers. With --presets, people's
presets under that folder, their crossovers and their mutations make up a share of the sounds
(--config.generation.sampling.preset_share). scripts/inspect_dataset.py shows what came out.
"""

from absl import app, flags
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file("config", "configs/tier3.py", "recipe; its `generation` section is used")
_N = flags.DEFINE_integer("n", None, "rows to render; by default the recipe's data.n", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", None, "by default the recipe's")
_WORKERS = flags.DEFINE_integer("workers", 0, "processes that render; 0 takes every core", lower_bound=0)
_PRESETS = flags.DEFINE_string(
    "presets", None, "folder of .vital files to mix in; by default the recipe's data.presets"
)
_OUT = flags.DEFINE_string("out", None, "folder for the shards", required=True)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"{argv[1:]} is no flag")
    from vjax.data.generate import generate
    from vjax.training.config import unpack

    try:
        config = unpack(_CONFIG.value)
        report = generate(
            config.generation,
            _OUT.value,
            n=_N.value or config.data.n,
            seed=config.seed if _SEED.value is None else _SEED.value,
            workers=_WORKERS.value or None,
            presets=_PRESETS.value or config.data.presets or None,
        )
    except ValueError as error:
        raise SystemExit(f"scripts/generate.py: {error}") from error
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(report.rejected.items())) or "none"
    print(f"{_OUT.value}: {report.rows} rows of {report.presets} presets")
    print(f"rejected: {report.rejected_share:.1%} of the candidates ({reasons})")


if __name__ == "__main__":
    from vjax.flags import parse_flags

    app.run(main, flags_parser=parse_flags)
