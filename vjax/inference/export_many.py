"""Presets for many sounds, one after the other, in a run that may be stopped and called again."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vjax.audio.clip import read_clip
from vjax.data.store import open_dataset
from vjax.inference.compare import log_comparison
from vjax.inference.export import checkpoint_vocabulary, export_preset
from vjax.inference.match import Match, MatchConfig, Matcher, render_config
from vjax.inference.outputs import append_row, index_row, write_match
from vjax.inference.predict import Answer, Predictor
from vjax.inference.stream import Failure, find_audio, predict_dataset, predict_files
from vjax.progress import progress_bar
from vjax.training.writer import Writer
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.pool import RenderPool
from vjax.vital.preset import write_preset


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """How many sounds are exported, see `vjax export --help`."""

    match: MatchConfig = MatchConfig()
    limit: int = 0
    presets_only: bool = False
    overwrite: bool = False
    tensorboard: str = ""
    workers: int | None = None


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """What a run did: presets written now, presets that were there, failures, the median distance of the new ones."""

    written: int
    there: int
    failures: tuple[Failure, ...]
    median_mss_db: float | None


@dataclasses.dataclass(frozen=True)
class _Work:
    """What is left to do: `answers()` streams it, `target` finds a sound, `paths` where each preset goes, by name."""

    answers: Callable[[], Iterator[Answer | Failure]]
    target: Callable[[Matcher, Answer], np.ndarray]
    paths: dict[str, Path]
    there: int
    with_target: bool


def export_many(
    predictor: Predictor, out: Path, config: ExportConfig, audio: str | None = None, dataset: str | None = None
) -> ExportReport:
    """Exports a sound file or a folder of them (`audio`), or the rows of a dataset.

    Raises:
      ValueError, OSError: nothing to export, or a dataset or checkpoint that cannot be used.
    """
    work = _audio_work(predictor, out, config, audio) if audio else _dataset_work(predictor, out, config, dataset)
    index = (out.parent if out.suffix == ".vital" else out) / "index.csv"
    index.parent.mkdir(parents=True, exist_ok=True)
    vocabulary = checkpoint_vocabulary(predictor)
    failures: list[Failure] = []
    distances: list[float] = []
    written = 0
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress_bar(total=len(work.paths), desc="exporting", unit="sound"))
        writer = stack.enter_context(Writer(config.tensorboard)) if config.tensorboard else None
        if config.presets_only:
            results: Iterator[Answer | Match | Failure] = work.answers()
        else:
            pool = stack.enter_context(RenderPool(render_config(predictor), config.workers))
            matcher = Matcher(predictor, vocabulary, pool, config.match)
            results = stack.enter_context(
                contextlib.closing(
                    matcher.matches(
                        work.answers(),
                        functools.partial(work.target, matcher),
                        lambda answer: work.paths[answer.name].stem,
                    )
                )
            )
        for result in results:
            bar.update()
            if isinstance(result, Failure):
                failures.append(result)
                append_row(index, {"name": result.name, "error": result.error})
                tqdm.write(f"left out: {result.error}")
                continue
            path = work.paths[result.name]
            written += 1
            if isinstance(result, Answer):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_preset(path, export_preset(result, predictor.schema, vocabulary, path.stem))
                append_row(index, {"name": result.name, "preset": str(path), "summary": result.summary()})
                continue
            write_match(result, path, predictor.sample_rate, work.with_target)
            append_row(index, index_row(result, path))
            distances.append(result.mss_db)
            if writer:
                sounds = {"target": result.target, "prediction": result.audio}
                log_comparison(writer, f"export/{path.stem}", sounds, predictor.sample_rate, predictor.step)
    finite = [distance for distance in distances if np.isfinite(distance)]
    return ExportReport(written, work.there, tuple(failures), float(np.median(finite)) if finite else None)


def _audio_work(predictor: Predictor, out: Path, config: ExportConfig, audio: str) -> _Work:
    source = Path(audio)
    files = find_audio(source) if source.is_dir() else [source]
    if out.suffix == ".vital" and source.is_dir():
        raise ValueError(f"--out {out} names one preset, but {audio} is a folder; give a folder for --out")
    base = source if source.is_dir() else source.parent
    paths = _preset_paths(files[: config.limit or None], base, out)
    left = {name: path for name, path in paths.items() if config.overwrite or not path.exists()}

    def target(_: Matcher, answer: Answer) -> np.ndarray:
        return read_clip(answer.name, predictor.sample_rate, predictor.samples)

    return _Work(
        answers=lambda: predict_files(predictor, left, confidence=True),
        target=target,
        paths=left,
        there=len(paths) - len(left),
        with_target=False,
    )


def _preset_paths(files: list[Path], base: Path, out: Path) -> dict[str, Path]:
    """Where each sound's preset goes; sounds that differ only in their ending keep it in the preset's name."""
    if out.suffix == ".vital":
        return {str(files[0]): out}
    stems = [file.relative_to(base).with_suffix("") for file in files]
    taken = {stem for stem in stems if stems.count(stem) > 1}
    names = (
        stem.with_name(f"{stem.name}-{file.suffix[1:].lower()}") if stem in taken else stem
        for file, stem in zip(files, stems, strict=True)
    )
    return {str(file): out / f"{name}.vital" for file, name in zip(files, names, strict=True)}


def _dataset_work(predictor: Predictor, out: Path, config: ExportConfig, dataset: str) -> _Work:
    if out.suffix == ".vital":
        raise ValueError(f"--out {out} names one preset; give a folder for the presets of a dataset")
    info = open_dataset(dataset)
    paths = {f"row {row}": out / f"row-{row:06d}.vital" for row in range(min(config.limit or info.n, info.n))}
    left = {name: path for name, path in paths.items() if config.overwrite or not path.exists()}
    vocabulary = vocabulary_of(info.catalog_json)
    rows = [int(name.removeprefix("row ")) for name in left]
    return _Work(
        answers=lambda: predict_dataset(predictor, info, rows, confidence=True),
        target=lambda matcher, answer: matcher.render_target(answer, info.schema, vocabulary),
        paths=left,
        there=len(paths) - len(left),
        with_target=True,
    )
