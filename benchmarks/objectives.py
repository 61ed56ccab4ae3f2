"""Compares objectives: which candidate each would choose, and what a search finds with each.

    python benchmarks/objectives.py PRESETS_OR_SOUNDS... --out runs/objectives     # collects, searches, prints
    python benchmarks/objectives.py --out runs/objectives                          # prints the tables again
    python benchmarks/objectives.py --out runs/objectives --cdpam                  # adds CDPAM; pip install cdpam torch

1. Each target is matched once, as `vjax match` does it. All candidates' sounds are kept in OUT/ID/candidates.npz, so an
   objective is a formula over them: for each family, the candidate with the lowest loss is its choice.
2. `--fits` makes the best patch of each target again, with the first 80 ms of the sound counting more in its fit.
3. `--evals N` also searches from the chosen editable preset with each objective, as `vjax match --refine` does.

The tables compare the sounds that the objectives lead to, by metrics that none of them contains: wMFCC, SOT, RMS
cosine, the traits, and CDPAM (Manocha et al., "CDPAM: Contrastive learning for perceptual audio similarity", ICASSP
2021), a network trained on people's judgements. Cells are the median of objective minus default, with its 95 %
bootstrap interval over the targets. An interval that contains 0 is no difference.

Everything in OUT is kept, and the same command continues. Do not give it presets of the card.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

OBJECTIVES = {
    "default": {},
    "+ rse": {"rse": 1.0},
    "+ attack": {"attack": 0.5},
    "+ both": {"rse": 1.0, "attack": 0.5},
    "mss + rse": {"mrstft": 0.0, "ltas": 0.0, "rse": 1.0},
    "mss": {"mrstft": 0.0, "ltas": 0.0},
    "rse": {"mss": 0.0, "mrstft": 0.0, "ltas": 0.0, "rse": 1.0},
}
SEARCHED = ("default", "+ rse", "+ attack", "mss + rse")
OUTSIDE = ("wmfcc", "sot", "rms_cosine", "attack_centroid", "attack_time", "fall", "width", "cdpam")
INSIDE = ("mss", "rse")
ATTACK_WEIGHTS = {"default": 1.0, "attack x 3": 3.0, "attack x 10": 10.0}  # of the frames of the attack in a fit
ATTACK_S = 0.08
_NOTE = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", type=Path, help=".vital files, sound files, or folders of them")
    parser.add_argument("--out", type=Path, default=Path("runs/objectives"), help="folder (default %(default)s)")
    parser.add_argument("--limit", type=int, default=0, help="take N files of each folder, spread evenly (0 = all)")
    parser.add_argument("--evals", type=int, default=0, help="renders of each search (0 = no search)")
    parser.add_argument("--fits", action="store_true", help="fit patches with a heavier attack")
    parser.add_argument("--cdpam", action="store_true", help="compute CDPAM, and keep it in OUT")
    parser.add_argument("--json", type=Path, help="write the tables to this file")
    arguments = parser.parse_args()
    files = list(_files(arguments.targets, arguments.limit))
    if files:
        collect(files, arguments.out)
    folders = sorted(path.parent for path in arguments.out.glob("*/candidates.npz"))
    if arguments.evals:
        search(folders, arguments.evals)
    if arguments.fits:
        fit(folders)
    measure(folders, arguments.cdpam)
    tables = {**choices(folders), **fits(folders), **searches(folders)}
    for title, table in tables.items():
        print_table(title, table)
    if arguments.json:
        arguments.json.write_text(json.dumps(tables, indent=1))


def _files(targets: list[Path], limit: int) -> Iterator[Path]:
    from vjax.io.find_files import PRESETS, SOUNDS

    for target in targets:
        known = (*PRESETS.endings, *SOUNDS.endings)
        inside = sorted(file for file in target.rglob("*") if file.suffix.lower() in known) or [target]
        spread = np.linspace(0, len(inside) - 1, min(limit or len(inside), len(inside))).round().astype(int)
        yield from (inside[i] for i in spread)


def collect(files: list[Path], out: Path) -> None:
    """Matches each file, and keeps its candidates and their terms. Files in `out` are skipped."""
    from vjax.audio.clip import load_clip, make_clip
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.inference.predict import Predictor, render_config
    from vjax.io.progress import progress_bar
    from vjax.matching.banks import open_banks
    from vjax.matching.config import MatchConfig
    from vjax.matching.match import match
    from vjax.search.objective import Objective, ObjectiveConfig
    from vjax.shipped import checkpoint_folder
    from vjax.vital.preset_json import read_json

    predictor = Predictor.from_checkpoint(checkpoint_folder("shipped"))
    render = render_config(predictor)
    objective = Objective(ObjectiveConfig(), 1, 1, render.samples, render.sample_rate)
    with RenderPool(render) as pool:
        banks = open_banks(predictor, checkpoint_folder("shipped"))
        for file in progress_bar(files, desc="matching", unit="sound"):
            folder = out / file.stem.replace(" ", "_")
            if (folder / "candidates.npz").exists():
                continue
            is_preset = file.suffix.lower() == ".vital"
            if is_preset:
                played = pool.render(RenderJob(read_json(file), (_NOTE,))).audio
                clip = make_clip(played[0], render.sample_rate, render.samples, file.stem)
            else:
                clip = load_clip(file, render.sample_rate, render.samples)
            result = match(clip, predictor, pool, MatchConfig(note=_NOTE if is_preset else None), banks)
            usable = [one for one in result.candidates if not one.error and not one.wrong_note]
            objective.set_target(0, result.target)
            ranges = np.array([_range_db(one.preset) for one in usable])
            terms = [
                objective.levelled_terms(one.audio[None], [0], row[None])[2][0]
                for one, row in zip(usable, ranges, strict=True)
            ]
            folder.mkdir(parents=True, exist_ok=True)
            kept = {
                "target": result.target.astype(np.float32),
                "audio": np.stack([one.audio for one in usable]).astype(np.float16),
                "terms": np.array(terms, np.float32),
                "families": np.array([one.kind.family for one in usable]),
                "labels": np.array([one.label for one in usable]),
                "sample_rate": result.sample_rate,
                "note": result.note,
                "note_s": result.note_s,
            }
            result.save(folder / "found.vital", overwrite=True)
            with open(folder / "candidates.partial", "wb") as stream:
                np.savez_compressed(stream, **kept)
            (folder / "candidates.partial").rename(folder / "candidates.npz")


def _range_db(preset) -> tuple[float, float]:
    """As a match does, candidates may be played at any level that Vital's volume reaches."""
    from vjax.vital.level import level_range_db

    return level_range_db(preset)


def search(folders: list[Path], evals: int) -> None:
    """Searches from each target's written preset with each of SEARCHED, and keeps the sounds in OUT/ID."""
    from vjax.engine.pool import RenderPool
    from vjax.inference.predict import Predictor, render_config
    from vjax.matching.choose import rank
    from vjax.search.candidate import Candidate
    from vjax.search.objective import ObjectiveConfig
    from vjax.search.refine import refine
    from vjax.search.refine_config import RefineConfig
    from vjax.search.target import RefineTarget
    from vjax.shipped import checkpoint_folder
    from vjax.vital.preset import read_preset

    render = render_config(Predictor.from_checkpoint(checkpoint_folder("shipped")))
    by_name = {folder.name: folder for folder in folders}
    with RenderPool(render) as pool:
        for name in SEARCHED:
            wanted = []
            for folder in folders:
                if _searched_file(folder, name).exists():
                    continue
                stored = np.load(folder / "candidates.npz")
                candidate = Candidate("found", read_preset(folder / "found.vital"))
                wanted.append(
                    RefineTarget(
                        folder.name, stored["target"], int(stored["note"]), (candidate,), note_s=float(stored["note_s"])
                    )
                )
            config = RefineConfig(evals=evals, objective=ObjectiveConfig(**OBJECTIVES[name]))
            for found in refine(rank(wanted, config, pool), config, render, pool=pool):
                if found.error:
                    print(f"{name}: {found.error}")
                    continue
                np.savez_compressed(
                    _searched_file(by_name[found.name], name),
                    audio=found.after.audio.astype(np.float16),
                    before=found.before.audio.astype(np.float16),
                )
                losses = f"{found.before.loss:.3f} -> {found.after.loss:.3f}"
                print(f"{name:10} {found.name:30} {losses}", flush=True)


def fit(folders: list[Path]) -> None:
    """Makes a patch of each target with each of ATTACK_WEIGHTS, and keeps its sound in OUT/ID."""
    from vjax.audio.pitch import detect_pitch
    from vjax.candidates.patch import explain
    from vjax.engine.pool import RenderPool
    from vjax.inference.predict import Predictor, render_config
    from vjax.io.progress import progress_bar
    from vjax.matching.choose import play_job
    from vjax.search.target import Sought
    from vjax.shipped import checkpoint_folder

    render = render_config(Predictor.from_checkpoint(checkpoint_folder("shipped")))
    plain = explain.spectrogram
    with RenderPool(render) as pool:
        for folder in progress_bar(folders, desc="fitting", unit="sound"):
            stored = np.load(folder / "candidates.npz")
            audio, rate = stored["target"], int(stored["sample_rate"])
            pitch = detect_pitch(audio, rate)
            sought = Sought(audio, int(stored["note"]), float(stored["note_s"]), rate, pitch if pitch.clear else None)
            for name, weight in ATTACK_WEIGHTS.items():
                file = _fitted_file(folder, name)
                if file.exists():
                    continue

                def heavier(sound, sample_rate, weight=weight):
                    found = plain(sound, sample_rate)
                    return found._replace(weight=found.weight * np.where(found.time_s <= ATTACK_S, weight, 1))

                explain.spectrogram = heavier
                try:
                    best = explain.explained(sought, pool, folder.name, most=1).candidates[0]
                finally:
                    explain.spectrogram = plain
                played = pool.render(play_job(best.preset, sought)).audio[0]
                np.savez_compressed(file, audio=played.astype(np.float16))


def _fitted_file(folder: Path, name: str) -> Path:
    return folder / f"fitted {name}.npz"


def _searched_file(folder: Path, objective: str) -> Path:
    return folder / f"searched {objective}.npz"


def measure(folders: list[Path], with_cdpam: bool) -> None:
    """Adds the metrics of all sounds that an objective leads to, in OUT/ID/metrics.json: by sound, then by metric."""
    from vjax.io.json_files import write_json
    from vjax.io.progress import progress_bar

    cdpam = Cdpam() if with_cdpam else None
    for folder in progress_bar(folders, desc="measuring", unit="sound"):
        file = folder / "metrics.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        stored = np.load(folder / "candidates.npz")
        target, rate = stored["target"], int(stored["sample_rate"])
        for key, audio in _wanted(folder, stored):
            row = known.setdefault(key, {})
            if "mss" not in row:
                row |= _metrics(audio, target, rate)
            if cdpam and "cdpam" not in row:
                row["cdpam"] = cdpam(audio, target, rate)
        write_json(file, known)


def _wanted(folder: Path, stored) -> Iterator[tuple[str, np.ndarray]]:
    """(key, sound): each candidate that some objective chooses, and each result of a search."""
    chosen = {i for by_family in _chosen(stored).values() for i in by_family.values()}
    audio = stored["audio"]
    for name in ATTACK_WEIGHTS:
        if _fitted_file(folder, name).exists():
            yield f"fitted {name}", np.load(_fitted_file(folder, name))["audio"].astype(np.float32)
    yield from ((str(i), audio[i].astype(np.float32)) for i in sorted(chosen))
    for name in SEARCHED:
        if _searched_file(folder, name).exists():
            searched = np.load(_searched_file(folder, name))
            yield f"searched {name}", searched["audio"].astype(np.float32)
            yield "before", searched["before"].astype(np.float32)


def _chosen(stored) -> dict[str, dict[str, int]]:
    """By objective and family: the index of the candidate with the lowest loss."""
    from vjax.search.objective import TERMS, TYPICAL, ObjectiveConfig

    families, terms = stored["families"], stored["terms"]
    found = {}
    for name, weights in OBJECTIVES.items():
        config = ObjectiveConfig(**weights)
        losses = terms @ np.array([getattr(config, term) / TYPICAL[term] for term in TERMS])
        found[name] = {
            str(family): int(np.flatnonzero(families == family)[np.nanargmin(losses[families == family])])
            for family in np.unique(families)
        }
    return found


def _metrics(audio: np.ndarray, target: np.ndarray, rate: int) -> dict[str, float | None]:
    from vjax.audio.scores import as_metrics, scores
    from vjax.audio.traits import trait_scores, traits_of

    traits = {
        name: values[0] for name, values in trait_scores([traits_of(audio, rate)], traits_of(target, rate)).items()
    }
    return as_metrics(scores(audio, target, rate) | traits)


class Cdpam:
    """CDPAM of two sounds: the mean over both channels, at its 22,050 Hz and the range of 16 bits."""

    def __init__(self):
        import importlib.util
        import sys

        import torch

        # The package's own loader imports resampy and old NumPy names that are not needed here.
        folder = Path(importlib.util.find_spec("cdpam").submodule_search_locations[0])
        spec = importlib.util.spec_from_file_location("cdpam_models", folder / "models.py")
        models = importlib.util.module_from_spec(spec)
        sys.modules["cdpam_models"] = models
        spec.loader.exec_module(models)
        self._torch = torch
        self._model = models.FINnet(
            dev="cpu",
            encoder_layers=16,
            encoder_filters=64,
            ndim=[16, 6],
            classif_dp=0.05,
            classif_BN=0,
            classif_act="no",
            input_size=512,
        )
        weights = folder / "CDPAM_trained" / "scratchJNDdefault_best_model.pth"
        self._model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=False)["state"])
        self._model.eval()

    def __call__(self, audio: np.ndarray, target: np.ndarray, rate: int) -> float:
        import soxr

        torch, features = self._torch, []
        with torch.no_grad():
            for sound in (audio, target):
                level = sound / np.sqrt(np.mean(sound**2)) * 0.1  # gain is not compared
                samples = np.round(soxr.resample(level.T, rate, 22050).T * 32768).astype(np.float32)
                _, found, _ = self._model.base_encoder.forward(torch.from_numpy(samples)[:, None])
                features.append(torch.nn.functional.normalize(found, dim=1))
            return float(self._model.model_dist.forward(*features).mean())


def choices(folders: list[Path]) -> dict[str, dict]:
    """The tables of step 1, one for each family."""
    by_family: dict[str, dict[str, list]] = {}
    for folder in folders:
        known = json.loads((folder / "metrics.json").read_text())
        for name, chosen in _chosen(np.load(folder / "candidates.npz")).items():
            for family, i in chosen.items():
                by_family.setdefault(family, {}).setdefault(name, []).append(known[str(i)])
    return {f"chosen: {family}": _table(rows) for family, rows in by_family.items()}


def fits(folders: list[Path]) -> dict[str, dict]:
    """The table of step 2; empty without it."""
    rows: dict[str, list] = {}
    for folder in folders:
        known = json.loads((folder / "metrics.json").read_text())
        if all(f"fitted {name}" in known for name in ATTACK_WEIGHTS):
            for name in ATTACK_WEIGHTS:
                rows.setdefault(name, []).append(known[f"fitted {name}"])
    return {"fitted": _table(rows)} if rows else {}


def searches(folders: list[Path]) -> dict[str, dict]:
    """The table of step 3; empty without a search."""
    rows: dict[str, list] = {}
    for folder in folders:
        known = json.loads((folder / "metrics.json").read_text())
        if all(f"searched {name}" in known for name in SEARCHED):
            for name in SEARCHED:
                rows.setdefault(name, []).append(known[f"searched {name}"])
            rows.setdefault("before", []).append(known["before"])
    return {"searched": _table(rows)} if rows else {}


def _table(rows: dict[str, list[dict]]) -> dict:
    """By objective and metric: `median`; and of its difference from the default, `difference` and `interval`."""
    from vjax.evaluation.statistics import bootstrap_interval

    table: dict[str, dict] = {}
    for name, metrics in rows.items():
        for metric in (*INSIDE, *OUTSIDE):
            pairs = [(one.get(metric), base.get(metric)) for one, base in zip(metrics, rows["default"], strict=True)]
            values = np.array([pair for pair in pairs if None not in pair], float)
            if not len(values):
                continue
            difference = values[:, 0] - values[:, 1]
            table.setdefault(name, {})[metric] = {
                "n": len(values),
                "median": float(np.median(values[:, 0])),
                "difference": float(np.mean(difference)),
                "interval": bootstrap_interval(difference, lambda drawn: drawn.mean(-1)),
            }
    return table


def print_table(title: str, table: dict) -> None:
    """Prints a table: the medians of the default, then mean differences from it with their intervals."""
    print(f"\n{title}; n {table['default']['mss']['n']}")
    columns = [metric for metric in (*INSIDE, *OUTSIDE) if metric in table["default"]]
    print(f"{'':10}", *(f"{metric:>22}" for metric in columns))
    for name, cells in table.items():
        texts = []
        for metric in columns:
            cell = cells[metric]
            low, high = cell["interval"]
            moved = f"{cell['difference']:+.3f} [{low:+.3f} {high:+.3f}]"
            texts.append(f"{cell['median']:.3f}" if name == "default" else moved)
        print(f"{name:10}", *(f"{text:>22}" for text in texts))


if __name__ == "__main__":
    main()
