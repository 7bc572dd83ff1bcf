"""An event from measured strain: Bilby's likelihood and priors of a name and, where wanted, a folder of strain files.

What the settings leave out is found: the time and the detectors by asking the Gravitational Wave Open Science Center or from
the files, the range of chirp masses by a search of the data, the noise curves from the strain beside the event.
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
from .open_data import files_of
from .trigger import Trigger, search, segment_length

_WHOLE = 6.0, 100.0  # solar masses: chirp masses of the prior where a search finds nothing at a given time
_AFTER = 2.0  # seconds of data after the event
_BESIDE = 64.0  # seconds on either side of a known time that a search looks at
_AROUND = 0.25  # seconds on either side of a known time within which the signal ends
_TIME = 0.1  # seconds on either side of the event that the prior of its time has


@dataclass(frozen=True)
class StrainConfig:
    """Keys of a table of an event.

    Attributes
    ----------
    trigger_time
        GPS time in seconds; the open science center's, or what a search of all data in ``data_dir`` finds, when left out.
    detectors
        Bilby's names; those of the files, or the open science center's, when left out.
    data_dir
        Folder of strain files; fetched when left out.
    noise_curves
        Folder of noise curves ``PSD_H1.txt`` and so on; estimated from the strain beside the event when left out.
    duration
        Seconds of data; those of the lightest signal of the prior when left out.
    minimum_frequency, maximum_frequency
        Band in Hz.
    truncation
        Seconds that the whitening filter is cut to; not at all when left out.
    waveform
        Approximant.
    prior_file
        Of Bilby's kind; its default one of aligned spins, the chirp mass around what a search finds, when left out.
    chirp_mass
        Least and largest of the prior, in solar masses in the detectors' frame.
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
        Bilby's.
    trigger_time
        GPS time in seconds around which the prior of the time is put.
    signal
        What a search of the data has found; ``None`` where it found nothing, or none was needed.
    """

    likelihood: GravitationalWaveTransient
    priors: PriorDict
    trigger_time: float
    signal: Trigger | None


def event_from_strain(name: str, config: StrainConfig, base: Path = Path()) -> StrainEvent:
    """Likelihood and priors of an event; what its settings leave out is found.

    Parameters
    ----------
    name
        Of the event, as the open science center has it where that is asked.
    config
        Settings.
    base
        Folder from which files are looked for that the settings name.

    Raises
    ------
    DataError
        If there is no strain, or no signal is found where none is named.
    ConfigurationError
        If the open science center would have to be asked, and cannot be.
    """
    trigger, detectors = _given_or_known(name, config, base)
    file = "aligned_spins_bbh.prior" if config.prior_file is None else str(base / config.prior_file)
    priors = BBHPriorDict(filename=file)
    chirp_mass, signal = config.chirp_mass, None
    if trigger is None or (chirp_mass is None and config.prior_file is None):
        signal = _found(config, base, trigger, detectors)
        if trigger is None:
            if signal is None:
                raise DataError(f"event={name!r}: no signal is found in {', '.join(detectors)}: give trigger_time")
            trigger = round(signal.time, 3)
        if chirp_mass is None and config.prior_file is None:
            chirp_mass = _WHOLE if signal is None else (signal.low, signal.high)
    if chirp_mass is not None:
        priors["chirp_mass"] = UniformInComponentsChirpMass(*chirp_mass, name="chirp_mass")
        # Bilby's limits on the masses themselves, 5 and 100, would cut lighter and heavier signals.
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
    return StrainEvent(GravitationalWaveTransient(data, generator, priors=priors), priors, trigger, signal)


def _given_or_known(name: str, config: StrainConfig, base: Path) -> tuple[float | None, list[str]]:
    """GPS time and detectors: as given, or as the open science center has them, or, of files alone, no time and theirs."""
    trigger, detectors = config.trigger_time, list(config.detectors or ())
    if config.data_dir is not None and not detectors:
        detectors = sorted({file.detector for file in files_of(base / config.data_dir)[0]})
        if not detectors:
            raise DataError(f"data_dir={config.data_dir!r}: no strain file of the open science center there")
    if config.data_dir is not None or (trigger is not None and detectors):
        return trigger, detectors
    try:
        from gwosc import datasets

        return trigger or float(datasets.event_gps(name)), detectors or sorted(datasets.event_detectors(name))
    except Exception as error:  # of the many kinds that a network has
        raise ConfigurationError(
            f"event={name!r}: the open science center cannot be asked ({type(error).__name__}): give trigger_time and "
            "detectors, or data_dir with files of strain"
        ) from error


def _found(config: StrainConfig, base: Path, trigger: float | None, detectors: list[str]) -> Trigger | None:
    """The signal, by a search of the data."""
    # All that files have; of data that are fetched, what a search needs.
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
    """The data of all detectors, the event two seconds before their end."""
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
    """The noise curve of a file, or from the data beside the segment, in as long pieces as there are enough of."""
    if config.noise_curves is not None:
        return PowerSpectralDensity(psd_file=str(base / config.noise_curves / f"PSD_{detector}.txt"))
    return finest_noise_curve(strain, segment[1] - segment[0], truncation=config.truncation, without=segment)
