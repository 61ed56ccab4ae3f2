"""Presets for many sounds, one after the other, in a run that may be stopped and called again."""

import collections
import contextlib
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vjax.audio.clip import read_clip
from vjax.audio.files import AudioError
from vjax.data.store import open_dataset
from vjax.file_names import as_text, stem_text
from vjax.inference.compare import log_comparison
from vjax.inference.export import checkpoint_vocabulary, export_preset
from vjax.inference.match import Match, MatchConfig, Matcher, render_config
from vjax.inference.outputs import append_row, index_row, start_table, write_match
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
    """What a run did.

    Attributes:
      written, there: presets made now, and presets that were there before.
      silent: of those made now, how many have no distance: they, or their targets, are silent.
      failures: sounds without a preset.
      median_mss_db: of the distances of those made now; None without any.
    """

    written: int
    there: int
    silent: int
    failures: tuple[Failure, ...]
    median_mss_db: float | None


@dataclasses.dataclass(frozen=True)
class Work:
    """What is left to do: `answers()` streams it, `target` finds a sound, `paths` where each preset goes, by name.

    Of all sounds, whose number is `found`, as many as the limit allows; `there` have their presets already.
    """

    answers: Callable[[], Iterator[Answer | Failure]]
    target: Callable[[Matcher, Answer], np.ndarray]
    paths: dict[str, Path]
    there: int
    found: int
    with_target: bool


def export_many(
    predictor: Predictor, out: Path, config: ExportConfig, audio: str | None = None, dataset: str | None = None
) -> ExportReport:
    """Exports a sound file or a folder of them (`audio`), or the rows of a dataset.

    Args:
      out: a folder, which also gets `index.csv`; or for a single sound the preset, X.vital.

    Raises:
      ValueError, OSError: nothing to export, or a dataset or checkpoint that cannot be used.
    """
    if out.exists() and out.is_dir() == (out.suffix == ".vital"):
        raise ValueError(f"{out} is a {'folder' if out.is_dir() else 'file'}; give a folder, or X.vital for one sound")
    work = (
        audio_work(predictor, out, audio, config.limit, config.overwrite)
        if audio
        else dataset_work(predictor, out, dataset, config.limit, config.overwrite)
    )
    vocabulary = checkpoint_vocabulary(predictor)
    record = _recorder(out, work)
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
                        lambda answer: stem_text(work.paths[answer.name]),
                    )
                )
            )
        for result in results:
            bar.update()
            if isinstance(result, Failure):
                failures.append(result)
                record({"name": as_text(result.name), "error": as_text(result.error)})
                tqdm.write(f"left out: {as_text(result.error)}", file=sys.stderr)
                continue
            path = work.paths[result.name]
            written += 1
            if isinstance(result, Answer):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_preset(path, export_preset(result, predictor.schema, vocabulary, stem_text(path)))
                record({"name": as_text(result.name), "preset": as_text(path), "summary": result.summary()})
                continue
            write_match(result, path, predictor.sample_rate, work.with_target)
            record(index_row(result, path))
            distances.append(result.mss_db)
            if writer:
                sounds = {"target": result.target, "prediction": result.audio}
                tag = as_text(path.name if path == out else path.relative_to(out)).removesuffix(".vital")
                log_comparison(writer, f"export/{tag}", sounds, predictor.sample_rate, predictor.step)
    finite = [distance for distance in distances if np.isfinite(distance)]
    return ExportReport(
        written=written,
        there=work.there,
        silent=len(distances) - len(finite),
        failures=tuple(failures),
        median_mss_db=float(np.median(finite)) if finite else None,
    )


def _recorder(out: Path, work: Work) -> Callable[[dict[str, Any]], None]:
    """What keeps the rows of a run; a preset that is named alone has no table beside it."""
    if out.suffix == ".vital":
        return lambda row: None
    out.mkdir(parents=True, exist_ok=True)
    index = out / "index.csv"
    start_table(index, {as_text(name) for name in work.paths})
    return functools.partial(append_row, index)


def audio_work(predictor: Predictor, out: Path, audio: str, limit: int = 0, overwrite: bool = False) -> Work:
    """The work of a sound file or a folder, or of its first `limit` sounds that can be read; see `export_many`."""
    source = Path(audio)
    if not source.exists():
        raise ValueError(f"there is nothing at {audio}; give a sound file, or a folder of them")
    if out.suffix == ".vital" and source.is_dir():
        raise ValueError(f"--out {out} names one preset, but {audio} is a folder; give a folder for --out")
    files = find_audio(source) if source.is_dir() else [source]
    base = source if source.is_dir() else source.parent
    paths = _preset_paths(files, base, out)
    found = len(paths)
    if limit:
        paths = _first_readable(paths, limit, predictor)
    left = {name: path for name, path in paths.items() if overwrite or not path.exists()}

    def target(_: Matcher, answer: Answer) -> np.ndarray:
        return read_clip(answer.name, predictor.sample_rate, predictor.samples)

    return Work(
        answers=lambda: predict_files(predictor, left, confidence=True),
        target=target,
        paths=left,
        there=len(paths) - len(left),
        found=found,
        with_target=False,
    )


def _first_readable(paths: dict[str, Path], limit: int, predictor: Predictor) -> dict[str, Path]:
    """The first sounds, until `limit` of them can be read. Those that cannot are among them, and will be reported."""
    taken: dict[str, Path] = {}
    n = 0
    for name, path in paths.items():
        if n == limit:
            break
        taken[name] = path
        with contextlib.suppress(AudioError, OSError):
            if not path.exists():  # else it was read before
                read_clip(name, predictor.sample_rate, predictor.samples)
            n += 1
    return taken


def _preset_paths(files: list[Path], base: Path, out: Path) -> dict[str, Path]:
    """Where each sound's preset goes; sounds that differ only in their ending keep it in the preset's name."""
    if out.suffix == ".vital":
        return {str(files[0]): out}
    stems = [file.relative_to(base).with_suffix("") for file in files]
    often = {stem for stem, count in collections.Counter(stems).items() if count > 1}
    paths: dict[str, Path] = {}
    for file, stem in zip(files, stems, strict=True):
        name = f"{stem}-{file.suffix[1:].lower()}" if stem in often else str(stem)
        paths[str(file)] = out / f"{name}.vital"
    for path in (path for path, count in collections.Counter(paths.values()).items() if count > 1):
        alike = " and ".join(file for file, other in paths.items() if other == path)
        raise ValueError(f"{alike} would both become {path}; rename one of them")
    return paths


def dataset_work(
    predictor: Predictor,
    out: Path,
    dataset: str,
    limit: int = 0,
    overwrite: bool = False,
    rows: Sequence[int] | None = None,
) -> Work:
    """The work of a dataset's first `limit` rows (0: all), or of the given `rows`; see `export_many`."""
    if out.suffix == ".vital":
        raise ValueError(f"--out {out} names one preset; give a folder for the presets of a dataset")
    info = open_dataset(dataset)
    wanted = range(min(limit or info.n, info.n)) if rows is None else rows
    paths = {f"row {row}": out / f"row-{row:06d}.vital" for row in wanted}
    left = {name: path for name, path in paths.items() if overwrite or not path.exists()}
    vocabulary = vocabulary_of(info.catalog_json)
    rows = [int(name.removeprefix("row ")) for name in left]
    return Work(
        answers=lambda: predict_dataset(predictor, info, rows, confidence=True),
        target=lambda matcher, answer: matcher.render_target(answer, info.schema, vocabulary),
        paths=left,
        there=len(paths) - len(left),
        found=info.n,
        with_target=True,
    )
