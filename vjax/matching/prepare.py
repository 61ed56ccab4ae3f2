"""The first half of a match: predicts, collects the candidates, and ranks them."""

import contextlib
import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from vjax.audio.clip import Clip
from vjax.audio.note_off import continues_after_note_off
from vjax.audio.scores import scores
from vjax.candidates.patch.explain import Explained, explained
from vjax.candidates.predicted import PREDICTION, alternatives, n_alternatives
from vjax.candidates.resynthesis.resynthesise import resynthesised
from vjax.candidates.sound_bank import SoundBank, index_mel
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderPool
from vjax.inference.decode import PredictedPreset
from vjax.inference.predict import Predictor
from vjax.inference.presets import export_preset
from vjax.matching.choose import Choice, Progress, Report, choose
from vjax.matching.config import DEFAULT, DEFAULT_NOTE, MatchConfig
from vjax.matching.preferred import Preferred, preferred
from vjax.matching.together import together
from vjax.search.candidate import FAMILIES, Candidate, Kind
from vjax.search.judge import JUDGE_SEEDS, Judge, Recording
from vjax.search.objective import Objective, ObjectiveConfig
from vjax.search.target import RefineTarget, Sought
from vjax.vital.vocabulary import to_preset

NEIGHBOURS = 3
"""Neighbours from each bank, for each variant.

A bank ranks its sounds only roughly, so several neighbours are rendered: the best of ten is 0.2 dB closer than the best
of three.
"""

_BATCH = 4  # candidates scored in one call: few, so that scoring keeps up with rendering

Banks = Callable[[int], Sequence[SoundBank]]
"""A function from the MIDI note that is played to the banks to search."""


def no_banks(note: int) -> Sequence[SoundBank]:
    """Returns no bank."""
    return ()


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A sound whose candidates are ranked: the input of a search, and of `finish`.

    Attributes:
      recordings: the sound, then further recordings of the same instrument, which the preset must match as well.
      prediction: None if the caller gave all candidates.
      began_s: `time.monotonic()` at which the match began.
    """

    recordings: tuple[Recording, ...]
    config: MatchConfig
    prediction: PredictedPreset | None
    choice: Choice
    began_s: float

    @property
    def clip(self) -> Clip:
        return self.recordings[0].clip

    @property
    def sought(self) -> Sought:
        return self.recordings[0].sought

    @property
    def predicted(self) -> Candidate | None:
        """The predicted preset as it was rendered: tuned, at its own level."""
        return next((one for one in self.choice.as_played if one.label == PREDICTION), None)

    @functools.cached_property
    def preferred(self) -> Preferred:
        """The candidate that `config.prefer` selects."""
        return preferred(self.choice.candidates, self.config.prefer)

    def refine_target(self, spent: int = 0) -> RefineTarget:
        """The target for `refine`, with the name of the clip. `spent` renders were used before.

        The search begins with the preferred candidate, and uses only candidates of the same family. If `prefer` is
        "closest", it uses all candidates. Raises ValueError if no candidate is audible.
        """
        chosen = self.preferred.candidate
        if chosen is None:
            reasons = "; ".join(f"{one.label}: {one.error}" for one in self.choice.candidates[:3])
            raise ValueError(
                f"{self.clip.name}: all {len(self.choice.candidates)} candidates are silent or failed at note "
                f"{self.sought.note} ({reasons}); give another --note, or more candidates"
            )
        ranking = self.choice.ranking(FAMILIES if self.config.prefer == "closest" else (chosen.kind.family,))
        candidates = tuple(ranking.candidates)
        return RefineTarget(
            self.clip.name,
            self.sought.audio,
            self.sought.note,
            candidates,
            spent=spent,
            note_s=self.sought.note_s,
            ranking=ranking,
        )


def prepare(
    clip: Clip,
    predictor: Predictor | None,
    pool: RenderPool,
    config: MatchConfig = DEFAULT,
    banks: Banks = no_banks,
    *,
    prediction: PredictedPreset | None = None,
    candidates: Sequence[Candidate] = (),
    only_candidates: bool = False,
    others: Sequence[tuple[Clip, int | None]] = (),
    on_progress: Report | None = None,
) -> Prepared:
    """Predicts, collects the candidates and ranks them. Arguments and errors as in `match`."""
    began_s = time.monotonic()
    report = on_progress or (lambda progress: None)
    render = pool.config
    if others and config.refine:
        raise ValueError(f"a search is for one recording, there are {1 + len(others)}; leave the search out")
    recordings = tuple(
        _recording(one, dataclasses.replace(config, note=note), pool) for one, note in [(clip, config.note), *others]
    )
    _, sought, judge = recordings[0]
    choosing = functools.partial(
        choose,
        sought=sought,
        judge=judge,
        lane=0,
        pool=pool,
        equalise=config.equalise,
        level=config.level,
        budget=config.refine.evals if config.refine else None,
        on_progress=on_progress,
    )
    if only_candidates:
        choice = choosing(candidates, n_candidates=len(candidates))
        return Prepared(recordings, config, None, _for_all(choice, recordings, pool, config), began_s)
    assert predictor is not None, "only given candidates need no predictor"
    report(Progress("predicting", 0, 1))
    prediction = prediction or predictor.predict_clip(clip)
    searched = banks(sought.note) if config.variants else ()
    with _threads() as threads:  # they work while the engine renders other candidates
        tables = patches = None
        if config.variants and config.resynthesis:
            tables = threads.submit(_resynthesis, clip, sought, render, config)
        threads.submit(_compile_ahead, render.samples, render.sample_rate)
        if config.patch:
            also = [one.sought for one in recordings[1:]]
            after = np.broadcast_to(clip.after, (2, clip.after.shape[1]))
            patches = threads.submit(explained, sought, pool, clip.title, others=also, after=after)
        offered = _offered(predictor, prediction, clip.title, sought.note, config, searched)
        offered = itertools.chain(offered, candidates, _late(tables), _explained(patches))
        n_network = 1 + n_alternatives(predictor, config.variants)
        n_candidates = n_network + config.variants * NEIGHBOURS * len(searched) + len(candidates) + 2 * bool(tables)
        choice = choosing(offered, n_candidates=n_candidates + 3 * bool(patches))
    if patches:
        choice = choice._replace(evals=choice.evals + patches.result().evals)
    return Prepared(recordings, config, prediction, _for_all(choice, recordings, pool, config), began_s)


@contextlib.contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that are joined, except after Ctrl-C: the pool then closes, and their next render ends them."""
    threads, wait = ThreadPoolExecutor(thread_name_prefix="vjax-prepare"), True
    try:
        yield threads
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        threads.shutdown(wait, cancel_futures=not wait)


def _recording(clip: Clip, config: MatchConfig, pool: RenderPool) -> Recording:
    """A clip with its note and its judge. Raises ValueError if it is silent or too short."""
    render = pool.config
    pitch = clip.pitch if config.tune and clip.pitch.clear else None
    note, note_s = note_of(clip, config), note_length_s(clip, render, config)
    sought = Sought(clip.stereo(render.samples), note, note_s, clip.sample_rate, pitch)
    weights = config.refine.objective if config.refine else ObjectiveConfig()
    objective = Objective(weights, 1, _BATCH, render.samples, render.sample_rate)
    try:
        objective.set_target(0, sought.audio)
    except ValueError as error:
        raise ValueError(f"{clip.name}: {error}") from error
    return Recording(clip, sought, Judge(objective, pool))


def _for_all(choice: Choice, recordings: Sequence[Recording], pool: RenderPool, config: MatchConfig) -> Choice:
    return together(choice, recordings, pool, config.level) if len(recordings) > 1 else choice


def note_of(clip: Clip, config: MatchConfig = DEFAULT) -> int:
    """The MIDI note to play: the given one; else the sound's if its pitch is clear; else `DEFAULT_NOTE`."""
    if config.note is not None:
        return config.note
    note = clip.pitch.note
    return note if clip.pitch.clear and note is not None else DEFAULT_NOTE


def note_length_s(clip: Clip, render: RenderConfig, config: MatchConfig = DEFAULT) -> float:
    """Seconds from note-on to note-off, from `config` if it has a value.

    Else it is the length of a render if the sound continues as if no note-off came, or the render config's note length.
    """
    if config.note_s is not None:
        return config.note_s
    lasts = continues_after_note_off(clip.stereo(render.samples), render.sample_rate, render.note_s)
    return render.seconds if lasts else render.note_s


def _offered(
    predictor: Predictor,
    prediction: PredictedPreset,
    title: str,
    note: int,
    config: MatchConfig,
    banks: Sequence[SoundBank],
) -> Iterator[Candidate]:
    """The candidates of the network and of the banks, the predicted preset first."""
    schema, vocabulary = predictor.schema, predictor.vocabulary
    yield Candidate(PREDICTION, export_preset(prediction, schema, vocabulary, title), kind=Kind.PREDICTION)
    if not config.variants:
        return
    for label, parameters in alternatives(predictor, prediction, config.variants):
        preset = to_preset(parameters, schema, vocabulary, name=title, author="vjax")
        yield Candidate(label, preset, kind=Kind.PREDICTION)
    assert prediction.mel is not None, "a predictor made the prediction"
    mel = index_mel(prediction.mel[0])
    for bank in banks:
        for found in bank.nearest(mel, note, NEIGHBOURS * config.variants):
            yield Candidate(found.name, found.preset, kind=Kind.NEIGHBOUR)


@functools.cache  # once for each length: the other sounds of a batch use the compiled code
def _compile_ahead(samples: int, sample_rate: int) -> None:
    """Makes JAX load or compile what the end of a match needs. This takes seconds, in which nothing is rendered."""
    noise = np.random.default_rng(0).normal(0, 0.1, (2, samples)).astype(np.float32)
    objective = Objective(ObjectiveConfig(), 1, _BATCH, samples, sample_rate)
    objective.set_target(0, noise)
    objective.levelled(noise[None], [0], np.zeros((1, 2)))
    scores(np.stack([noise] * len(JUDGE_SEEDS)), noise, sample_rate)


def _late(*made: "Future[list[Candidate]] | None") -> Iterator[Candidate]:
    """Candidates that are still being made while the others are rendered; None yields none."""
    for future in filter(None, made):
        yield from future.result()


def _explained(patches: "Future[Explained] | None") -> Iterator[Candidate]:
    if patches:
        yield from patches.result().candidates


def _resynthesis(clip: Clip, sought: Sought, render: RenderConfig, config: MatchConfig) -> list[Candidate]:
    render = dataclasses.replace(render, note_s=sought.note_s)
    after = np.broadcast_to(clip.after, (2, clip.after.shape[1]))
    return resynthesised(sought.audio, sought.note, render, config.resynthesis, clip.title, clip.pitch, after)
