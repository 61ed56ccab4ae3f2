"""The metrics as a page shows them: their labels, units and decimals."""

from typing import Any

from vjax.audio.metric_names import HIGHER_IS_BETTER, METRICS, TRAITS

SHOWN = (*METRICS, *TRAITS)
"""The metrics of a page, in the order of its columns."""

_LABELS = {  # label, unit, decimals
    "mss": ("MSS", "dB", 2),
    "mss_padded": ("MSS padded", "dB", 2),
    "rse": ("RSE", "", 3),
    "wmfcc": ("wMFCC", "", 2),
    "sot": ("SOT", "", 4),
    "rms_cosine": ("RMS cosine", "", 3),
    "mrstft": ("MRSTFT", "", 3),
    "loudness_difference": ("Loudness", "LU", 2),
    "attack_centroid": ("Attack centroid", "octaves", 2),
    "attack_time": ("Attack time", "ms", 0),
    "fall": ("Fall", "octaves", 2),
    "pitch": ("Pitch", "cents", 0),
    "width": ("Width", "dB", 1),
}


def metric_columns() -> list[dict[str, Any]]:
    """The columns of SHOWN, as JSON types."""
    return [
        {
            "key": name,
            "label": _LABELS[name][0],
            "unit": _LABELS[name][1],
            "digits": _LABELS[name][2],
            "higher": name in HIGHER_IS_BETTER,
            "trait": name in TRAITS,
        }
        for name in SHOWN
    ]
