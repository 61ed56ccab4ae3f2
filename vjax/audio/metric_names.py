"""The metrics that every table of vjax shows: names, labels, units and decimals. Does not import jax."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric, or the difference of a trait.

    Attributes:
      name: of the function in `vjax.audio.distances`, or of the difference in `vjax.audio.traits`.
      label: for people.
      unit: of its values; empty for a ratio.
      digits: decimals that are shown.
      heading: of its column in printed tables, at most 15 characters; by default label and unit.
      higher_is_better: most metrics are distances, where 0 is equal.
    """

    name: str
    label: str
    unit: str = ""
    digits: int = 2
    heading: str = ""
    higher_is_better: bool = False

    @property
    def column(self) -> str:
        """The heading of its column in printed tables."""
        return self.heading or f"{self.label} {self.unit}".strip()


_DISTANCES = (
    Metric("mss", "MSS", "dB"),
    Metric("rse", "RSE", digits=3),
    Metric("wmfcc", "wMFCC"),
    Metric("sot", "SOT", digits=3),
    Metric("rms_cosine", "RMS cosine", digits=3, higher_is_better=True),
    Metric("mrstft", "MRSTFT"),
    Metric("loudness_difference", "Loudness", "LU", heading="loudness LU"),
    Metric("mss_padded", "MSS padded", "dB"),  # the last one, see the model card
)
_TRAIT_DIFFERENCES = (
    Metric("attack_centroid", "Attack centroid", "octaves", heading="attack octaves"),
    Metric("attack_time", "Attack time", "ms", digits=0, heading="attack ms"),
    Metric("fall", "Fall", "octaves", heading="fall octaves"),
    Metric("pitch", "Pitch", "cents", digits=1, heading="pitch cents"),
    Metric("width", "Width", "dB", digits=1, heading="width dB"),
)

METRICS: tuple[str, ...] = tuple(metric.name for metric in _DISTANCES)
"""Functions of `vjax.audio.distances`, in the order of tables. The first two lead; docs/metrics.md has the reasons."""

TRAITS: tuple[str, ...] = tuple(metric.name for metric in _TRAIT_DIFFERENCES)
"""Differences of `vjax.audio.traits.trait_differences`."""

BY_NAME = {metric.name: metric for metric in (*_DISTANCES, *_TRAIT_DIFFERENCES)}
"""All of them, in the order of tables."""

HIGHER_IS_BETTER = frozenset(name for name, metric in BY_NAME.items() if metric.higher_is_better)
