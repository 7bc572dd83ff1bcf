"""A gravitational-wave likelihood and its priors, made from the plain values of a configuration file.

The interferometers hold no data: they define the detectors, band and noise that a model is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from bilby.core.prior import Prior, PriorDict
from bilby.gw import detector
from bilby.gw.detector import InterferometerList, PowerSpectralDensity
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import ConfigurationError
from .tables import check_keys

_DEFAULT_PRIORS = "bilby.gw.prior.BBHPriorDict"
_RESERVED = ("file", "dictionary")
"""Keys of the table of priors that are not parameters."""


@dataclass(frozen=True)
class DataConfig:
    """Description of the data that a model is for.

    Attributes
    ----------
    detectors
        Names of the detectors, as in Bilby.
    duration, sampling_frequency
        Duration in seconds and sampling frequency in Hz.
    minimum_frequency, maximum_frequency
        Band in Hz, one for all or by detector; by default that of the detector, up to the Nyquist frequency at most.
    start_time
        GPS time in seconds at which the segment starts; alternatively give
    trigger_time, post_trigger_duration
        GPS time of the signal and the seconds of data after it.
    psd, asd
        File of the power (amplitude) spectral density by detector, a name of Bilby's or a path; by default Bilby's choice
        for the detector.
    """

    detectors: tuple[str, ...]
    duration: float
    sampling_frequency: float
    minimum_frequency: float | dict[str, float] | None = None
    maximum_frequency: float | dict[str, float] | None = None
    start_time: float | None = None
    trigger_time: float | None = None
    post_trigger_duration: float = 2.0
    psd: dict[str, str] = field(default_factory=dict)
    asd: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.detectors:
            raise ConfigurationError("[data] detectors=[]: give at least one, such as 'H1'")
        for name in ("duration", "sampling_frequency"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"[data] {name}={getattr(self, name)!r}: give a number above zero")
        if not float(self.duration * self.sampling_frequency).is_integer():
            raise ConfigurationError(
                f"[data] duration={self.duration!r} s at sampling_frequency={self.sampling_frequency!r} Hz is not a whole "
                "number of samples: change one of them"
            )
        if (self.start_time is None) == (self.trigger_time is None):
            raise ConfigurationError(
                f"[data] start_time={self.start_time!r} and trigger_time={self.trigger_time!r}: give one of the two"
            )

    @property
    def start(self) -> float:
        """GPS time in seconds at which the segment starts."""
        if self.start_time is not None:
            return self.start_time
        # One of the two is always given.
        return cast(float, self.trigger_time) + self.post_trigger_duration - self.duration


@dataclass(frozen=True)
class WaveformConfig:
    """Description of the waveform that a model is for.

    Attributes
    ----------
    approximant
        ``waveform_approximant`` of Bilby's source models.
    reference_frequency, minimum_frequency, maximum_frequency
        Waveform arguments of these names, in Hz; by default those of the source model.
    source_model
        Dotted name of the function of the source model.
    domain
        Domain of the source model.
    parameter_conversion, generator
        Dotted names of functions or classes, Bilby's or others; by default Bilby's defaults.
    arguments
        Any other waveform arguments.
    """

    approximant: str | None = None
    reference_frequency: float | None = None
    minimum_frequency: float | None = None
    maximum_frequency: float | None = None
    source_model: str = "bilby.gw.source.lal_binary_black_hole"
    domain: Literal["frequency", "time"] = "frequency"
    parameter_conversion: str | None = None
    generator: str = "bilby.gw.waveform_generator.WaveformGenerator"
    arguments: dict[str, Any] = field(default_factory=dict)

    def waveform_arguments(self) -> dict[str, Any]:
        """Return the ``waveform_arguments`` of Bilby's waveform generator."""
        named = {
            "waveform_approximant": self.approximant,
            **{key: getattr(self, key) for key in ("reference_frequency", "minimum_frequency", "maximum_frequency")},
        }
        return {key: value for key, value in named.items() if value is not None} | self.arguments


def make_likelihood(
    data: DataConfig, waveform: WaveformConfig, curves: Mapping[str, Path]
) -> GravitationalWaveTransient:
    """Make the likelihood from the descriptions of data and waveform.

    Parameters
    ----------
    data, waveform
        Descriptions of the data and of the waveform.
    curves
        Paths of the PSDs named in ``data`` that are not files of Bilby.

    Raises
    ------
    ConfigurationError
        For a detector that Bilby does not know, a band that the data do not have, an unreadable PSD or a name that cannot be
        imported.
    """
    interferometers = _interferometers(data)
    names = [interferometer.name for interferometer in interferometers]
    for key in ("minimum_frequency", "maximum_frequency", "psd", "asd"):
        if isinstance(value := getattr(data, key), Mapping):
            check_keys(value, names, f"[data] {key}")
    if both := sorted({*data.psd} & {*data.asd}):
        raise ConfigurationError(f"[data] psd and asd both name {both}: give one of them for each detector")
    for interferometer in interferometers:
        _set_band(interferometer, data)
        _set_noise(interferometer, data, curves)
        interferometer.set_strain_data_from_zero_noise(data.sampling_frequency, data.duration, data.start)
    models = {f"{waveform.domain}_domain_source_model": imported(waveform.source_model, "[waveform] source_model")}
    if waveform.parameter_conversion:
        models["parameter_conversion"] = imported(waveform.parameter_conversion, "[waveform] parameter_conversion")
    generator = imported(waveform.generator, "[waveform] generator")(
        duration=data.duration,
        sampling_frequency=data.sampling_frequency,
        start_time=data.start,
        waveform_arguments=waveform.waveform_arguments(),
        **models,
    )
    return GravitationalWaveTransient(interferometers, generator)


def make_priors(table: Mapping[str, Any], file: str | None) -> PriorDict:
    """Make the priors from a table and a prior file.

    Parameters
    ----------
    table
        ``dictionary``, the dotted name of a class, and parameters, each as in Bilby's prior files or a number to fix it.
    file
        Prior file, a path or a name of Bilby's; parameters of the table replace those of the same name in the file.

    Raises
    ------
    ConfigurationError
        If a prior cannot be read.
    """
    kind = imported(str(table.get("dictionary", _DEFAULT_PRIORS)), "[priors] dictionary")
    entries: dict[str, Any] = {key: value for key, value in table.items() if key not in _RESERVED}
    for key, value in entries.items():
        where = f"[priors] {key}={value!r}"
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ConfigurationError(f"{where}: give a text such as 'Uniform(10, 80)', or a number")
        # Bilby drops the last character without a check.
        if isinstance(value, str) and "(" in value and not value.endswith(")"):
            raise ConfigurationError(f"{where}: give a text such as 'Uniform(10, 80)', with its closing bracket")
        # Each prior is first read alone, so that an error names the right one.
        _read_priors(partial(PriorDict, {key: value}), where)
    if file is None:
        return _read_priors(lambda: kind(dictionary=entries), "[priors]")
    priors = _read_priors(lambda: kind(filename=file), f"[priors] file={file!r}")
    return _read_priors(lambda: kind(dictionary={**priors, **entries}), "[priors]") if entries else priors


def imported(name: str, where: str) -> Any:
    """Import the object that a dotted name stands for.

    Raises
    ------
    ConfigurationError
        If the object cannot be imported.
    """
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"{where}={name!r} cannot be imported ({error}): give a dotted name such as 'package.module.name'"
        ) from error


def _interferometers(data: DataConfig) -> InterferometerList:
    try:
        return InterferometerList(list(data.detectors))
    except ValueError as error:
        folder = Path(detector.__file__).parent / "detectors"
        known = sorted(path.stem for path in folder.glob("*.interferometer"))
        raise ConfigurationError(f"[data] detectors={list(data.detectors)}: {error}; Bilby knows {known}") from error


def _set_band(interferometer: detector.Interferometer, data: DataConfig) -> None:
    name = interferometer.name
    for key in ("minimum_frequency", "maximum_frequency"):
        value = getattr(data, key)
        value = value.get(name) if isinstance(value, Mapping) else value
        if value is not None:
            setattr(interferometer, key, value)
    nyquist = data.sampling_frequency / 2
    low, high = interferometer.minimum_frequency, min(interferometer.maximum_frequency, nyquist)
    if not 0 < low < high:
        raise ConfigurationError(
            f"[data] {name}: minimum_frequency={low} and maximum_frequency={high} (at most the Nyquist frequency {nyquist}) "
            "leave no band: give another band or a higher sampling_frequency"
        )


def _set_noise(interferometer: detector.Interferometer, data: DataConfig, curves: Mapping[str, Path]) -> None:
    for key, given in (("psd", data.psd), ("asd", data.asd)):
        if (file := given.get(interferometer.name)) is None:
            continue
        try:
            curve = PowerSpectralDensity(**{f"{key}_file": str(curves.get(file, file))})
        except (OSError, ValueError, IndexError) as error:
            raise ConfigurationError(
                f"[data] {key}.{interferometer.name}={file!r} cannot be read ({error}): give a file with two columns, or the "
                "name of one of Bilby's PSDs"
            ) from error
        if not np.all(np.isfinite(curve.frequency_array)):
            raise ConfigurationError(
                f"[data] {key}.{interferometer.name}={file!r}: its frequencies are not finite; give a file of numbers"
            )
        interferometer.power_spectral_density = curve


def _read_priors(read: Callable[[], PriorDict], where: str) -> PriorDict:
    try:
        priors = read()
    # Bilby looks up classes and evaluates arguments: a typing error may raise any exception.
    except Exception as error:
        raise ConfigurationError(
            f"{where} cannot be read ({type(error).__name__}: {error}): write it as Bilby does"
        ) from error
    if unread := {key: value for key, value in priors.items() if not isinstance(value, Prior)}:
        raise ConfigurationError(
            f"{where}: {unread} are not priors: write them as Bilby does, such as 'Uniform(10, 80)'"
        )
    return priors
