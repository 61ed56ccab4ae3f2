"""The summary that a training run prints at its end: its metrics beside baselines, and the paths of its files."""

from pathlib import Path
from typing import Any


def print_summary(summary: dict[str, Any], workdir: str | Path) -> None:
    """Prints a training summary (see `vjax.training.loop.train`) for people."""
    workdir = Path(workdir)
    val = summary["val"]
    rate = summary["samples_per_second"]
    pace = f"{rate} samples/s" if rate else "trained before"
    print(f"\nDone: {summary['steps']} steps, {summary['seconds']:.0f} s in all, {pace}")
    print(f"  validation loss {val['loss']:.4f} (best {summary['best_val_loss']:.4f})")
    print(f"  audible knobs, mean error {val['continuous_mae']:.3f} of their range")
    print(f"  menus right {_share(val, 'categorical_accuracy')}, majority class {_share(val, 'categorical_majority')}")
    print(f"    of the audible menus {_share(val, 'audible_categorical_accuracy')}")
    if "mod_f1" in val:
        rates = f"precision {val['mod_precision']:.3f}, recall {val['mod_recall']:.3f}, F1 {val['mod_f1']:.3f}"
        print(f"  routes: {rates}; mean error of true amounts {val.get('mod_amount_mae', float('nan')):.3f}")
    distances = summary.get("audio_distance", {}).get("mss")
    for worse in _worse_than_baselines(val, distances or {}):
        print(f"  warning: {worse}; train longer or on more data before you use this model")
    if distances:
        print("  MSS distance to the target in dB, mean over the rendered sounds, and the recovered share:")
        meanings = {
            "random": "other training sounds (0 %)",
            "nearest": "the nearest training sound (baseline)",
            "prediction": "this model",
            "floor": "the target itself with other random phases (100 %)",
        }
        gap = distances.get("random", 0.0) - distances.get("floor", 0.0)
        for name, meaning in meanings.items():
            if name in distances:
                share = f"{(distances['random'] - distances[name]) / gap:.1%}" if gap > 0 else "-"
                print(f"    {distances[name]:7.2f}  {share:>6}  {meaning}")
    if summary.get("silent_predictions"):
        print(f"    silent, and so without a distance: {summary['silent_predictions']} predictions")
    print(f"  checkpoints       {workdir / 'checkpoints'}")
    print(f"  summary           {workdir / 'summary.json'}")
    print(f"  settings, log     {workdir / 'config.json'}, {workdir / 'train.log'}")
    print(f"  TensorBoard       tensorboard --logdir {workdir / 'tensorboard'}")
    if (workdir / "listen").is_dir():
        print(f"  sounds, presets, images   {workdir / 'listen'}")


def _worse_than_baselines(val: dict[str, float], distances: dict[str, float]) -> list[str]:
    """Texts about each point in which the model is worse than a constant guess or the nearest training sound."""
    found = []
    if val.get("categorical_accuracy", 1.0) < val.get("categorical_majority", 0.0):
        found.append("its categorical parameters are worse than a constant guess")
    if distances.get("prediction", 0.0) > distances.get("nearest", float("inf")):
        found.append("its predictions are further from the targets than the nearest training sound")
    return found


def _share(val: dict[str, float], name: str) -> str:
    return f"{val[name]:.1%}" if name in val else "-"
