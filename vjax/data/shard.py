"""Makes one shard: renders a Latin hypercube of candidates, and leaves out those without a usable sound.

A shard is a pure function of the settings and its own number. It does not depend on the machine or on other shards.
"""

import collections
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vjax.audio.channels import to_mono
from vjax.audio.mel import MelConfig, mel_spectrogram
from vjax.data import layout
from vjax.data.preset_bank import Bank
from vjax.data.sampling import ORIGINS, SampledPreset, sample_block
from vjax.data.sampling_config import SamplingConfig
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderGroup, Rendering, RenderJob, RenderPool, reliable
from vjax.sound.schema import Parameters, Schema
from vjax.vital.vocabulary import from_parameters

MEL_BATCH = 32  # fixed, so that the log-mel function compiles once and does not depend on the grouping of rows


@dataclasses.dataclass(frozen=True)
class GenerationConfig:
    """Settings of a dataset. The number of rows (one sound at one note each) is an argument of `generate`.

    Attributes:
      sampling, render, mel: what is drawn, how it is played, and its log-mel spectrogram.
      notes: every preset is played at each of these MIDI notes, if `random_notes` is 0.
      random_notes: number of notes drawn for each preset, one from each equal part of `note_range`; 0 plays `notes`.
      note_range: lowest and highest MIDI note that `random_notes` draws.
      presets_per_shard: number of candidates of one shard; a killed run loses at most one shard's work.
      seeds: number of positions of the engine's random generators in use, in turn; variants of one preset share one.
      oversampling: play with Vital's usual oversampling. False renders faster, and the sounds differ by some tenths of
        a dB (docs/performance.md).
      silence_db: a sound with a lower RMS (dB relative to full scale) is rejected.
      mel_dtype: type of the stored log-mel spectrograms, "float32" or "float16".
      store_audio: store the waveforms too, as float16 (352 kB a row).
    """

    sampling: SamplingConfig = SamplingConfig()
    render: RenderConfig = RenderConfig()
    mel: MelConfig = MelConfig()
    notes: tuple[int, ...] = (48, 60, 72)
    random_notes: int = 0
    note_range: tuple[int, int] = (36, 84)
    presets_per_shard: int = 64
    seeds: int = 4
    oversampling: bool = True
    silence_db: float = -70.0
    mel_dtype: str = "float32"
    store_audio: bool = False

    def __post_init__(self):
        if not self.notes or not all(0 <= note <= 127 for note in self.notes):
            raise ValueError(f"notes={self.notes}; give MIDI notes from 0 to 127")
        low, high = self.note_range
        if not (0 <= low <= high <= 127 and 0 <= self.random_notes <= high - low + 1):
            raise ValueError(
                f"random_notes={self.random_notes} in note_range={self.note_range}; give a range of MIDI notes from 0 "
                "to 127, and random_notes from 0 to the number of notes in it"
            )
        if self.presets_per_shard < 1 or self.seeds < 1:
            raise ValueError(f"presets_per_shard={self.presets_per_shard}, seeds={self.seeds}; both must be at least 1")
        if self.mel_dtype not in ("float32", "float16"):
            raise ValueError(f"mel_dtype={self.mel_dtype!r}; choose 'float32' or 'float16'")
        if self.mel.sample_rate != self.render.sample_rate:
            raise ValueError(
                f"mel.sample_rate={self.mel.sample_rate} differs from render.sample_rate={self.render.sample_rate}; "
                "give both the same value"
            )

    @property
    def notes_per_preset(self) -> int:
        return self.random_notes or len(self.notes)

    def notes_of(self, seed: int, shard: int, candidate: int) -> tuple[int, ...]:
        """The MIDI notes at which a candidate is played."""
        if not self.random_notes:
            return self.notes
        low, high = self.note_range
        edges = np.linspace(low, high + 1, self.random_notes + 1).astype(int)
        # The final 1 separates this random stream from the sampler's, seeded by [seed, shard]. Without it, candidate 0
        # would get the sampler's stream, because NumPy ignores zeros at the end of a seed.
        rng = np.random.default_rng([seed, shard, candidate, 1])
        return tuple(int(rng.integers(first, last)) for first, last in itertools.pairwise(edges))


@dataclasses.dataclass(frozen=True)
class ShardInputs:
    """The inputs that all shards of a dataset share."""

    config: GenerationConfig
    schema: Schema
    bank: Bank
    seed: int


class CandidateCheck(NamedTuple):
    """The result for a candidate: `reason` why it was left out, "" if it is kept; `error` of a render without sound."""

    name: str
    reason: str
    error: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Shard:
    """A shard in memory.

    Attributes:
      checks: results for its candidates, in order; the last ones may be missing if none of their rows is needed.
      arrays: by dataset path, one row per kept candidate and note.
      cut: whether checks or rows are missing.
    """

    number: int
    checks: tuple[CandidateCheck, ...]
    arrays: dict[str, np.ndarray]
    cut: bool = False

    @property
    def rows(self) -> int:
        return len(self.arrays.get(layout.MIDI_NOTE, ()))

    @property
    def presets(self) -> int:
        return sum(not check.reason for check in self.checks)

    @property
    def rejected(self) -> dict[str, int]:
        """Number of candidates that were left out, by reason."""
        return dict(collections.Counter(check.reason for check in self.checks if check.reason))

    def first(self, rows: int, notes: int) -> "Shard":
        """Returns the shard as it is made if only its first `rows` rows are needed, at `notes` notes per preset."""
        if self.rows < rows:
            return self
        kept = itertools.accumulate(not check.reason for check in self.checks)
        end = next(i for i, presets in enumerate(kept, start=1) if presets * notes >= rows)
        return Shard(
            self.number,
            self.checks[:end],
            {name: array[:rows] for name, array in self.arrays.items()},
            self.cut or self.rows > rows or end < len(self.checks),
        )


OnCandidate = Callable[[int, int, CandidateCheck], None]
"""A callback for each candidate: (shard number, candidate index, check)."""


def make_shards(
    inputs: ShardInputs, first: int, rows: int, pool: RenderPool, on_candidate: OnCandidate
) -> Iterator[Shard]:
    """Yields shards from number `first` on, with `rows` rows in total. The pool does not wait between shards."""
    with contextlib.closing(_render(inputs, itertools.count(first), pool)) as rendered:
        for number in itertools.count(first):
            shard = _collect(inputs, number, rows, rendered, on_candidate)
            yield shard
            rows -= shard.rows
            if rows <= 0:
                return


def make_shard(inputs: ShardInputs, number: int, workers: int) -> Shard:
    """Makes one whole shard."""
    most = inputs.config.presets_per_shard * inputs.config.notes_per_preset
    with (
        RenderPool(inputs.config.render, workers) as pool,
        contextlib.closing(_render(inputs, [number], pool)) as rendered,
    ):
        return _collect(inputs, number, most + 1, rendered, lambda *_: None)


def _render(
    inputs: ShardInputs, shards: Iterable[int], pool: RenderPool
) -> Generator[tuple[int, SampledPreset, Rendering]]:
    """Yields (candidate index, draw, rendering) of the shards, in order."""
    config, schema, bank = inputs.config, inputs.schema, inputs.bank
    variants = config.sampling.variants
    pending: collections.deque = collections.deque()

    def groups() -> Iterator[RenderGroup]:
        for shard in shards:
            samples = sample_block(schema, config.sampling, inputs.seed, shard, config.presets_per_shard, bank.entries)
            for first in range(0, len(samples), variants):
                jobs = []
                for candidate, sampled in enumerate(samples[first : first + variants], start=first):
                    pending.append((candidate, sampled))
                    preset = from_parameters(sampled.played, schema, bank.vocabulary, name=sampled.name)
                    if not config.oversampling:
                        preset["settings"]["oversampling"] = 0.0
                    notes = config.notes_of(inputs.seed, shard, candidate)
                    jobs.append(RenderJob(preset, notes, seed=first // variants % config.seeds))
                yield RenderGroup(tuple(jobs))

    for rendering in reliable(pool.map_groups(groups())):
        yield *pending.popleft(), rendering


def _collect(
    inputs: ShardInputs,
    number: int,
    rows: int,
    rendered: Iterator[tuple[int, SampledPreset, Rendering]],
    on_candidate: OnCandidate,
) -> Shard:
    """Makes a shard from the next renderings: all its candidates, or only those that its first `rows` rows need."""
    config = inputs.config
    kept: list[tuple[int, SampledPreset, np.ndarray]] = []
    checks: list[CandidateCheck] = []
    # Stops early in the last shard, whose other rows would be discarded.
    while len(checks) < config.presets_per_shard and len(kept) * config.notes_per_preset < rows:
        candidate, sampled, rendering = next(rendered)
        check = CandidateCheck(sampled.name, rejection(rendering, config.silence_db), rendering.error)
        if rendering.audio is not None and not check.reason:
            kept.append((candidate, sampled, rendering.audio))
        checks.append(check)
        on_candidate(number, candidate, check)
    cut = len(checks) < config.presets_per_shard
    return Shard(number, tuple(checks), _arrays(inputs, number, kept) if kept else {}, cut).first(
        rows, config.notes_per_preset
    )


def rejection(rendering: Rendering, silence_db: float) -> str:
    """Returns why a rendering cannot be used: crashed, hung, nan, silent or clipping; empty if it can be used."""
    if rendering.audio is None:
        return rendering.error.partition(":")[0]
    if not np.isfinite(rendering.audio).all():
        return "nan"
    rms = np.sqrt(np.square(rendering.audio, dtype=np.float64).mean(axis=(1, 2)))
    if (rms < 10 ** (silence_db / 20)).any():
        return "silent"
    return "clipping" if np.abs(rendering.audio).max() > 1 else ""


def _arrays(
    inputs: ShardInputs, shard: int, kept: Sequence[tuple[int, SampledPreset, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The datasets of a shard, one row per preset and note."""
    config, notes = inputs.config, inputs.config.notes_per_preset
    played = [note for candidate, _, _ in kept for note in config.notes_of(inputs.seed, shard, candidate)]
    samples = [sampled for _, sampled, _ in kept for _ in range(notes)]
    audio = np.concatenate([audio for _, _, audio in kept])
    variants = config.sampling.variants
    seeds = np.array([candidate // variants % config.seeds for candidate, _, _ in kept for _ in range(notes)])
    columns = Parameters(
        *(np.stack(column) for column in zip(*(sampled.parameters for sampled in samples), strict=True))
    )
    arrays = {
        layout.CONTINUOUS: columns.continuous,
        layout.CATEGORICAL: columns.categorical,
        layout.MEL: log_mel(audio, config.mel)[:, None].astype(config.mel_dtype),
        layout.MIDI_NOTE: np.array(played, np.int32),
        "metadata/velocity": np.full(len(samples), config.render.velocity, np.float32),
        "metadata/source": np.array([ORIGINS[sampled.origin] for sampled in samples]),
        layout.PRESET_HASH: np.array([sampled.identity for sampled in samples], np.int64),
        layout.PRESET_NAME: np.array([sampled.name for sampled in samples]),
        "metadata/tier": np.full(len(samples), config.sampling.tier, np.int32),
        "metadata/seed": seeds.astype(np.int64),
    }
    if config.sampling.tier >= 3:
        arrays |= {layout.ROUTE_INDEX: columns.route_index, layout.ROUTE_VALUE: columns.route_value}
    if variants > 1:  # the candidate's number in its shard, to draw it again
        candidates = [candidate for candidate, _, _ in kept for _ in range(notes)]
        arrays[layout.CANDIDATE] = np.array(candidates, np.int32)
    if config.store_audio:
        arrays[layout.WAVEFORMS] = audio.astype(np.float16)
    return arrays


def log_mel(audio: np.ndarray, config: MelConfig) -> np.ndarray:
    """Maps [n, channels, samples] to [n, n_mels, t] float32, on the device, in batches of one fixed size."""
    mels = []
    for start in range(0, len(audio), MEL_BATCH):
        batch = audio[start : start + MEL_BATCH]
        padded = np.pad(batch, [(0, MEL_BATCH - len(batch)), (0, 0), (0, 0)])
        mels.append(np.asarray(mel_spectrogram(to_mono(padded), config))[: len(batch)])
    return np.concatenate(mels)
