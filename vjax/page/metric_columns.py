"""The metrics as a page shows them."""

from typing import Any

from vjax.audio.metric_names import BY_NAME, TRAITS

SHOWN = tuple(BY_NAME)
"""The metrics of a page, in the order of its columns."""


def metric_columns() -> list[dict[str, Any]]:
    """The columns of SHOWN, as JSON types."""
    return [
        {
            "key": metric.name,
            "label": metric.label,
            "unit": metric.unit,
            "digits": metric.digits,
            "higher": metric.higher_is_better,
            "trait": metric.name in TRAITS,
        }
        for metric in BY_NAME.values()
    ]
