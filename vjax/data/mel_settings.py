"""Reads and checks a dataset file's mel settings and the sample rate of its sounds. Imports neither vita nor jax."""

from typing import Any

import h5py

from vjax.audio.mel_config import MelConfig
from vjax.data import layout, report_layout
from vjax.data.layout import DatasetError


def stored_mel(file: h5py.File) -> MelConfig | None:
    """Returns the settings of the attribute `mel`, in either layout; None if the file has none.

    Raises DatasetError for settings that vjax does not support.
    """
    settings = _attributes(file).get("mel")
    if settings is None:
        return None
    try:
        return MelConfig.from_settings(settings, f"{file.filename}: attribute mel")
    except ValueError as error:
        raise DatasetError(str(error)) from error


def sample_rates_hz(file: h5py.File) -> dict[str, float]:
    """Returns {attribute: sample rate that it states for the file's sounds}. Most files have one such attribute."""
    attributes = _attributes(file)
    found = {"attribute sample_rate": attributes.get("sample_rate")}
    for name in ("render", "mel"):
        settings = attributes.get(name)
        found[f"attribute {name}"] = settings.get("sample_rate") if isinstance(settings, dict) else None
    if layout.WAVEFORMS in file:
        found[f"attribute sample_rate of {layout.WAVEFORMS}"] = file[layout.WAVEFORMS].attrs.get("sample_rate")
    try:
        return {source: float(rate) for source, rate in found.items() if rate is not None}
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{file.filename}: a sample rate is not a number of Hz ({error}); found {found}") from error


def check_sample_rate(file: h5py.File, config: MelConfig) -> None:
    """Raises DatasetError if the file states another sample rate than `config`."""
    for source, rate_hz in sample_rates_hz(file).items():
        if rate_hz != config.sample_rate:
            settings = f'{{"sample_rate": {rate_hz:g}, "f_max_hz": {rate_hz / 2:g}}}'
            raise DatasetError(
                f"{file.filename}: {source} gives {rate_hz:g} Hz, but the mel settings are for {config.sample_rate} "
                f"Hz; all attributes must state the rate of the sounds: correct the wrong one, or if attribute mel is "
                f"missing, add it, such as {settings}"
            )


def _attributes(file: h5py.File) -> dict[str, Any]:
    """Returns the parsed attributes: all in the report's layout, only `mel` and `render` in vjax's.

    In vjax's layout, parsing the long attribute `schema` would take time.
    """
    if layout.is_vjax_layout(file):
        return {name: report_layout.plain(file.attrs[name]) for name in ("mel", "render") if name in file.attrs}
    return report_layout.read_attributes(file)
