"""Names of the metrics that every table of vjax shows, in the order of the table. Does not import jax."""

METRICS = ("mss", "mss_padded", "rse", "wmfcc", "sot", "rms_cosine", "mrstft", "loudness_difference")
"""Functions of `vjax.audio.distances`."""

TRAITS = ("attack_centroid", "attack_time", "fall", "pitch", "width")
"""Differences of `vjax.audio.traits.trait_differences`."""

HIGHER_IS_BETTER = frozenset({"rms_cosine"})
