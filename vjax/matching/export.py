"""Writes a checkpoint's predicted presets, without other candidates."""

import dataclasses
import sys
from pathlib import Path

from tqdm import tqdm

from vjax.inference.predict import Predictor
from vjax.inference.predict_many import Failure
from vjax.inference.presets import export_preset
from vjax.io.file_names import as_text, stem_text
from vjax.io.progress import progress_bar
from vjax.matching.work import Work
from vjax.vital.preset import write_preset


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """The result of a run: presets that were written now, presets that existed before, and sounds without a preset."""

    written: int
    existing: int
    failures: tuple[Failure, ...]


def export_presets(work: Work, predictor: Predictor) -> ExportReport:
    """Writes the predicted preset of each sound, as the network returned it: neither tuned nor rendered."""
    failures = []
    with progress_bar(work.predictions(), total=len(work.paths), desc="exporting", unit="sound") as predictions:
        for prediction in predictions:
            if isinstance(prediction, Failure):
                failures.append(prediction)
                tqdm.write(f"failed: {as_text(prediction.error)}", file=sys.stderr)
                continue
            path: Path = work.paths[prediction.name]
            path.parent.mkdir(parents=True, exist_ok=True)
            preset = export_preset(prediction, predictor.schema, predictor.vocabulary, stem_text(path))
            write_preset(path, preset)
    return ExportReport(len(work.paths) - len(failures), work.existing, tuple(failures))
