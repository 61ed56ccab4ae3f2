"""What all visitors of the page share: the model, its banks, and the work that they request."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from vjax.audio.clip import Clip, load_clip
from vjax.audio.distances import mss
from vjax.candidates.sound_bank import SoundBank
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import IsolatedCallError, call_isolated
from vjax.engine.pool import RenderPool, default_workers, prepare_method
from vjax.inference.predict import Predictor, render_config
from vjax.matching.banks import open_banks
from vjax.matching.choose import Progress, Report
from vjax.matching.config import MatchConfig
from vjax.matching.match import match
from vjax.matching.result import MatchResult
from vjax.matching.variations import variations
from vjax.search.candidate import Candidate
from vjax.search.refine_config import RefineConfig
from vjax.web.jobs import Work
from vjax.web.line import Line
from vjax.web.sound import Sound

EXAMPLES = {path.stem: path for path in sorted((Path(__file__).parent / "examples").glob("*.flac"))}
"""Sounds to try, by name."""

VARIATIONS = 4
"""At most N variations are made at a time."""

_CORES_A_JOB = 2  # a match keeps two cores busy, and gains little from more
_LONGEST_LINE = 20
_DECODE_S = 20.0
_MOST_EVALS = 100_000  # of a search that is limited by time


@dataclasses.dataclass(frozen=True, eq=False)
class Studio:
    """A loaded model and the cores of this machine.

    Attributes:
      predictor: the model.
      banks: presets with their sounds, by note.
      keys: renders single notes.
      line: of jobs; as many run at a time as the cores allow.
      workers: render processes of a job.
    """

    predictor: Predictor
    banks: Callable[[int], Sequence[SoundBank]]
    keys: RenderPool
    line: Line
    workers: int

    @property
    def render(self) -> RenderConfig:
        return self.keys.config


def open_studio(predictor: Predictor, checkpoint: str, bank: str = "") -> Studio:
    """Opens the banks and the pools for a model. `checkpoint`, `bank`: as in `open_banks`."""
    cores = default_workers()
    jobs = max(cores // _CORES_A_JOB, 1)
    keys = RenderPool(render_config(predictor), cores)
    banks = open_banks(predictor, checkpoint, bank, keys)
    return Studio(predictor, banks, keys, Line(jobs, _LONGEST_LINE), max(cores // jobs, 1))


def read_sound(studio: Studio, path: str, name: str) -> Clip:
    """The clip of a sound file, decoded in a process of its own, because a broken file may crash the decoder.

    Args:
      name: of the sound, which replaces the path in errors.

    Raises:
      ValueError: the file is not a sound that can be matched.
    """
    predictor, method = studio.predictor, prepare_method()
    arguments = (path, predictor.sample_rate, predictor.samples)
    try:
        clip = call_isolated(load_clip, *arguments, timeout_s=_DECODE_S, method=method)
    except IsolatedCallError as error:
        raise ValueError(f"{name} could not be decoded: {error}; convert it to WAV or FLAC") from error
    except ValueError as error:
        raise ValueError(str(error).replace(path, name)) from error
    return dataclasses.replace(clip, name=name, title=Path(name).stem)


def match_work(studio: Studio, clip: Clip, config: MatchConfig, others: Sequence[tuple[Clip, int | None]] = ()) -> Work:
    """The work of a match, as `vjax match` does it. `others`: further recordings of the instrument, and their notes."""
    return functools.partial(_match, studio, clip, config, others=others)


def refine_work(
    studio: Studio, sound: Sound, candidate: Candidate, seconds: float, locked: Collection[str] = ()
) -> Work:
    """The work of a search of at most `seconds` that begins with one candidate. `locked`: what it leaves as it is."""
    search = RefineConfig(evals=_MOST_EVALS, seconds=seconds, parallel=1, locked=tuple(locked))
    config = MatchConfig(note=sound.note, note_s=sound.note_s, prefer="closest", equalise=0, refine=search)
    return functools.partial(_match, studio, sound.clip, config, candidates=[candidate], only_candidates=True)


def vary_work(sound: Sound, candidate: Candidate, away_db: float, locked: Collection[str], seed: int) -> Work:
    """The work of variations of a candidate; its result is a list of candidates."""

    def work(pool: RenderPool, report: Report, should_stop: Callable[[], bool]) -> list[Candidate]:
        def rendered(progress: Progress) -> None:
            report(progress._replace(stage="varying"))

        return variations(candidate, sound.sought, pool, VARIATIONS, away_db, locked, seed, rendered)

    return work


def warm_up(studio: Studio) -> None:
    """Loads or compiles what a first match needs, so that the first visitor does not wait for it."""
    path = next(iter(EXAMPLES.values()))
    clip = load_clip(path, studio.predictor.sample_rate, studio.predictor.samples)
    config = MatchConfig(variants=1, patch=False, resynthesis=None, equalise=0)
    with RenderPool(studio.render, studio.workers) as pool:
        result = match(clip, studio.predictor, pool, config, studio.banks)
    mss(result.audio, result.target, result.sample_rate)


def _match(
    studio: Studio, clip: Clip, config: MatchConfig, pool: RenderPool, report: Report, should_stop, **options
) -> MatchResult:
    return match(
        clip,
        studio.predictor,
        pool,
        config,
        studio.banks,
        on_progress=report,
        should_stop=should_stop,
        **options,
    )
