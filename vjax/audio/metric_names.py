"""Names of the distances that every table of vjax shows, in its order; free of jax."""

METRICS = ("mss", "mss_padded", "wmfcc", "sot", "rms_cosine", "mrstft", "loudness_difference")
"""Functions of `vjax.audio.distances`."""

HIGHER_IS_BETTER = frozenset({"rms_cosine"})
