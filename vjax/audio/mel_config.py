"""Settings of the log-mel spectrogram, as a dataset and a checkpoint store them. Imports no jax."""

import dataclasses
import math
from typing import Any


@dataclasses.dataclass(frozen=True)
class MelConfig:
    """Settings of the log-mel spectrogram; a dataset and a checkpoint store them as `dataclasses.asdict`.

    Attributes:
      sample_rate: in Hz, that of the renders.
      n_fft: samples of a Fourier transform.
      hop: samples between two frames.
      n_mels: mel bands.
      f_min_hz: lower edge of the lowest band.
      f_max_hz: upper edge of the highest band.
    """

    sample_rate: int = 44100
    n_fft: int = 2048
    hop: int = 512
    n_mels: int = 128
    f_min_hz: float = 0.0
    f_max_hz: float = 22050.0

    def __post_init__(self):
        if not 0 <= self.f_min_hz < self.f_max_hz <= self.sample_rate / 2:
            raise ValueError(
                f"mel bands from f_min_hz={self.f_min_hz} to f_max_hz={self.f_max_hz} do not fit below "
                f"{self.sample_rate / 2} Hz, half the sample rate"
            )
        for field in ("n_fft", "hop", "n_mels"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}={getattr(self, field)} must be at least 1")

    @classmethod
    def from_settings(cls, settings: Any, where: str) -> "MelConfig":
        """Reads stored settings; a missing setting has its default. `where` is the name of the file, for errors.

        Raises ValueError for a setting that is unknown, not a number, or out of range.
        """
        if not isinstance(settings, dict):
            raise ValueError(f"{where}: the mel settings are {settings!r}; expected the fields of MelConfig by name")
        types = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        values = {}
        for name, value in settings.items():
            if name not in types:
                raise ValueError(
                    f"{where}: unknown mel setting {name} ({value!r}); rename it to one of {', '.join(types)}, or "
                    "update vjax if a newer version wrote it"
                )
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not number or (types[name] is int and value != int(value)):
                kind = "a whole number" if types[name] is int else "a number"
                raise ValueError(f"{where}: mel setting {name} is {value!r}; set it to {kind}")
            values[name] = types[name](value)
        try:
            return cls(**values)
        except ValueError as error:
            raise ValueError(f"{where}: {error}; correct the mel settings") from error

    def frames(self, samples: int) -> int:
        """Number of frames `t` of a sound: one every `hop` samples, the first centred on sample 0."""
        return 1 + samples // self.hop
