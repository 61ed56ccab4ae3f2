"""Refining many sounds in a run that may be killed and called again."""

import contextlib
import dataclasses
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import split
from vjax.file_names import as_text, shortened, stem_text
from vjax.inference.export import checkpoint_vocabulary
from vjax.inference.export_many import audio_work, dataset_work
from vjax.inference.match import Match, MatchConfig, Matcher, render_config
from vjax.inference.outputs import append_row, start_table
from vjax.inference.predict import Predictor
from vjax.inference.refine import RefineConfig, Refined, refine
from vjax.inference.refine_outputs import (
    COLUMNS,
    read_part,
    remove_part,
    table_row,
    trace_picture,
    write_part,
    write_refined,
)
from vjax.inference.retrieval import SoundBank, checkpoint_bank, folder_bank
from vjax.inference.search import Progress
from vjax.inference.starts import refine_target
from vjax.inference.stream import Failure
from vjax.inference.target import RefineTarget
from vjax.inference.wavetable_fit import WavetableFitConfig
from vjax.progress import progress_bar
from vjax.vital.backend import Engine, open_render_pool
from vjax.vital.pool import RenderPool


@dataclasses.dataclass(frozen=True)
class RefineManyConfig:
    """What is refined and from where, see `vjax refine --help`.

    Attributes:
      starts: variants of the answer that compete with it, and thrice as many neighbours of each bank; 0: it alone.
      bank: a folder of presets searched besides the checkpoint's own bank; empty for none.
      resynthesis: how wavetables are made of the sounds themselves; None for no such starts.
      limit: sounds to refine, at most; 0 takes all. A file that cannot be read does not count.
    """

    refine: RefineConfig = RefineConfig()
    match: MatchConfig = MatchConfig()
    starts: int = 3
    bank: str = ""
    resynthesis: WavetableFitConfig | None = WavetableFitConfig()
    limit: int = 0
    workers: int | None = None
    engine: Engine = "local"


@dataclasses.dataclass(frozen=True)
class RefineReport:
    """What a run did: presets made now and before, the results of now, and the sounds that gave none."""

    refined: tuple[Refined, ...]
    there: int
    failures: tuple[Failure, ...]


def validation_rows(predictor: Predictor, dataset: str) -> list[int]:
    """The first row of each preset of the validation split, as the checkpoint's training drew it."""
    settings = predictor.meta["settings"]
    reader = Reader(open_dataset(dataset))
    rows = np.arange(len(reader))
    if "data" in settings:
        _, rows = split(reader, settings["data"]["val_fraction"], settings["seed"])
    _, first = np.unique(reader.preset_hashes()[rows], return_index=True)
    return rows[np.sort(first)].tolist()


def refine_many(
    predictor: Predictor,
    checkpoint: str,
    out: Path,
    config: RefineManyConfig,
    audio: str | None = None,
    dataset: str | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RefineReport:
    """Refines a folder of sounds (`audio`), or rows of a dataset; what is finished in `out` is passed over.

    `out` gets for each sound what `write_refined` writes, and `index.csv`, `traces.json` and `traces.png` of all. A
    sound that a killed run was working on goes on from its best so far, with the evaluations that are left.

    Raises:
      ValueError, OSError: nothing to refine, or a dataset, bank or checkpoint that cannot be used.
    """
    if out.suffix == ".vital":
        raise ValueError(f"--out {out} names one preset; give a folder, or refine one sound by vjax match --refine")
    out.mkdir(parents=True, exist_ok=True)
    vocabulary = checkpoint_vocabulary(predictor)
    if audio:
        work = audio_work(predictor, out, audio, config.limit)
        found = work.found
    else:
        rows = validation_rows(predictor, dataset)
        work = dataset_work(predictor, out, dataset, rows=rows[: config.limit or None])
        found = len(rows)
    if len(work.paths) + work.there < found:
        tqdm.write(f"{config.limit} of {found} sounds (--limit {config.limit})", file=sys.stderr)
    index = out / "index.csv"
    start_table(index, {as_text(name) for name in work.paths}, COLUMNS)
    done: list[Refined] = []
    failures: list[Failure] = []
    with open_render_pool(render_config(predictor), config.workers, config.engine) as pool:
        matcher = Matcher(predictor, vocabulary, pool, config.match)
        matches: list[Match] = []
        matched = matcher.matches(
            work.answers(),
            lambda answer: work.target(matcher, answer),
            lambda answer: stem_text(work.paths[answer.name]),
        )
        with contextlib.closing(matched), progress_bar(total=len(work.paths), desc="hearing", unit="sound") as bar:
            for match in itertools.takewhile(lambda _: not should_stop(), matched):
                bar.update()
                (failures if isinstance(match, Failure) else matches).append(match)
        banks = bank_finder(predictor, checkpoint, vocabulary, config.bank, pool)
        with progress_bar(matches, desc="finding starts", unit="sound") as bar:
            targets = [
                refine_target(
                    predictor, vocabulary, match, banks(match.note), config.starts, match.name, config.resynthesis
                )
                for match in itertools.takewhile(lambda _: not should_stop(), bar)
            ]
    if should_stop():  # nothing was searched yet, and nothing is called finished
        targets = []
    for failure in failures:
        append_row(index, {"name": as_text(failure.name), "error": as_text(failure.error)}, COLUMNS)
        tqdm.write(f"left out: {as_text(failure.error)}", file=sys.stderr)
    parts = {name: read_part(path.with_suffix("")) for name, path in work.paths.items()}
    targets = [_continued(target, parts[target.name]) for target in targets]
    by_name = {target.name: target for target in targets}
    with _bars(config.refine, audio) as show:

        def on_progress(progress: Progress) -> None:
            write_part(work.paths[progress.name].with_suffix(""), progress)
            show(progress)

        results = refine(
            targets,
            config.refine,
            render_config(predictor),
            config.workers,
            knob_errors(predictor),
            on_progress,
            should_stop,
            config.engine,
        )
        for refined in results:
            path, target = work.paths[refined.name], by_name[refined.name]
            append_row(index, table_row(refined, str(path), target.note), COLUMNS)
            if refined.error:
                failures.append(Failure(refined.name, refined.error))
                tqdm.write(f"left out: {refined.error}", file=sys.stderr)
                continue
            write_refined(refined, target, path, predictor.sample_rate, with_target=work.with_target)
            remove_part(path.with_suffix(""))
            done.append(refined)
    _write_traces(out)
    return RefineReport(tuple(done), work.there, tuple(failures))


def short_name(name: str, audio: str | None, width: int) -> str:
    """A sound's name for a column: its path within the folder `audio`, or a row's name, of at most `width` letters."""
    path = Path(name)
    inside = audio is not None and path != Path(audio) and path.is_relative_to(audio)
    return shortened(as_text(path.relative_to(audio) if inside else path.name), width)


def knob_errors(predictor: Predictor) -> dict[str, float]:
    """The validation error of each knob, norm units, as the checkpoint tells it; empty if it does not."""
    errors = predictor.meta.get("knob_error_norm") or []
    return {n: e for n, e in zip(predictor.schema.continuous_names, errors, strict=False) if e is not None}


def bank_finder(
    predictor: Predictor, checkpoint: str, vocabulary, folder: str, pool: RenderPool
) -> Callable[[int], Sequence[SoundBank]]:
    """A function from a note to the banks to search: the checkpoint's, if it has one, and the folder's at that note."""
    own = checkpoint_bank(checkpoint, predictor.schema, vocabulary)
    at_note: dict[int, SoundBank] = {}

    def banks(note: int) -> Sequence[SoundBank]:
        if folder and note not in at_note:
            at_note[note] = folder_bank(folder, note, pool, predictor.mel)
        return [bank for bank in (own, at_note.get(note)) if bank is not None]

    return banks


def _continued(target: RefineTarget, part) -> RefineTarget:
    """The target as a killed run left it; its own first start still comes first."""
    if part is None:
        return target
    return target._replace(starts=(target.starts[0], part.start, *target.starts[1:]), spent=part.evals)


@contextlib.contextmanager
def _bars(config: RefineConfig, audio: str | None) -> Iterator[Callable[[Progress], None]]:
    """A progress bar for each target that is being searched."""
    bars: dict[str, tqdm] = {}

    def show(progress: Progress) -> None:
        if progress.name not in bars:
            name = short_name(progress.name, audio, 30)
            bars[progress.name] = progress_bar(total=config.evals, desc=name, unit="eval", leave=False)
        bar = bars[progress.name]
        bar.set_postfix_str(f"loss {progress.first_loss:.3f} -> {progress.loss:.3f}", refresh=False)
        bar.update(progress.evals - bar.n)
        if progress.evals >= config.evals:
            bars.pop(progress.name).close()

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()


def _write_traces(out: Path) -> None:
    """All traces that lie in the folder, those of earlier runs too, as one file and one picture."""
    from vjax.inference.compare import save_picture

    stored = [json.loads(path.read_text()) for path in sorted(out.rglob("*-trace.json"))]
    if stored:
        (out / "traces.json").write_text(json.dumps(stored, indent=1))
        save_picture(out / "traces.png", trace_picture({entry["name"]: entry["trace"] for entry in stored}))
