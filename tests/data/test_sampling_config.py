"""Tests of the settings of the prior."""

import pytest

from vjax.data.sampling_config import SamplingConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tier": 4}, "tier 4 does not exist"),
        ({"preset_share": 1.5}, r"preset_share=1\.5 must lie in \[0, 1\]"),
        ({"route_p": 0.0}, r"route_p=0\.0 must lie in \(0, 1\]"),
        ({"max_routes": 65}, "max_routes=65; Vital has 64 slots"),
    ],
)
def test_sampling_config_with_invalid_values_names_them(fields, message):
    with pytest.raises(ValueError, match=message):
        SamplingConfig(**fields)
