"""Datasets made with the real engine: sample, render, log-mel, write shards.

A shard is one Latin hypercube of candidates less those that make no usable sound. It depends on the settings and its
own number alone, so that a killed run continues at the first missing shard and ends with the same bytes, whatever the
number of workers.
"""

import collections
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vjax.audio.mel import MelConfig, mel_spectrogram, to_mono
from vjax.data import layout
from vjax.data.bank import Bank, load_bank
from vjax.data.layout import DatasetError
from vjax.data.sampling import ORIGINS, Draw, SamplingConfig, parameters_hash, sample_block
from vjax.data.store import digest, write_shard
from vjax.progress import progress_bar
from vjax.schema import Parameters, Schema
from vjax.vital.engine import VERSION, RenderConfig
from vjax.vital.pool import Rendering, RenderJob, RenderPool
from vjax.vital.vocabulary import from_parameters

GENERATOR_VERSION = "2"
"""Raise it when the same settings no longer give the same data."""

MEL_BATCH = 32  # fixed, so that the log-mel compiles once and never depends on how rows were grouped


@dataclasses.dataclass(frozen=True)
class GenerationConfig:
    """What a dataset is made of. `n` rows (one sound at one note each) are asked for at the time of generation.

    Attributes:
      notes: every preset is played at each of these MIDI notes ...
      random_notes: ... or, if not 0, at so many notes drawn anew for each preset, one from each equal part of
      note_range: the lowest and the highest of them.
      presets_per_shard: candidates of one shard; a killed run loses at most one shard's work.
      seeds: positions of the engine's random generators in use; candidate i gets position i % seeds.
      silence_db: a sound whose RMS lies below it (dB relative to full scale) is rejected.
      mel_dtype: "float32" or "float16", as stored.
      store_audio: keep the waveforms too, as float16 (352 kB a row).
    """

    sampling: SamplingConfig = SamplingConfig()
    render: RenderConfig = RenderConfig()
    mel: MelConfig = MelConfig()
    notes: tuple[int, ...] = (48, 60, 72)
    random_notes: int = 0
    note_range: tuple[int, int] = (36, 84)
    presets_per_shard: int = 64
    seeds: int = 4
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
                "to 127 with room for so many"
            )
        if self.presets_per_shard < 1 or self.seeds < 1:
            raise ValueError(f"presets_per_shard={self.presets_per_shard}, seeds={self.seeds}; both must be at least 1")
        if self.mel_dtype not in ("float32", "float16"):
            raise ValueError(f"mel_dtype={self.mel_dtype!r}; choose 'float32' or 'float16'")
        if self.mel.sample_rate != self.render.sample_rate:
            raise ValueError(
                f"mel.sample_rate={self.mel.sample_rate} differs from the renders' {self.render.sample_rate}"
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
        # The 1 makes it a stream of its own: NumPy ignores zeros at the end, and the sampler has [seed, shard].
        rng = np.random.default_rng([seed, shard, candidate, 1])
        return tuple(int(rng.integers(first, last)) for first, last in itertools.pairwise(edges))


@dataclasses.dataclass(frozen=True)
class GenerationReport:
    """What a run found and made: rows and presets kept in all shards, and rejected candidates by reason."""

    rows: int
    presets: int
    rejected: dict[str, int]

    @property
    def rejected_share(self) -> float:
        n = sum(self.rejected.values())
        return n / max(n + self.presets, 1)


def generate(
    config: GenerationConfig,
    out: str | os.PathLike,
    n: int,
    seed: int = 0,
    workers: int | None = None,
    presets: str | os.PathLike | None = None,
    progress: bool = True,
) -> GenerationReport:
    """Fills the folder `out` with shards of `n` rows in all; finished shards of the same settings stay.

    Raises:
      DatasetError: `out` holds data of other settings.
      ValueError: settings that cannot be, or a shard of which no candidate made a sound.
    """
    if n < 1:
        raise ValueError(f"n={n}; ask for at least one row")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    bank = load_bank(presets, warn=lambda text: tqdm.write(text))
    schema = bank.vocabulary.schema()
    catalog_json = bank.vocabulary.to_json_string()
    fingerprint = _fingerprint(config, seed, bank, digest(catalog_json))
    done = _finished_shards(out, fingerprint, n)
    rows = sum(shard["rows"] for shard in done)
    presets_kept = sum(shard["presets"] for shard in done)
    rejected = collections.Counter()
    for shard in done:
        rejected.update(shard["rejected"])
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(
            progress_bar(total=n, initial=rows, unit="sound", disable=not progress, desc="rendering")
        )
        pool = stack.enter_context(RenderPool(config.render, workers))
        rendered = stack.enter_context(contextlib.closing(_render_shards(config, schema, bank, seed, len(done), pool)))
        while rows < n:
            number, kept, shard_rejected, cut = _collect(rendered, config, bar, n - rows)
            if not kept:
                raise ValueError(
                    f"shard {number}: every candidate was rejected ({dict(shard_rejected)}); "
                    "raise generation.presets_per_shard, or choose another seed"
                )
            arrays = _arrays(config, seed, number, kept, limit=n - rows)
            summary = {"rows": len(arrays[layout.MIDI_NOTE]), "presets": len(kept)}
            summary |= {"rejected": dict(shard_rejected), "cut": cut}
            attributes = _attributes(config, fingerprint, summary)
            # Megabytes, so once: the first shard carries the catalog for the folder.
            attributes |= {"catalog_sha256": digest(catalog_json)} if number else {"catalog": catalog_json}
            write_shard(out / _shard_name(number), schema, arrays, attributes)
            rows += summary["rows"]
            presets_kept += len(kept)
            rejected.update(shard_rejected)
    return GenerationReport(rows, presets_kept, dict(rejected))


def _fingerprint(config: GenerationConfig, seed: int, bank: Bank, catalog_sha256: str) -> str:
    """What the bytes of a shard depend on, beside its number."""
    limits = {"timeout_s"}
    settings = dataclasses.asdict(config)
    settings["render"] = {key: value for key, value in settings["render"].items() if key not in limits}
    material = hashlib.sha256(catalog_sha256.encode())
    for name, parameters in bank.entries:
        material.update(f"{name} {parameters_hash(parameters)}".encode())
    settings |= {"seed": seed, "material": material.hexdigest()[:16], "engine": VERSION, "version": GENERATOR_VERSION}
    return json.dumps(settings, sort_keys=True)


def _finished_shards(out: Path, fingerprint: str, n: int) -> list[dict[str, Any]]:
    """Summaries of the shards to keep; a last one that was cut to an earlier, smaller `n` is removed."""
    summaries = []
    for number, path in enumerate(sorted(out.glob("*.h5"))):
        if path.name != _shard_name(number):
            raise DatasetError(f"{out} holds {path.name} where {_shard_name(number)} belongs; remove {path.name}")
        with layout.open_hdf5(str(path)) as file:
            found, summary = file.attrs.get("generation"), file.attrs.get("shard")
        if found != fingerprint:
            there, now = json.loads(found or "{}"), json.loads(fingerprint)
            differ = [f"{key} {there.get(key)} there, {now[key]} now" for key in now if there.get(key) != now[key]]
            raise DatasetError(
                f"{path} was made with other settings ({'; '.join(differ)}); "
                f"choose another --out, or remove {out} to make it anew"
            )
        summaries.append(json.loads(summary))
    rows = sum(summary["rows"] for summary in summaries)
    if rows > n:
        raise DatasetError(f"{out} already holds {rows} rows, more than the {n} asked for; choose another --out")
    for leftover in out.glob("shard-*.h5.partial"):
        leftover.unlink()
    if rows < n and summaries and summaries[-1]["cut"]:
        summaries.pop()
        (out / _shard_name(len(summaries))).unlink()
    return summaries


def _shard_name(number: int) -> str:
    return f"shard-{number:05d}.h5"


def _render_shards(
    config: GenerationConfig, schema: Schema, bank: Bank, seed: int, first: int, pool: RenderPool
) -> Iterator[tuple[int, int, Draw, Rendering]]:
    """Endless (shard, candidate, draw, rendering), in order; the pool never waits for the end of a shard."""
    ahead: collections.deque = collections.deque()

    def jobs() -> Iterator[RenderJob]:
        shard = first
        while True:
            draws = sample_block(schema, config.sampling, seed, shard, config.presets_per_shard, bank.entries)
            for candidate, draw in enumerate(draws):
                ahead.append((shard, candidate, draw))
                preset = from_parameters(draw.parameters, schema, bank.vocabulary, name=draw.name)
                yield RenderJob(preset, config.notes_of(seed, shard, candidate), seed=candidate % config.seeds)
            shard += 1

    for rendering in pool.map(jobs()):
        yield *ahead.popleft(), rendering


def _collect(rendered, config: GenerationConfig, bar: tqdm, wanted: int):
    """Takes one shard's candidates: (number, kept (candidate, draw, audio), rejections by reason, cut at `wanted`)."""
    notes = config.notes_per_preset
    kept: list[tuple[int, Draw, np.ndarray]] = []
    rejected: collections.Counter = collections.Counter()
    while True:
        shard, candidate, draw, rendering = next(rendered)
        reason = rejection(rendering, config.silence_db)
        if reason:
            rejected[reason] += 1
            if rendering.audio is None:
                tqdm.write(f"{draw.name}: {rendering.error}; left out")
        else:
            kept.append((candidate, draw, rendering.audio))
            bar.update(min(notes, max(wanted - (len(kept) - 1) * notes, 0)))
        bar.set_postfix_str(f"shard {shard}, rejected {sum(rejected.values())} of {candidate + 1}", refresh=False)
        last, rows = candidate == config.presets_per_shard - 1, len(kept) * notes
        if last or rows >= wanted:  # the rest of the last shard would only be thrown away
            return shard, kept, rejected, rows > wanted or not last


def rejection(rendering: Rendering, silence_db: float) -> str:
    """Why a rendering cannot be used: crashed, hung, nan, silent, clipping; empty if it can."""
    if rendering.audio is None:
        return rendering.error.partition(":")[0]
    if not np.isfinite(rendering.audio).all():
        return "nan"
    rms = np.sqrt(np.square(rendering.audio, dtype=np.float64).mean(axis=(1, 2)))
    if (rms < 10 ** (silence_db / 20)).any():
        return "silent"
    return "clipping" if np.abs(rendering.audio).max() > 1 else ""


def _arrays(
    config: GenerationConfig, seed: int, shard: int, kept: Sequence[tuple[int, Draw, np.ndarray]], limit: int
) -> dict[str, np.ndarray]:
    """The datasets of a shard, one row per preset and note, at most `limit`."""
    notes = config.notes_per_preset
    played = [note for candidate, _, _ in kept for note in config.notes_of(seed, shard, candidate)][:limit]
    draws = [draw for _, draw, _ in kept for _ in range(notes)][:limit]
    audio = np.concatenate([audio for _, _, audio in kept])[:limit]
    seeds = np.array([candidate % config.seeds for candidate, _, _ in kept for _ in range(notes)][:limit])
    columns = Parameters(*(np.stack(column) for column in zip(*(draw.parameters for draw in draws), strict=True)))
    arrays = {
        layout.CONTINUOUS: columns.continuous,
        layout.CATEGORICAL: columns.categorical,
        layout.MEL: log_mel(audio, config.mel)[:, None].astype(config.mel_dtype),
        layout.MIDI_NOTE: np.array(played, np.int32),
        "metadata/velocity": np.full(len(draws), config.render.velocity, np.float32),
        "metadata/source": np.array([ORIGINS[draw.origin] for draw in draws]),
        layout.PRESET_HASH: np.array([parameters_hash(draw.parameters) for draw in draws], np.int64),
        layout.PRESET_NAME: np.array([draw.name for draw in draws]),
        "metadata/tier": np.full(len(draws), config.sampling.tier, np.int32),
        "metadata/seed": seeds.astype(np.int64),
    }
    if config.sampling.tier >= 3:
        arrays |= {layout.ROUTE_INDEX: columns.route_index, layout.ROUTE_VALUE: columns.route_value}
    if config.store_audio:
        arrays[layout.WAVEFORMS] = audio.astype(np.float16)
    return arrays


def log_mel(audio: np.ndarray, config: MelConfig) -> np.ndarray:
    """[n, channels, samples] to [n, n_mels, t] float32, on the device, in batches of one fixed size."""
    pictures = []
    for start in range(0, len(audio), MEL_BATCH):
        batch = audio[start : start + MEL_BATCH]
        padded = np.pad(batch, [(0, MEL_BATCH - len(batch)), (0, 0), (0, 0)])
        pictures.append(np.asarray(mel_spectrogram(to_mono(padded), config))[: len(batch)])
    return np.concatenate(pictures)


def _attributes(config: GenerationConfig, fingerprint: str, summary: dict[str, Any]) -> dict[str, Any]:
    return {
        "tier": config.sampling.tier,
        "mel": dataclasses.asdict(config.mel),
        "generator_version": GENERATOR_VERSION,
        "generation": fingerprint,
        "render": dataclasses.asdict(config.render),
        "shard": json.dumps(summary, sort_keys=True),
    }
