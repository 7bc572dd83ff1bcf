"""An event from measured strain: Bilby's likelihood and priors, from a name and, if wanted, a folder of strain files.

Settings that are left out are found: the time and the detectors from the Gravitational Wave Open Science Center or from the
files, the range of chirp masses by a search of the data, the PSDs from the strain around the event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bilby
from bilby.core.prior import PriorDict, Uniform
from bilby.core.utils import logger
from bilby.gw.detector import InterferometerList, PowerSpectralDensity
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict, UniformInComponentsChirpMass
from gwpy.timeseries import TimeSeries

from .errors import ConfigurationError, DataError
from .observed import OFF_SOURCE, finest_noise_curve, interferometer, read_strain
from .open_data import Span, files_of, overlapping
from .trigger import Trigger, search, segment_length

_WHOLE = 6.0, 100.0  # solar masses: chirp masses of the prior if a search finds no signal at a given time
_AFTER = 2.0  # seconds of data after the event
_BESIDE = 64.0  # seconds on either side of a known time that a search uses
_AROUND = 0.25  # seconds on either side of a known time within which the signal ends
_TIME = 0.1  # half width in seconds of the prior of the time


@dataclass(frozen=True)
class StrainConfig:
    """Settings of an event: the keys of its table.

    Attributes
    ----------
    trigger_time
        GPS time in seconds; by default that of the open science center, or of a search of all data in ``data_dir``.
    detectors
        Bilby's names of the detectors; by default those of the files, or of the open science center.
    data_dir
        Folder of strain files; by default the strain is downloaded.
    noise_curves
        Folder of files with PSDs, ``PSD_H1.txt`` and so on; by default PSDs are estimated from the strain around the event.
    duration
        Seconds of data; by default those of the lightest signal of the prior.
    minimum_frequency, maximum_frequency
        Band in Hz.
    truncation
        Length in seconds to which the whitening filter is cut; by default it is not cut.
    waveform
        Waveform approximant of LALSimulation.
    prior_file
        Prior file as Bilby reads it; by default Bilby's with aligned spins, and chirp masses around those of a search.
    chirp_mass
        Least and largest chirp mass of the prior, in solar masses in the detectors' frame.
    sampler_kwargs
        Arguments of ``sampler="flowpe"``.
    """

    trigger_time: float | None = None
    detectors: tuple[str, ...] | None = None
    data_dir: str | None = None
    noise_curves: str | None = None
    duration: float | None = None
    minimum_frequency: float = 20.0
    maximum_frequency: float = 1024.0
    truncation: float | None = None
    waveform: str = "IMRPhenomPv2"
    prior_file: str | None = None
    chirp_mass: tuple[float, ...] | None = None
    sampler_kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StrainEvent:
    """An event, ready to be sampled.

    Attributes
    ----------
    likelihood, priors
        Likelihood and priors, as Bilby's objects.
    trigger_time
        GPS time in seconds at the centre of the prior of the time.
    signal
        Signal that a search of the data has found; ``None`` if it found nothing, or was not needed.
    sources
        For each detector the ``strain``, as names of files or ``"downloaded"``, and the ``noise_curve``, as a name of a file
        or ``"estimated"``. Hand it to Bilby (``run_sampler(..., meta_data={"sources": event.sources})``) to keep it in the
        result.
    """

    likelihood: GravitationalWaveTransient
    priors: PriorDict
    trigger_time: float
    signal: Trigger | None
    sources: dict[str, dict[str, str]] = field(default_factory=dict)


def event_from_strain(name: str, config: StrainConfig, base: Path = Path()) -> StrainEvent:
    """Make likelihood and priors of an event, and find the settings that are left out.

    Parameters
    ----------
    name
        Name of the event; that of the open science center, if its data are used.
    config
        Settings of the event.
    base
        Folder to which file names in the settings are relative.

    Raises
    ------
    DataError
        If there is no strain, or no signal is found although no time is given.
    ConfigurationError
        If the open science center is needed, and cannot be reached.
    """
    trigger, detectors = _given_or_known(name, config, base)
    file = "aligned_spins_bbh.prior" if config.prior_file is None else str(base / config.prior_file)
    priors = BBHPriorDict(filename=file)
    chirp_mass, signal = config.chirp_mass, None
    if trigger is None or (chirp_mass is None and config.prior_file is None):
        signal = _found(config, base, trigger, detectors)
        if trigger is None:
            if signal is None:
                raise DataError(f"event={name!r}: no signal was found in {', '.join(detectors)}: give trigger_time")
            trigger = round(signal.time, 3)
        if chirp_mass is None and config.prior_file is None:
            chirp_mass = _WHOLE if signal is None else (signal.low, signal.high)
    if chirp_mass is not None:
        priors["chirp_mass"] = UniformInComponentsChirpMass(*chirp_mass, name="chirp_mass")
        # Bilby's limits of the component masses, 5 and 100, would exclude lighter and heavier signals.
        for key in ("mass_1", "mass_2"):
            priors.pop(key, None)
    if "geocent_time" not in priors:
        priors["geocent_time"] = Uniform(trigger - _TIME, trigger + _TIME, name="geocent_time", unit="s")
    lightest = float(getattr(priors.get("chirp_mass"), "minimum", 25.0))
    duration = config.duration or segment_length(lightest, config.minimum_frequency)
    data = _interferometers(config, base, trigger, detectors, duration)
    generator = bilby.gw.WaveformGenerator(
        duration=duration,
        sampling_frequency=2 * config.maximum_frequency,
        start_time=data.start_time,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": config.waveform,
            "reference_frequency": config.minimum_frequency,
            "minimum_frequency": config.minimum_frequency,
        },
    )
    likelihood = GravitationalWaveTransient(data, generator, priors=priors)
    sources = _sources(config, base, detectors, (data.start_time, data.start_time + duration))
    return StrainEvent(likelihood, priors, trigger, signal, sources)


def _given_or_known(name: str, config: StrainConfig, base: Path) -> tuple[float | None, list[str]]:
    """Return GPS time and detectors: the given ones, those of the open science center, or for files only the detectors."""
    trigger, detectors = config.trigger_time, list(config.detectors or ())
    if config.data_dir is not None and not detectors:
        detectors = sorted({file.detector for file in files_of(base / config.data_dir)[0]})
        if not detectors:
            raise DataError(
                f"data_dir={config.data_dir!r}: there is no strain file of the open science center: put the event's "
                "strain there"
            )
    if config.data_dir is not None or (trigger is not None and detectors):
        return trigger, detectors
    try:
        from gwosc import datasets

        return trigger or float(datasets.event_gps(name)), detectors or sorted(datasets.event_detectors(name))
    except Exception as error:  # a download may raise many kinds of errors
        raise ConfigurationError(
            f"event={name!r}: the open science center cannot be reached ({type(error).__name__}): give trigger_time and "
            "detectors, or data_dir with files of strain"
        ) from error


def _found(config: StrainConfig, base: Path, trigger: float | None, detectors: list[str]) -> Trigger | None:
    """Return the signal that a search of the data finds, if there is one."""
    # All data of files; of data that are downloaded, only what a search needs.
    start, end = (0.0, 1e10) if trigger is None else (trigger - _BESIDE, trigger + _BESIDE)
    strains = {name: _read(config, base, name, start, end) for name in detectors}
    around = None if trigger is None else (trigger - _AROUND, trigger + _AROUND)
    try:
        return search(strains, around, maximum_frequency=config.maximum_frequency)
    except DataError as error:
        logger.warning(str(error))
        return None


def _read(config: StrainConfig, base: Path, detector: str, start: float, end: float) -> TimeSeries:
    return read_strain(detector, start, end, None if config.data_dir is None else base / config.data_dir)


def _interferometers(
    config: StrainConfig, base: Path, trigger: float, detectors: list[str], duration: float
) -> InterferometerList:
    """Return the data of all detectors, which end two seconds after the event."""
    start = trigger + _AFTER - duration
    beside = max(OFF_SOURCE, 16 * duration)
    made = []
    for detector in detectors:
        strain = _read(config, base, detector, start - beside, trigger + _AFTER + beside)
        curve = _curve(config, base, detector, strain, (start, start + duration))
        band = config.minimum_frequency, config.maximum_frequency
        made.append(interferometer(detector, strain, start, duration, curve, *band))
    return InterferometerList(made)


def _curve(
    config: StrainConfig, base: Path, detector: str, strain: TimeSeries, segment: tuple[float, float]
) -> PowerSpectralDensity:
    """Read the PSD from a file, or estimate it from the data around the segment, in pieces as long as possible."""
    if config.noise_curves is not None:
        return PowerSpectralDensity(psd_file=str(base / config.noise_curves / f"PSD_{detector}.txt"))
    return finest_noise_curve(strain, segment[1] - segment[0], truncation=config.truncation, without=segment)


def _sources(config: StrainConfig, base: Path, detectors: list[str], span: Span) -> dict[str, dict[str, str]]:
    """Return for each detector where the strain of the span and the PSD came from."""
    curve = "estimated" if config.noise_curves is None else "{}/PSD_{}.txt"
    files = [] if config.data_dir is None else files_of(base / config.data_dir)[0]
    return {
        detector: {
            "strain": ", ".join(file.path.name for file in overlapping(files, detector, *span)) or "downloaded",
            "noise_curve": curve.format(config.noise_curves, detector),
        }
        for detector in detectors
    }
