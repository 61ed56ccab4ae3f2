"""A folder of presets and their renders: the source of an evaluation's random and nearest presets.

A cache keeps each render as `NOTE/CONTENT.npy`, where CONTENT is the digest of the preset. A restarted run renders only
what is missing. A preset that changed has another digest, so it is rendered again.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vjax.engine.pool import RenderJob, RenderPool, reliable
from vjax.evaluation.preset_files import PresetFile, read_file
from vjax.io.atomic import write_file
from vjax.io.progress import progress_bar


class BaselineBank:
    """The presets of a folder, without duplicates, and their audio at the requested notes.

    Attributes:
      files: the presets that can be read. Of several with the same content, only the first.
      failures: path to reason, for presets that cannot be read or that the engine cannot play.
    """

    def __init__(self, paths: Sequence[Path], folder: Path, cache: Path, pool: RenderPool):
        self._cache, self._pool = cache, pool
        self.failures: dict[str, str] = {}
        by_content: dict[str, PresetFile] = {}
        for path in paths:
            try:
                file = read_file(path, folder)
                by_content.setdefault(file.content, file)
            except (ValueError, OSError) as error:
                self.failures[str(path)] = str(error)
        self.files = tuple(by_content.values())

    def play(self, wanted: Mapping[int, Iterable[PresetFile]]) -> None:
        """Renders the presets wanted at each note that the cache lacks. Each preset is loaded once for all its notes.

        Args:
          wanted: MIDI note to presets.
        """
        missing: dict[PresetFile, list[int]] = {}
        for note, files in sorted(wanted.items()):
            for file in files:
                if not self._path(file, note).exists():
                    missing.setdefault(file, []).append(note)
        if not missing:
            return
        for note in wanted:
            (self._cache / str(note)).mkdir(parents=True, exist_ok=True)
        played: list[PresetFile] = []
        renderings = reliable(self._pool.map(self._jobs(missing, played)))
        with progress_bar(total=len(missing), desc="rendering the bank", unit="preset") as bar:
            for count, rendering in enumerate(renderings):
                file = played[count]
                bar.update()
                if rendering.audio is None:
                    self.failures[str(file.path)] = rendering.error
                    continue
                for note, audio in zip(missing[file], rendering.audio, strict=True):
                    _save(self._path(file, note), audio)

    def sounds(self, note: int, files: Iterable[PresetFile] | None = None) -> tuple[list[PresetFile], np.ndarray]:
        """The presets among `files` (default: all) that were rendered at a note, and their audio.

        The audio is float32 [n, 2, samples]. It includes silent sounds and sounds with NaN, whose distances are NaN.
        """
        found = [file for file in (self.files if files is None else files) if self._path(file, note).exists()]
        sounds = np.empty((len(found), 2, self._pool.config.samples), np.float32)
        for row, file in enumerate(found):
            sounds[row] = np.load(self._path(file, note))
        return found, sounds

    def _path(self, file: PresetFile, note: int) -> Path:
        return self._cache / str(note) / f"{file.content}.npy"

    def _jobs(self, missing: dict[PresetFile, list[int]], played: list[PresetFile]) -> Iterator[RenderJob]:
        """Yields a job for each preset that can be read, and appends the preset to `played`."""
        for file, notes in missing.items():
            try:
                raw = file.preset().to_json()
            except (ValueError, OSError) as error:
                self.failures[str(file.path)] = str(error)
                continue
            played.append(file)
            yield RenderJob(raw, tuple(notes))


def _save(path: Path, audio: np.ndarray) -> None:
    """Writes the file atomically: it appears complete or not at all."""
    content = io.BytesIO()  # into a file, NumPy's error for a full disk would lack the reason
    np.save(content, audio)
    write_file(path, content.getbuffer())
