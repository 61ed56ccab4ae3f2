"""Names of the metrics that every table of vjax shows, in the order of the table. Does not import jax."""

METRICS = ("mss", "mss_padded", "wmfcc", "sot", "rms_cosine", "mrstft", "loudness_difference")
"""Functions of `vjax.audio.distances`."""

HIGHER_IS_BETTER = frozenset({"rms_cosine"})
