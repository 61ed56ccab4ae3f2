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
Compares a checkpoint's predictions with the true parameters of a dataset, beside the best constant prediction: the
score of a model that ignores the sound. Only parameters that are audible in a sound count.
"""
EPILOG = """\
Takes the rows that the run kept for validation, where the checkpoint names them. Renders nothing; `vjax evaluate`
compares sounds.

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
        "--limit", type=at_least(0), default=2000, metavar="N", help="at most N rows; 0 takes all (default 2000)"
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
    answers = predict_dataset(predictor, info, rows, reader=reader)
    answers = list(progress_bar(answers, total=len(rows), unit="sound", desc="predicting"))
    predicted, targets = ([getattr(a, side) for a in answers] for side in ("parameters", "target"))
    found = score_heads(predicted, targets, predictor.schema, info.tier, predictor.model.config.has_modulation)
    if arguments.json:
        told = {**dataclasses.asdict(found), "knob_skill": found.knob_skill, "menus_above": found.menus_above}
        told["knobs"], told["menus"] = ([one._asdict() for one in side] for side in (found.knobs, found.menus))
        told |= {name: getattr(found, name)._asdict() for name in ("semitones", "order")}
        told["routes"] = found.routes and found.routes._asdict()
        json.dump({"checkpoint": arguments.checkpoint, "step": predictor.step, "rows": choice, **told}, sys.stdout)
        print()
    else:
        print(f"{checkpoint_name(arguments.checkpoint)}, step {predictor.step}: {found.sounds} sounds, {choice}")
        _print(found)
    return 0


def _print(found) -> None:
    print(f"{'':44} {'model':>8} {'constant':>8}")
    for what, scores, form, verdict in (
        ("knobs: mean |error|, parts of the range", found.knobs, "8.4f", f"skill {found.knob_skill:.1%}"),
        ("menus: accuracy", found.menus, "8.1%", f"{found.menus_above:.0%} of {len(found.menus)} menus above"),
    ):
        n = max(sum(one.counted for one in scores), 1)
        score, constant = (sum(one.counted * one[at] for one in scores) / n for at in (2, 3))
        print(f"{what:44} {score:{form}} {constant:{form}}  {verdict}")
    for what, one in (("transpositions right to the semitone", found.semitones), ("effects in order", found.order)):
        if one.counted:
            print(f"{what:44} {one.score:8.1%} {one.constant:8.1%}  of {one.counted}")
    if found.routes:
        r = found.routes
        print(f"{'routes: F1':44} {r.f1:8.3f} {r.constant_f1:8.3f}  ({', '.join(r.constant_routes[:3])} ...)")
        print(f"  {r.true:.1f} a sound, {r.answered:.1f} answered; precision {r.precision:.3f}, recall {r.recall:.3f}")
    print(f"\nmenus furthest below their commonest option{'':13} counted")
    for menu in sorted(found.menus, key=lambda m: m.score - m.constant)[:_WORST]:
        print(f"  {menu.name:42} {menu.score:8.1%} {menu.constant:8.1%} {menu.counted:8}")
    print("\nknobs that gain most over their median, in all sounds together")
    for knob in sorted(found.knobs, key=lambda k: k.counted * (k.score - k.constant))[:_WORST]:
        print(f"  {knob.name:42} {knob.score:8.4f} {knob.constant:8.4f} {knob.counted:8}")
