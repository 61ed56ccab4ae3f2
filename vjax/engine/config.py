"""How presets are rendered. Does not import the engine."""

import dataclasses

from vjax.audio.sample_rates import RATE_RANGE_HZ


@dataclasses.dataclass(frozen=True)
class RenderConfig:
    """How a preset is played.

    Attributes:
      seconds: length of the recording.
      note_s: seconds from note-on to note-off.
      velocity: of the note, in (0, 1].
      sample_rate: of the recording, in Hz.
      timeout_s: a render that takes longer is ended and counts as failed.
    """

    seconds: float = 2.0
    note_s: float = 1.5
    velocity: float = 0.8
    sample_rate: int = 44100
    timeout_s: float = 30.0

    def __post_init__(self):
        if not 0 < self.note_s <= self.seconds:
            raise ValueError(f"note_s={self.note_s} must lie in (0, seconds={self.seconds}]")
        if not 0 < self.velocity <= 1:
            raise ValueError(f"velocity={self.velocity} must lie in (0, 1]")
        lowest, highest = RATE_RANGE_HZ
        if not lowest <= self.sample_rate <= highest:
            raise ValueError(f"sample_rate={self.sample_rate} must lie in [{lowest}, {highest}] Hz")
        if not self.timeout_s > 0:
            raise ValueError(f"timeout_s={self.timeout_s} must be above 0")

    @property
    def samples(self) -> int:
        return round(self.seconds * self.sample_rate)

    def with_note_s(self, note_s: float | None) -> "RenderConfig":
        """The same config with another note length; None keeps the length."""
        return self if note_s is None else dataclasses.replace(self, note_s=note_s)
