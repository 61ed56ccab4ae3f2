"""The targets and the bank of `vjax evaluate`, by its flags."""

import argparse
import hashlib
import os
import sys
from pathlib import Path

from vjax.io.file_names import as_text


def evaluation_targets(arguments: argparse.Namespace, predictor) -> tuple:
    """(render settings, targets, the part of settings.json about the targets)."""
    from vjax.data.reader import Reader
    from vjax.data.store import open_dataset
    from vjax.engine.config import RenderConfig
    from vjax.evaluation import targets
    from vjax.evaluation.preset_files import folder_digest
    from vjax.evaluation.sound_index import sound_files, takes_digest
    from vjax.inference.predict import render_config
    from vjax.inference.predict_many import find_audio
    from vjax.training.config import DataConfig

    render = render_config(predictor) if predictor else RenderConfig()
    limit = arguments.limit
    if arguments.presets:
        files, path = _presets(arguments.presets)
        about = {"source": "presets", "path": _paths_text(arguments.presets)}
        about |= {"sha256": folder_digest(files, path), "note": arguments.note}
        return render, targets.preset_tasks(files, path, arguments.note, limit), about
    path = Path(arguments.audio or arguments.dataset)
    about = {"path": as_text(path.absolute())}
    if arguments.audio:
        if not path.exists():
            raise ValueError(f"there is nothing at {path}; give a sound file, or a folder of them")
        files = find_audio(path) if path.is_dir() else [path]
        sounds = sound_files(files, path, Path(arguments.index) if arguments.index else None)
        about |= {"source": "audio", "sha256": folder_digest(files, path), "takes_sha256": takes_digest(sounds)}
        return render, targets.audio_tasks(sounds, render, limit), about
    info = open_dataset(path)
    if predictor is None and info.render:
        render = RenderConfig(**info.render)
    trained = predictor.meta["settings"] if predictor else {}
    val_fraction = trained.get("data", {}).get("val_fraction", DataConfig.val_fraction)
    seed = trained.get("seed", 0)
    digest = hashlib.sha256(Reader(info).preset_hashes().tobytes()).hexdigest()
    about |= {"source": "dataset", "sha256": digest, "val_fraction": val_fraction, "seed": seed}
    return render, targets.dataset_tasks(info, val_fraction, seed, limit), about


def evaluation_bank(given: list[str] | None) -> tuple[list[Path], Path | None, dict]:
    from vjax.evaluation.preset_files import folder_digest

    if not given:
        print("no --bank, so no random and nearest presets, and no recovered share", file=sys.stderr)
        return [], None, {"bank": None}
    files, path = _presets(given)
    return files, path, {"bank": _paths_text(given), "bank_sha256": folder_digest(files, path)}


def _presets(given: list[str]) -> tuple[list[Path], Path]:
    """(all presets below the folders, the folder to which their names are relative).

    If several folders are given, the latter is their common parent.
    """
    from vjax.io.find_files import find_presets

    files = {file.absolute() for folder in given for file in find_presets(Path(folder))}
    return sorted(files), Path(os.path.commonpath([Path(folder).absolute() for folder in given]))


def _paths_text(given: list[str]) -> str:
    return ", ".join(as_text(Path(folder).absolute()) for folder in given)
