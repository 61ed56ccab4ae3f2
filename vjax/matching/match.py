"""The product's verb: from a sound to the preset that comes nearest to it.

`match` predicts a preset, gathers the candidates that compete with it (`candidates`), lets the engine choose
(`vjax.matching.choose`), searches on from there if that is asked for, and plays what it found once more for the
numbers that it returns. The command, the Python API, batches and evaluations all call it.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from vjax.audio.clip import Clip
from vjax.audio.distances import mss
from vjax.audio.held import is_held
from vjax.audio.metrics import METRICS
from vjax.audio.pitch import detect_pitch
from vjax.candidates.predicted import PREDICTION, VARIANT, variants
from vjax.file_names import stem_text
from vjax.inference.export import export_preset
from vjax.inference.judge import Judge, Judged
from vjax.inference.level import level_range_db, with_gain
from vjax.inference.objective import Objective, ObjectiveConfig
from vjax.inference.predict import Answer, Predictor, knob_errors
from vjax.inference.refine import Refined, refine
from vjax.inference.refine_config import RefineConfig
from vjax.inference.resynthesis import resynthesised
from vjax.inference.retrieval import SoundBank, index_picture
from vjax.inference.target import RefineTarget, Start
from vjax.inference.wavetable_fit import WavetableFitConfig
from vjax.matching.choose import Candidate, Choice, Progress, Report, Sought, choose
from vjax.matching.describe import comment, style_of
from vjax.matching.result import MatchResult
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import RenderPool
from vjax.vital.preset import Preset
from vjax.vital.vocabulary import to_preset

DEFAULT_NOTE = 60
"""Played when the sound has no clear pitch: C4, the middle of the keyboard."""

NEIGHBOURS = 3
"""Of each bank, for each variant: features rank roughly; the best of ten by sound is 0.2 dB nearer than of three."""

FULL_SCALE = 10 ** (-0.1 / 20)
"""The highest peak that is written, unless the sound itself peaks higher: a converter clips what is above 1."""

_OFF_LEVEL_DB = 1.0  # a level that is further off is worth a warning

Banks = Callable[[int], Sequence[SoundBank]]
"""From the MIDI note that is played to the banks to search."""


@dataclasses.dataclass(frozen=True)
class MatchConfig:
    """What a match tries.

    Attributes:
      note: MIDI note to play; None estimates it from the sound.
      note_s: time from note-on to note-off, seconds; None estimates whether the note is held throughout.
      tune: transpose each candidate until it plays the sound's pitch.
      level: set each candidate to the level of the sound.
      variants: at most N variants of the prediction compete with it, and 3 N neighbours from each bank; 0: it alone.
      resynthesis: how wavetables are made of the sound itself; None makes none.
      fits: at most N of the best candidates get wavetables whose harmonics are equalised to the sound's.
      refine: the search that follows; None searches nothing.
    """

    note: int | None = None
    note_s: float | None = None
    tune: bool = True
    level: bool = True
    variants: int = 3
    resynthesis: WavetableFitConfig | None = WavetableFitConfig()
    fits: int = 6
    refine: RefineConfig | None = None

    def __post_init__(self):
        if self.note is not None and not 0 <= self.note <= 127:
            raise ValueError(f"note={self.note}; expected a MIDI note from 0 to 127, where C4 is 60")
        if self.note_s is not None and not self.note_s > 0:
            raise ValueError(f"note_s={self.note_s}; expected a time above 0 s, or None to estimate it")
        for field in ("variants", "fits"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field}={getattr(self, field)}; expected 0 or more")


PREDICTION_ONLY = MatchConfig(level=False, variants=0, resynthesis=None, fits=0)
"""Plays and tunes the predicted preset, and nothing competes with it."""


def no_banks(note: int) -> Sequence[SoundBank]:
    """Searches no bank."""
    return ()


def match(
    clip: Clip,
    predictor: Predictor,
    pool: RenderPool,
    config: MatchConfig = MatchConfig(),
    banks: Banks = no_banks,
    *,
    prediction: Answer | None = None,
    on_progress: Report | None = None,
    on_better: Callable[[Preset], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> MatchResult:
    """The preset that comes nearest to a sound.

    Args:
      clip: the sound.
      predictor: the model.
      pool: renders; its config says how presets are played, see `vjax.inference.predict.render_config`.
      config: what to try.
      banks: presets with their sounds, to search for neighbours.
      prediction: of this sound, where the caller has it (from a batch, or of a dataset's stored spectrogram).
      on_progress: called in this thread with each `Progress`.
      on_better: called in this thread with each better preset that a search finds.
      should_stop: asked between a search's generations; True ends it with its best so far.

    Returns:
      The result. Without any audible candidate it is the predicted preset, with a warning.

    Raises:
      ValueError: the sound is silent or too short; or a search has no audible candidate to begin from.
    """
    prepared = prepare(clip, predictor, pool, config, banks, prediction=prediction, on_progress=on_progress)
    if config.refine is None:
        return finish(prepared, pool)
    report = on_progress or (lambda progress: None)

    def follow(found) -> None:
        report(Progress("refining", found.evals, config.refine.evals, found.start, found.mss_db))
        if on_better and found.better is not None:
            on_better(found.better)

    searches = refine(
        [prepared.refine_target()], config.refine, pool, knob_errors(predictor), on_progress=follow, should_stop=should_stop
    )
    (refined,) = searches
    return finish(prepared, pool, refined)


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A sound whose candidates are ranked: what a search begins from, and what `finish` makes a result of."""

    clip: Clip
    config: MatchConfig
    sought: Sought
    prediction: Answer
    choice: Choice
    predicted: Candidate
    judge: Judge
    began_s: float

    def refine_target(self, name: str | None = None, spent: int = 0) -> RefineTarget:
        """What `refine` takes. Raises ValueError if no candidate is audible."""
        if self.choice.best is None:
            reasons = "; ".join(f"{one.label}: {one.error}" for one in self.choice.candidates[:3])
            raise ValueError(
                f"{self.clip.name}: all {len(self.choice.candidates)} candidates are silent or failed at note "
                f"{self.sought.note} ({reasons}); give another --note, or more candidates"
            )
        ranking = self.choice.ranking()
        starts = tuple(one.start for one in ranking.starts)
        return RefineTarget(
            name or self.clip.name,
            self.sought.audio,
            self.sought.note,
            starts,
            spent=spent,
            note_s=self.sought.note_s,
            ranking=ranking,
        )


def prepare(
    clip: Clip,
    predictor: Predictor,
    pool: RenderPool,
    config: MatchConfig = MatchConfig(),
    banks: Banks = no_banks,
    *,
    prediction: Answer | None = None,
    on_progress: Report | None = None,
) -> Prepared:
    """Predicts, gathers the candidates and ranks them. Arguments and errors as in `match`."""
    began_s = time.monotonic()
    report = on_progress or (lambda progress: None)
    render = pool.config
    note, note_s = note_of(clip, config), note_length_s(clip, render, config)
    pitch = clip.pitch if config.tune and clip.pitch.clear else None
    sought = Sought(clip.stereo(render.samples), note, note_s, clip.sample_rate, pitch)
    objective = Objective(
        config.refine.objective if config.refine else ObjectiveConfig(), 1, 4, render.samples, render.sample_rate
    )
    try:
        objective.set_target(0, sought.audio)
    except ValueError as error:
        raise ValueError(f"{clip.name}: {error}") from error
    judge = Judge(objective, pool)
    report(Progress("predicting", 0, 1))
    prediction = prediction or predictor.predict_with_confidence(clip.audio, name=clip.name)
    own = Start(PREDICTION, export_preset(prediction, predictor.schema, predictor.vocabulary, stem_text(clip.name)))
    with ThreadPoolExecutor(1, "vjax-resynthesis") as thread:  # fits tables while the engine plays the others
        tables = config.variants and config.resynthesis and thread.submit(_resynthesis, clip, sought, render, config)
        starts = _starts(own, predictor, prediction, sought.note, config, banks, tables.result if tables else list)
        choice = choose(
            starts,
            sought,
            judge,
            0,
            pool,
            config.fits,
            config.level,
            config.refine.evals if config.refine else None,
            on_progress,
        )
    predicted = next(one for one in choice.as_played if one.label == PREDICTION)
    return Prepared(clip, config, sought, prediction, choice, predicted, judge, began_s)


def note_of(clip: Clip, config: MatchConfig) -> int:
    """The MIDI note to play: the given one, or the sound's if its pitch is clear, or `DEFAULT_NOTE`."""
    if config.note is not None:
        return config.note
    return clip.pitch.note if clip.pitch.clear else DEFAULT_NOTE


def note_length_s(clip: Clip, render: RenderConfig, config: MatchConfig) -> float:
    """Seconds from note-on to note-off: as given, or all of a render if the sound goes on as if its note were held."""
    if config.note_s is not None:
        return config.note_s
    held = is_held(clip.stereo(render.samples), render.sample_rate, render.note_s)
    return render.seconds if held else render.note_s


def _starts(
    own: Start,
    predictor: Predictor,
    prediction: Answer,
    note: int,
    config: MatchConfig,
    banks: Banks,
    tables: Callable[[], Sequence[Start]],
) -> Iterator[Start]:
    """The presets that compete: the predicted one first, and those last that are still being made."""
    yield own
    if not config.variants:
        return
    schema, vocabulary = predictor.schema, predictor.vocabulary
    others = variants(prediction.network, prediction.parameters, schema, config.variants)
    for i, variant in enumerate(others, start=1):
        yield Start(f"{VARIANT} {i}", to_preset(variant, schema, vocabulary, name=own.preset.name, author="vjax"))
    picture = index_picture(prediction.mel[0])
    for bank in banks(note):
        for found in bank.nearest(picture, note, NEIGHBOURS * config.variants):
            yield Start(found.name, found.preset)
    yield from tables()


def _resynthesis(clip: Clip, sought: Sought, render: RenderConfig, config: MatchConfig) -> list[Start]:
    held = dataclasses.replace(render, note_s=sought.note_s)
    return resynthesised(
        sought.audio,
        sought.note,
        held,
        config.resynthesis,
        stem_text(clip.name),
        pitch=clip.pitch,
        after=clip.after,
    )



def finish(prepared: Prepared, pool: RenderPool, refined: Refined | None = None) -> MatchResult:
    """Plays the best candidate, or what a search found, once more, and describes the preset that is to be written.

    Raises ValueError if the search had no result.
    """
    clip, sought, choice, render = prepared.clip, prepared.sought, prepared.choice, pool.config
    if refined is not None and refined.error:
        raise ValueError(refined.error)
    warnings = []
    if choice.best is None:
        label, preset, judged = PREDICTION, prepared.predicted.preset, None
        reason = prepared.predicted.error or f"silent at note {sought.note}"
        warnings.append(f"no candidate is audible; the predicted preset is written: {reason}")
    else:
        label, preset = (refined.start, refined.preset) if refined else (choice.best.label, choice.best.preset)
        judged = prepared.judge.judged(preset, label, sought, 0)
        if prepared.config.level:
            preset, judged, warnings = _within_scale(preset, judged, label, prepared)
    metrics = judged.distances if judged else dict.fromkeys(METRICS, math.nan)
    audio = judged.audio if judged else _or_silence(prepared.predicted.audio, sought.audio)
    plays = detect_pitch(audio, clip.sample_rate)
    evals = refined.evals if refined else choice.evals
    found = f"{label}, after a search of {evals} renders" if refined and refined.trace[1:] else label
    name = stem_text(clip.name)
    preset = dataclasses.replace(
        preset,
        name=name,
        author=preset.author or "vjax",
        style=style_of(sought.audio, clip.sample_rate, sought.note, sought.note_s, clip.pitch),
        comments=comment(name, sought.note, sought.note_s, found, metrics, preset.comments),
    )
    return MatchResult(
        name=clip.name,
        preset=preset,
        label=label,
        audio=audio,
        target=sought.audio,
        sample_rate=clip.sample_rate,
        note=sought.note,
        note_s=sought.note_s,
        velocity=render.velocity,
        note_given=prepared.config.note is not None,
        pitch=clip.pitch,
        plays=plays,
        loss=judged.loss if judged else math.nan,
        metrics=metrics,
        re_render_db=_re_render_db(judged, clip.sample_rate),
        candidates=choice.candidates,
        prediction=prepared.prediction,
        predicted=prepared.predicted,
        trace=refined.trace if refined else (),
        evals=evals,
        seconds=time.monotonic() - prepared.began_s,
        warnings=tuple(warnings),
    )


def _within_scale(
    preset: Preset, judged: Judged, label: str, prepared: Prepared
) -> tuple[Preset, Judged, list[str]]:
    """The preset made softer where its peaks would clip, and warnings where it is not as loud as the sound."""
    sought, warnings = prepared.sought, []
    peak = max(float(np.abs(sound).max()) for sound in judged.sounds)
    most = max(FULL_SCALE, float(np.abs(sought.audio).max()))
    if peak > most:
        softest_db, _ = level_range_db(preset)
        preset = with_gain(preset, max(20 * math.log10(most / peak), softest_db))
        judged = prepared.judge.judged(preset, label, sought, 0)
        peak = max(float(np.abs(sound).max()) for sound in judged.sounds)
    off = judged.distances.get("loudness_difference", math.nan)
    if off > _OFF_LEVEL_DB:
        warnings.append(
            f"the preset is {off:.1f} LU louder or softer than the sound: "
            + ("louder, it would clip" if peak > 0.9 * most else "its volume is at the end of its range")
        )
    if peak > most:
        warnings.append(f"the preset peaks at {20 * math.log10(peak):+.1f} dBFS: turn its volume down before it clips")
    return preset, judged, warnings


def _or_silence(audio: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    return np.zeros_like(like) if audio is None else audio


def _re_render_db(judged: Judged | None, sample_rate: int) -> float:
    """MSS between the first render and the others, which differ in the engine's seed alone."""
    if judged is None or len(judged.sounds) < 2:
        return math.nan
    first, *others = judged.sounds
    return float(np.mean(mss(np.stack(others), first, sample_rate)))
