"""The functions of `import vjax`. They take the path or array of a sound, and do what `vjax match` does."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.clip import Clip, load_clip, make_clip
from vjax.audio.files import AudioError
from vjax.audio.pitch import detect_pitch, parse_note
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.inference.predict import Predictor, render_config
from vjax.io.compile_cache import keep_compiled
from vjax.io.folder_lock import locked
from vjax.matching.banks import open_banks
from vjax.matching.batch import BatchReport
from vjax.matching.batch import match_many as match_work
from vjax.matching.config import DEFAULT, MatchConfig
from vjax.matching.match import match as match_clip
from vjax.matching.preferred import Prefer
from vjax.matching.result import MatchResult
from vjax.matching.variations import AWAY_DB, variations
from vjax.matching.work import file_work
from vjax.search.candidate import Candidate
from vjax.search.refine_config import RefineConfig
from vjax.search.target import Sought
from vjax.shipped import NAME, checkpoint_folder
from vjax.vital.preset import Preset

Sound = str | os.PathLike | np.ndarray
Note = int | str | None


def match(
    sound: Sound | Sequence[Sound],
    note: Note | Sequence[Note] = None,
    *,
    sample_rate: int | None = None,
    name: str = "sound",
    checkpoint: str | os.PathLike = NAME,
    bank: str | os.PathLike = "",
    prefer: Prefer = "editable",
    patch: bool = True,
    resynthesis: bool = True,
    refine_evals: int = 0,
    workers: int | None = None,
    config: MatchConfig | None = None,
) -> MatchResult:
    """Estimates the Vital preset of a sound, as `vjax match` does.

    Args:
      sound: a sound file; or floats [samples] or [channels, samples], full scale at +-1. A list contains recordings of
        one instrument: the preset is then estimated for all of them, see `recordings` of the result.
      note: MIDI note that was played, a number or a name such as "C2"; None estimates it. For several recordings, one
        note for all of them or a list.
      sample_rate: of an array, Hz.
      name: name of an array's preset. A file's preset is named after the file.
      checkpoint: a training run's folder, or "shipped", the model that comes with vjax.
      bank: a folder of presets; the nearest of them compete as well. Empty for none.
      prefer: which preset is preferred. If the closest candidate is another one, it is `closest` of the result.
        `editable`: a preset of oscillators, filters, envelopes and routes; usually a patch, where there is one.
        `closest`: the closest of all candidates, mostly a resynthesis.
        `knobs`: the closest candidate that was not made from the sound.
      patch: whether patches that are estimated from the sound compete.
      resynthesis: whether a wavetable made from the sound competes.
      refine_evals: renders of a search from the preferred candidate; 0 for no search.
      workers: render processes; None takes all cores.
      config: all settings of a match. It replaces `note` (for one sound), `prefer`, `patch`, `resynthesis` and
        `refine_evals`.

    Raises:
      AudioError: the sound cannot be used; the message gives the reason.
      CheckpointError: the checkpoint cannot be used.
      ValueError: the numbers of notes and recordings differ, or there are no recordings; or a search is requested for
        several recordings.
    """
    sounds: list[Any] = list(sound) if isinstance(sound, (list, tuple)) else [sound]
    notes = _notes(note, len(sounds))
    config = config or _config(notes[0], prefer, patch, resynthesis, refine_evals)
    if len(sounds) > 1 and note is not None:
        config = dataclasses.replace(config, note=notes[0])
    folder = checkpoint_folder(os.fspath(checkpoint))
    predictor = _predictor(folder)
    clip, *others = (_clip(one, sample_rate, name, predictor) for one in sounds)
    others = list(zip(others, notes[1:], strict=True))
    with RenderPool(render_config(predictor), workers) as pool:
        banks = open_banks(predictor, folder, os.fspath(bank), pool)
        return match_clip(clip, predictor, pool, config, banks, others=others)


def match_many(
    sounds: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    note: int | str | None = None,
    *,
    checkpoint: str | os.PathLike = NAME,
    bank: str | os.PathLike = "",
    prefer: Prefer = "editable",
    patch: bool = True,
    resynthesis: bool = True,
    refine_evals: int = 0,
    workers: int | None = None,
    limit: int = 0,
    overwrite: bool = False,
    page: bool = False,
    config: MatchConfig | None = None,
) -> BatchReport:
    """Writes the presets of many sounds to the folder `out`, as `vjax match FOLDER -o out` does.

    It skips sounds whose preset exists, so that a stopped run continues when it is called again.

    Args:
      sounds: one or several sound files or folders. Folders are searched with their subfolders.
      limit: at most N sounds; 0 takes all.
      overwrite: also match sounds whose preset exists.
      page: also write the page of each match, see `MatchResult.save`.

    The other arguments are those of `match`.

    Raises:
      FolderInUseError: another process, or another thread of this one, writes to `out`.
    """
    config = config or _config(note, prefer, patch, resynthesis, refine_evals)
    folder = checkpoint_folder(os.fspath(checkpoint))
    predictor = _predictor(folder)
    out = Path(out)
    given = [sounds] if isinstance(sounds, (str, os.PathLike)) else sounds
    with contextlib.nullcontext() if out.suffix == ".vital" else locked(out):
        work = file_work(predictor, given, out, limit, overwrite)
        with RenderPool(render_config(predictor), workers) as pool:
            banks = open_banks(predictor, folder, os.fspath(bank), pool)
            return match_work(work, out, predictor, pool, config, banks, page=page)


def render(
    preset: Preset | dict[str, Any],
    note: int | str = 60,
    *,
    seconds: float = 2.0,
    note_s: float | None = None,
    velocity: float = 0.8,
    sample_rate: int = 44100,
) -> np.ndarray:
    """Renders a preset with Vital's engine: float32 [2, samples].

    Args:
      preset: from `read_preset` or a `MatchResult`; or Vital's JSON.
      note: MIDI note, a number or a name such as "C2".
      seconds: length of the sound.
      note_s: time from note-on to note-off, seconds; by default three quarters of `seconds`.
      velocity: of the note, above 0 and at most 1.

    Raises ValueError if the engine cannot render it.
    """
    config = RenderConfig(seconds, 0.75 * seconds if note_s is None else note_s, velocity, sample_rate)
    raw = preset.to_json() if isinstance(preset, Preset) else preset
    with RenderPool(config, workers=1) as pool:
        rendering = pool.render(RenderJob(raw, (_midi(note),)))
    if rendering.audio is None:
        raise ValueError(f"the engine could not play the preset at note {note}: {rendering.error}")
    return rendering.audio[0]


def vary(
    preset: Preset,
    note: int | str = 60,
    n: int = 4,
    *,
    away_db: float = AWAY_DB,
    locked: Collection[str] = (),
    seed: int = 0,
    seconds: float = 2.0,
    workers: int | None = None,
) -> list[Preset]:
    """Returns at most `n` variations of a preset, as "More like this" on the page does.

    Each has other values of some knobs and route amounts. All are rendered: silent ones are left out, the others are as
    loud as the preset, and sound different from it and from each other. Pitches and macros do not change. For the
    variations of a match that are nearest to its sound, see `vjax.matching.variations.variations`.

    Args:
      preset: from `read_preset` or a `MatchResult`.
      note: MIDI note at which they are rendered, a number or a name such as "C2".
      away_db: how different they are: MSS to the preset. 1.5 is a little, 6 is much.
      locked: what stays as it is: some of "oscillators", "filters", "effects", "envelopes" and "lfos".
      seed: another seed gives other variations.
      seconds: length of the sounds that are compared.
      workers: render processes; None takes all cores.

    Raises ValueError if the preset is silent at this note, or if all that is audible is locked.
    """
    midi, config = _midi(note), RenderConfig(seconds, 0.75 * seconds)
    audio = render(preset, midi, seconds=seconds)
    with RenderPool(config, workers) as pool:
        sought = Sought(audio, midi, config.note_s, config.sample_rate, detect_pitch(audio, config.sample_rate))
        origin = Candidate(preset.name, preset)
        found = variations(origin, sought, pool, n, away_db, locked, seed)
    names = (f"{preset.name} (variation {i})" for i in range(1, n + 1))
    return [dataclasses.replace(one.preset, name=name) for one, name in zip(found, names, strict=False)]


def _config(note: int | str | None, prefer: Prefer, patch: bool, resynthesis: bool, refine_evals: int) -> MatchConfig:
    return dataclasses.replace(
        DEFAULT,
        note=None if note is None else _midi(note),
        prefer=prefer,
        patch=patch,
        resynthesis=DEFAULT.resynthesis if resynthesis else None,
        refine=RefineConfig(evals=refine_evals) if refine_evals else None,
    )


def _notes(note: Note | Sequence[Note], n: int) -> list[int | None]:
    """A MIDI note, or None, for each of `n` recordings."""
    given: list[Any] = list(note) if isinstance(note, (list, tuple)) else [note] * n
    if len(given) != n or not n:
        raise ValueError(f"there are {len(given)} notes and {n} recordings; give one note for each, or one for all")
    return [None if one is None else _midi(one) for one in given]


def _midi(note: int | str) -> int:
    return parse_note(note) if isinstance(note, str) else note


def _clip(sound: Sound, sample_rate: int | None, name: str, predictor: Predictor) -> Clip:
    if not isinstance(sound, np.ndarray):
        if sample_rate is not None:
            raise AudioError(f"sample_rate={sample_rate} is for arrays; the file {sound} has its own")
        return load_clip(sound, predictor.sample_rate, predictor.samples)
    if sample_rate is None:
        raise AudioError("an array has no sample rate; give sample_rate=44100, or what it was recorded at")
    sound = sound[None] if sound.ndim == 1 else sound
    return make_clip(sound, predictor.sample_rate, predictor.samples, name, audio_rate=sample_rate)


@functools.lru_cache(maxsize=2)
def _predictor(folder: str) -> Predictor:
    """Loads a checkpoint once for all calls. The prediction of a single sound is the same as in a batch."""
    keep_compiled()
    return Predictor.from_checkpoint(folder, batch_size=1)
