"""Names of the metrics that every table of vjax shows, in the order of the table. Does not import jax."""

METRICS: tuple[str, ...] = ("mss", "rse", "wmfcc", "sot", "rms_cosine", "mrstft", "loudness_difference", "mss_padded")
"""Functions of `vjax.audio.distances`. The first two lead; docs/metrics.md has the reasons."""

TRAITS = ("attack_centroid", "attack_time", "fall", "pitch", "width")
"""Differences of `vjax.audio.traits.trait_differences`."""

HIGHER_IS_BETTER = frozenset({"rms_cosine"})
