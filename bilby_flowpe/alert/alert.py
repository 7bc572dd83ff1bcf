"""A process that stays warm: strain in, posterior and sky map out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import bilby
import bilby.core.sampler as samplers
import numpy as np
from bilby.core.prior import PriorDict
from bilby.core.result import Result
from bilby.core.utils import logger, random
from bilby.core.utils.log import env_package_list
from bilby.gw.detector import Interferometer, InterferometerList, PowerSpectralDensity
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.result import CBCResult

from ..arguments.table import check_arguments, default_kwargs
from ..errors import ConfigurationError, DataError, FlowPEError
from ..results import statistics_of
from ..skymap import SkyMap, sky_map
from ..trigger import search, segment_length
from .clock import Clock
from .data import Curves, Strain, as_interferometers, cut, strain_of
from .derived import Derived
from .problem import EventPriors, least_chirp_mass, likelihood_of

QUICK: dict[str, Any] = {"n_effective": 300, "n_posterior": 300, "progress": False}
"""Arguments of the sampler that differ from its defaults: 300 effective draws know a median to 0.07 standard deviations."""
SEARCHED = 5.0, 200.0
"""Chirp masses in solar masses of a search that gives the range: lighter binaries are a third of the work, and not for here."""
_AROUND = 0.25  # seconds on either side of the trigger time within which a search looks
_ACROSS = 0.022  # seconds that light takes from a detector to the Earth's centre, at most
_TRIED_AT = 1126259462.0  # GPS seconds: of the simulated event that warms up
_TRIED = {
    "chirp_mass": 30.0, "mass_ratio": 0.8, "chi_1": 0.1, "chi_2": 0.0, "luminosity_distance": 800.0, "theta_jn": 0.6,
    "psi": 1.0, "phase": 1.0, "ra": 1.4, "dec": -1.2, "geocent_time": _TRIED_AT,
}  # fmt: skip


@dataclass(frozen=True)
class Analysed:
    """Result of an event, and where the time went.

    Attributes
    ----------
    result
        Bilby's.
    verdict, reasons
        Its verdict, and every reason.
    clock
        Where the time went.
    trigger_time
        GPS time in seconds around which the prior was put.
    chirp_mass
        Range of the prior in solar masses, where it was given or searched for.
    sky_map
        Sky map with distances; ``None`` where the posterior has no places, which is logged.
    """

    result: Result
    verdict: str
    reasons: tuple[str, ...]
    clock: Clock
    trigger_time: float
    chirp_mass: tuple[float, float] | None = None
    sky_map: SkyMap | None = None

    def timing(self) -> dict[str, Any]:
        """Seconds by stage, and of the sampler's own stages by the wall clock."""
        return {**self.clock.to_dict(), "stages_of_the_sampler": dict(statistics_of(self.result).get("seconds", {}))}


@dataclass
class Alert:
    """Analyses one event after the other, with everything that does not depend on the event made beforehand.

    Construction imports what is needed, loads PyTorch and the network, and analyses a small simulated event, so that
    libraries have their tables and code is in memory.

    Parameters
    ----------
    priors
        Bilby's priors, all but that of the time, or a prior file; Bilby's default ones of binary black holes with aligned
        spins when left out.
    waveform
        Approximant of LALSimulation.
    minimum_frequency, maximum_frequency, reference_frequency
        Band of the data, and where spins are told, in Hz.
    time_window
        Half the width of the prior of the time, around the trigger time, in seconds.
    warm
        Whether to warm up at once; else the first event takes longer.
    settings
        Arguments of ``sampler="flowpe"`` (:mod:`bilby_flowpe.arguments.table`), in place of those of :data:`QUICK`.

    Raises
    ------
    ConfigurationError
        If priors or settings cannot be used.
    """

    priors: PriorDict | str | Path | None = None
    waveform: str = "IMRPhenomXAS"
    minimum_frequency: float = 20.0
    maximum_frequency: float = 1024.0
    reference_frequency: float = 20.0
    time_window: float = 0.1
    warm: bool = True
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.minimum_frequency < self.maximum_frequency:
            raise ConfigurationError(
                f"minimum_frequency={self.minimum_frequency}, maximum_frequency={self.maximum_frequency}: the first has to be "
                "the lower one, and positive"
            )
        known = {**default_kwargs(), "npool": 1}
        if unknown := sorted({*self.settings} - {*known}):
            raise ConfigurationError(f"settings has unknown keys {unknown}: it knows {sorted(known)}")
        self.settings = QUICK | self.settings
        check_arguments({**known, **self.settings})
        self._event_priors = EventPriors(self.priors, self.time_window)
        self._derived = Derived(self._event_priors.priors, self.reference_frequency)
        if self.warm:
            self.warm_up()

    def analyse(
        self,
        data: InterferometerList | Interferometer | Sequence[Interferometer] | Strain | str | Path,
        trigger_time: float,
        chirp_mass: tuple[float, float] | None = None,
        noise_curves: Curves | None = None,
        detectors: Sequence[str] | None = None,
        duration: float | None = None,
        outdir: str | Path | None = None,
        label: str = "alert",
    ) -> Analysed:
        """Analyse an event.

        Parameters
        ----------
        data
            Bilby's interferometers, with data and noise curves; strain by detector (gwpy's time series); or a folder of
            strain files of the Gravitational Wave Open Science Center.
        trigger_time
            GPS time of the signal's end in seconds.
        chirp_mass
            Least and largest chirp mass of the prior, in solar masses in the detectors' frame. When left out, a matched-filter
            search of strain gives the range, and interferometers are analysed with the prior as it is.
        noise_curves
            By detector, for strain alone: Bilby's objects, or files. Estimated from the strain before the event when left out.
        detectors
            Names of those to analyse; all when left out.
        duration
            Of the data in seconds, for strain alone; that of the lightest signal of the prior when left out.
        outdir, label
            Folder that the run keeps its own files in, and name of the run; a temporary folder when left out.

        Returns
        -------
        Analysed
            Bilby's result, its verdict, the sky map, and where the time went.

        Raises
        ------
        FlowPEError
            If data, trigger time or search information cannot be used.
        """
        if not np.isfinite(trigger_time):
            raise DataError(f"trigger_time={trigger_time!r}: give GPS seconds")
        if duration is not None and not 0 < duration < np.inf:
            raise DataError(f"duration={duration!r}: give seconds, such as 4, or leave it out")
        if detectors is not None and not len(detectors):
            raise DataError("detectors=[]: name some, or leave it out for all")
        clock = Clock()
        ready = as_interferometers(data)
        if ready is not None:
            if noise_curves is not None or duration is not None:
                raise DataError(
                    "noise_curves= and duration= are for strain: Bilby's interferometers have their own, leave them out"
                )
            kept = _chosen({one.name: one for one in ready}, detectors)
            interferometers = InterferometerList(list(kept.values()))
            self._check_within(interferometers, trigger_time)
            with clock.stage("priors"):
                priors = self._event_priors.of(trigger_time, chirp_mass)
        else:
            with clock.stage("strain"):
                strain = self._strain(data, trigger_time, detectors)
            if chirp_mass is None:
                with clock.stage("trigger"):
                    chirp_mass = self._searched(strain, trigger_time)
            with clock.stage("priors"):
                priors = self._event_priors.of(trigger_time, chirp_mass)
            if duration is None:
                duration = segment_length(least_chirp_mass(priors), self.minimum_frequency)
            with clock.stage("noise curves"):
                band = self.minimum_frequency, self.maximum_frequency
                interferometers = cut(strain, trigger_time, duration, band, noise_curves)
        with clock.stage("likelihood"):
            likelihood = likelihood_of(interferometers, self.waveform, self.minimum_frequency, self.reference_frequency)
        with _folder(outdir) as folder:
            with clock.stage("posterior"), _packages_known():
                result = self._sampled(likelihood, priors, folder, label)
            with clock.stage("sky map"):
                found = _mapped(result, folder)
        said = statistics_of(result)
        return Analysed(result, said["verdict"], tuple(said["reasons"]), clock, trigger_time, chirp_mass, found)

    def _sampled(self, likelihood: GravitationalWaveTransient, priors: PriorDict, folder: Path, label: str) -> Result:
        return bilby.run_sampler(
            likelihood, priors, sampler="flowpe", outdir=str(folder), label=label, save=False, result_class=CBCResult,
            conversion_function=self._derived, **self.settings,
        )  # fmt: skip

    def warm_up(self) -> None:
        """Analyse a simulated event of two detectors, and forget it; the state of Bilby's random generator stays as it is."""
        state, level = random.rng.bit_generator.state, logger.level
        logger.setLevel("ERROR")
        try:
            interferometers = self._simulated()
            # Imported by the first strain, and made for the first posterior.
            import gwpy.timeseries  # noqa: F401

            _ = self._derived.redshifts
            usual = Alert(
                None, self.waveform, *self._frequencies, warm=False, settings=self.settings | {"n_effective": 50}
            )
            usual.analyse(interferometers, _TRIED_AT, chirp_mass=(25.0, 36.0))
        finally:
            logger.setLevel(level)
            random.rng.bit_generator.state = state
        logger.info("Warm: PyTorch, the network and the waveforms are loaded")

    @property
    def _frequencies(self) -> tuple[float, float, float]:
        return self.minimum_frequency, self.maximum_frequency, self.reference_frequency

    def _simulated(self) -> InterferometerList:
        interferometers = InterferometerList(["H1", "L1"])
        for one in interferometers:
            one.minimum_frequency, one.maximum_frequency = self.minimum_frequency, self.maximum_frequency
            one.power_spectral_density = PowerSpectralDensity(psd_file="aLIGO_ZERO_DET_high_P_psd.txt")
        interferometers.set_strain_data_from_power_spectral_densities(2 * self.maximum_frequency, 4.0, _TRIED_AT - 2)
        generator = likelihood_of(
            interferometers, self.waveform, self.minimum_frequency, self.reference_frequency
        ).waveform_generator
        interferometers.inject_signal(waveform_generator=generator, parameters=dict(_TRIED))
        return interferometers

    def _check_within(self, interferometers: InterferometerList, trigger_time: float) -> None:
        """The signal has to end within the data: times are cyclic in them, and others would be taken for some within."""
        around = self.time_window + _ACROSS
        for one in interferometers:
            first, last = float(one.start_time), float(one.start_time + one.duration)
            if not first + around <= trigger_time <= last - around:
                raise DataError(
                    f"trigger_time={trigger_time!r}: {one.name} has data from {first:.15g} to {last:.15g}, which have to hold "
                    f"{around:g} s on either side of it"
                )

    def _strain(self, data: Any, trigger_time: float, detectors: Sequence[str] | None) -> Strain:
        if isinstance(data, str | Path):
            return strain_of(data, trigger_time, detectors)
        if not (isinstance(data, dict) and data):
            raise DataError(
                f"data of type {type(data).__name__}: give Bilby's interferometers, strain by detector, or a folder of strain "
                "files"
            )
        return _chosen(data, detectors)

    def _searched(self, strain: Strain, trigger_time: float) -> tuple[float, float]:
        """A range of chirp masses of what matched filters find at the trigger time."""
        around = trigger_time - _AROUND, trigger_time + _AROUND
        found = search(strain, around, SEARCHED, self.minimum_frequency, self.maximum_frequency)
        return found.low, found.high


def _chosen(data: dict[str, Any] | Strain, detectors: Sequence[str] | None) -> dict[str, Any]:
    """Data of the detectors that are named."""
    names = list(data) if detectors is None else list(detectors)
    if missing := [name for name in names if name not in data]:
        raise DataError(f"detectors={names}: there are no data of {missing}, only of {sorted(data)}")
    return {name: data[name] for name in names}


def _mapped(result: Result, folder: Path) -> SkyMap | None:
    """The sky map of a result, from what its run has kept in a folder; a posterior is worth telling without one."""
    try:
        return sky_map(result, folder)
    except FlowPEError as error:
        logger.warning(f"No sky map: {error}")
        return None


@contextmanager
def _folder(outdir: str | Path | None) -> Iterator[Path]:
    if outdir is not None:
        yield Path(outdir)
        return
    with tempfile.TemporaryDirectory(prefix="flowpe_alert_") as folder:
        yield Path(folder)


_packages = cache(env_package_list)


@contextmanager
def _packages_known() -> Iterator[None]:
    """Have Bilby list the installed packages once: it starts pip for every run, which takes about a second."""
    before = samplers.env_package_list
    samplers.env_package_list = _packages
    try:
        yield
    finally:
        samplers.env_package_list = before
