"""`vjax diagnose`: reports what a checkpoint's heads have learnt, and what they have not."""

import argparse
import dataclasses
import json
import sys

from vjax.cli.command import at_least, command_parser, run
from vjax.cli.match_flags import add_checkpoint
from vjax.cli.old_names import add_old_name
from vjax.shipped import checkpoint_name

DESCRIPTION = """\
Compares a checkpoint's predictions with the true parameters of a dataset. The best constant prediction is scored, too:
it is the score of a model that ignores the sound. Only parameters that are audible in a sound count.
"""
EPILOG = """\
Uses the validation rows of the training run, if the checkpoint names them. Renders nothing; `vjax evaluate` compares
sounds.

examples:
  vjax diagnose --checkpoint runs/tier3 --dataset DATASET
  vjax diagnose --checkpoint runs/tier3 --dataset DATASET --json > heads.json    # every control
"""
_WORST = 12

_SPLITS = ("validation", "training")


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("diagnose", DESCRIPTION, EPILOG)
    add_checkpoint(parser, required=True)
    parser.add_argument("--dataset", required=True, metavar="PATH", help="an HDF5 file, or a folder of shards")
    parser.add_argument("--split", choices=_SPLITS, default=_SPLITS[0], help="which rows (default %(default)s)")
    add_old_name(parser, "--rows", "--split", choices=_SPLITS)
    parser.add_argument(
        "--limit", type=at_least(0), default=2000, metavar="N", help="at most N rows; 0: all of them (default 2000)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _diagnose(arguments))


def _diagnose(arguments: argparse.Namespace) -> int:
    import numpy as np

    from vjax.cli.match_flags import read_checkpoint
    from vjax.data.reader import encoded_as
    from vjax.data.store import open_dataset
    from vjax.evaluation.head_scores import score_heads
    from vjax.inference.predict_many import predict_dataset, validation_split
    from vjax.io.progress import progress_bar

    predictor = read_checkpoint(arguments, batch_size=32)
    info, reader = encoded_as(open_dataset(arguments.dataset), predictor.schema)
    rows, choice = validation_split(predictor, reader)
    if arguments.split == "training":
        rows, choice = np.setdiff1d(np.arange(len(reader)), rows), "training rows"
    rows = rows[: arguments.limit or None].tolist()
    predictions = predict_dataset(predictor, info, rows, reader=reader)
    predictions = list(progress_bar(predictions, total=len(rows), unit="sound", desc="predicting"))
    predicted, targets = ([getattr(one, side) for one in predictions] for side in ("parameters", "target"))
    scores = score_heads(predicted, targets, predictor.schema, info.tier, predictor.model.config.has_modulation)
    if arguments.json:
        content = {**dataclasses.asdict(scores), "knob_skill": scores.knob_skill, "menus_above": scores.menus_above}
        content["knobs"], content["menus"] = ([one._asdict() for one in side] for side in (scores.knobs, scores.menus))
        content |= {name: getattr(scores, name)._asdict() for name in ("semitones", "order")}
        content["routes"] = scores.routes and scores.routes._asdict()
        json.dump({"checkpoint": arguments.checkpoint, "step": predictor.step, "rows": choice, **content}, sys.stdout)
        print()
    else:
        print(f"{checkpoint_name(arguments.checkpoint)}, step {predictor.step}: {scores.sounds} sounds, {choice}")
        _print(scores)
    return 0


def _print(heads) -> None:
    print(f"{'':44} {'model':>8} {'constant':>8}")
    for what, scores, form, summary in (
        ("knobs: mean |error|, parts of the range", heads.knobs, "8.4f", f"skill {heads.knob_skill:.1%}"),
        ("menus: accuracy", heads.menus, "8.1%", f"{heads.menus_above:.0%} of {len(heads.menus)} menus above"),
    ):
        n = max(sum(one.counted for one in scores), 1)
        score, constant = (sum(one.counted * one[index] for one in scores) / n for index in (2, 3))
        print(f"{what:44} {score:{form}} {constant:{form}}  {summary}")
    for what, one in (("transpositions right to the semitone", heads.semitones), ("effects in order", heads.order)):
        if one.counted:
            print(f"{what:44} {one.score:8.1%} {one.constant:8.1%}  of {one.counted}")
    if heads.routes:
        r = heads.routes
        print(f"{'routes: F1':44} {r.f1:8.3f} {r.constant_f1:8.3f}  ({', '.join(r.constant_routes[:3])} ...)")
        print(
            f"  {r.true:.1f} a sound, {r.predicted:.1f} predicted; precision {r.precision:.3f}, recall {r.recall:.3f}"
        )
    print(f"\nmenus furthest below their commonest option{'':13} counted")
    for menu in sorted(heads.menus, key=lambda m: m.score - m.constant)[:_WORST]:
        print(f"  {menu.name:42} {menu.score:8.1%} {menu.constant:8.1%} {menu.counted:8}")
    print("\nknobs that gain most over their median, in all sounds together")
    for knob in sorted(heads.knobs, key=lambda k: k.counted * (k.score - k.constant))[:_WORST]:
        print(f"  {knob.name:42} {knob.score:8.4f} {knob.constant:8.4f} {knob.counted:8}")
