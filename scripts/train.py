"""Train the inverse model.

    python scripts/train.py --config configs/tier3.py:demo --workdir runs/demo
    python scripts/train.py --config configs/tier3.py --config.data.path=DATASET --workdir runs/tier3

Without --config.data.path the run first renders its own data. Called again with the same --workdir it continues where
it was stopped or killed. Any setting can be given on the command line, as --config.loss.modulation_weight=0.5.
"""

from absl import app, flags
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file("config", "configs/tier3.py:demo", "recipe, with its variant after a colon")
_WORKDIR = flags.DEFINE_string("workdir", "runs/train", "where checkpoints, logs and summary.json go")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"{argv[1:]} is no flag; settings are given as --config.section.name=value")
    from vjax.evaluation.listen import make_listener
    from vjax.evaluation.summary import print_summary
    from vjax.training.config import unpack
    from vjax.training.loop import NonFiniteLossError, train

    try:
        config = unpack(_CONFIG.value)
        listener = make_listener(config.generation, config.train.listen_sounds, config.data.render_workers or None)
        summary = train(config, _WORKDIR.value, evaluators=[listener])
    except (ValueError, NonFiniteLossError) as error:
        raise SystemExit(f"scripts/train.py: {error}") from error
    print_summary(summary, _WORKDIR.value)


if __name__ == "__main__":
    from vjax.flags import parse_flags

    app.run(main, flags_parser=parse_flags)
