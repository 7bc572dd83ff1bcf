"""A process that stays ready for events: it takes strain, and gives posterior and sky map."""

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
"""Arguments of the sampler that differ from its defaults: 300 effective draws determine a median to 0.07 sigma."""
SEARCHED = 5.0, 200.0
"""Range of chirp masses, in solar masses, of the search that finds the range of the prior.

Lighter binaries would make up a third of the work, and are left out here.

Lighter binaries would cost half as much work again; they are left out here.
"""
# Seconds on either side of the trigger time within which a search looks.
_AROUND = 0.25
# Seconds that light takes from a detector to the Earth's centre, at most.
_ACROSS = 0.022
# GPS time in seconds of the simulated event that warms up.
_TRIED_AT = 1126259462.0
# Parameters of the simulated event that warms up: any signal that the default priors allow; masses are solar masses.
_TRIED = {
    "chirp_mass": 30.0, "mass_ratio": 0.8, "chi_1": 0.1, "chi_2": 0.0, "luminosity_distance": 800.0, "theta_jn": 0.6,
    "psi": 1.0, "phase": 1.0, "ra": 1.4, "dec": -1.2, "geocent_time": _TRIED_AT,
}  # fmt: skip


@dataclass(frozen=True)
class Analysed:
    """Result of an event, with the time that each stage took.

    Attributes
    ----------
    result
        Bilby's result.
    verdict, reasons
        Verdict on the result, and every reason.
    clock
        Seconds of each stage.
    trigger_time
        GPS time in seconds at the centre of the prior of the time.
    chirp_mass
        Range of the prior in solar masses, if it was given or found by a search.
    sky_map
        Sky map with distances; ``None`` if the posterior has no sky positions, which is logged.
    """

    result: Result
    verdict: str
    reasons: tuple[str, ...]
    clock: Clock
    trigger_time: float
    chirp_mass: tuple[float, float] | None = None
    sky_map: SkyMap | None = None

    def timing(self) -> dict[str, Any]:
        """Return the seconds of each stage, and of the sampler's own stages by the wall clock."""
        return {**self.clock.to_dict(), "stages_of_the_sampler": dict(statistics_of(self.result).get("seconds", {}))}


@dataclass
class Alert:
    """Analysis of one event after the other, with everything prepared that does not depend on the event.

    Construction imports all modules, loads PyTorch and the network, and analyses a small simulated event, so that libraries
    have made their tables and code is in memory.

    Parameters
    ----------
    priors
        Bilby's priors without that of the time, or a prior file; by default Bilby's for black-hole binaries with aligned
        spins.
    waveform
        Waveform approximant of LALSimulation.
    minimum_frequency, maximum_frequency, reference_frequency
        Band of the data, and reference frequency of the spins, in Hz.
    time_window
        Half the width of the prior of the time, around the trigger time, in seconds.
    warm
        Warm up at construction; otherwise the first event takes longer.
    settings
        Arguments of ``sampler="flowpe"`` (:mod:`bilby_flowpe.arguments.table`), which replace those of :data:`QUICK`.

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
                f"minimum_frequency={self.minimum_frequency}, maximum_frequency={self.maximum_frequency}: give two frequencies "
                "above zero in Hz, the lower one as minimum_frequency"
            )
        known = {**default_kwargs(), "npool": 1}
        if unknown := sorted({*self.settings} - {*known}):
            raise ConfigurationError(f"settings has unknown keys {unknown}: choose from {sorted(known)}")
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
        """Analyse an event, and return its result, sky map and timing.

        Parameters
        ----------
        data
            Bilby's interferometers, with data and PSDs; strain by detector (gwpy's time series); or a folder of strain files
            of the Gravitational Wave Open Science Center.
        trigger_time
            GPS time of the signal's end in seconds.
        chirp_mass
            Least and largest chirp mass of the prior, in solar masses in the detectors' frame. By default, a matched-filter
            search of strain finds the range, while interferometers are analysed with the prior unchanged.
        noise_curves
            PSDs by detector, only for strain: Bilby's objects, or files. By default estimated from the strain before the event.
        detectors
            Names of the detectors to analyse; by default all.
        duration
            Duration of the data in seconds, only for strain; by default that of the lightest signal of the prior.
        outdir, label
            Folder in which the run keeps its files, by default a temporary one; and name of the run.

        Returns
        -------
        Analysed
            Bilby's result, its verdict, the sky map, and the seconds of each stage.

        Raises
        ------
        FlowPEError
            If data, trigger time or search information cannot be used.
        """
        if not np.isfinite(trigger_time):
            raise DataError(f"trigger_time={trigger_time!r}: give a GPS time in seconds")
        if duration is not None and not 0 < duration < np.inf:
            raise DataError(f"duration={duration!r}: give seconds, such as 4, or leave it out")
        if detectors is not None and not len(detectors):
            raise DataError("detectors=[]: name at least one detector, or leave it out to use all")
        clock = Clock()
        ready = as_interferometers(data)
        if ready is not None:
            if noise_curves is not None or duration is not None:
                raise DataError(
                    "noise_curves= and duration= can only be given with strain: Bilby's interferometers have "
                    "both, leave them out"
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
        """Analyse a simulated event of two detectors, and discard it; Bilby's random generator keeps its state."""
        state, level = random.rng.bit_generator.state, logger.level
        logger.setLevel("ERROR")
        try:
            interferometers = self._simulated()
            # The first strain would import gwpy, and the first posterior would make the table of redshifts.
            import gwpy.timeseries  # noqa: F401

            _ = self._derived.redshifts
            usual = Alert(
                None, self.waveform, *self._frequencies, warm=False, settings=self.settings | {"n_effective": 50}
            )
            usual.analyse(interferometers, _TRIED_AT, chirp_mass=(25.0, 36.0))
        finally:
            logger.setLevel(level)
            random.rng.bit_generator.state = state
        logger.info("Ready: PyTorch, the network and the waveforms are loaded")

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
        """Check that the signal ends within the data: times are cyclic there, and one outside would be taken for another."""
        around = self.time_window + _ACROSS
        for one in interferometers:
            first, last = float(one.start_time), float(one.start_time + one.duration)
            if not first + around <= trigger_time <= last - around:
                raise DataError(
                    f"trigger_time={trigger_time!r}: {one.name} has data from {first:.15g} to {last:.15g}: give data with at "
                    f"least {around:g} s on either side of the trigger"
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
        """Return the range of chirp masses that a matched-filter search finds at the trigger time."""
        around = trigger_time - _AROUND, trigger_time + _AROUND
        found = search(strain, around, SEARCHED, self.minimum_frequency, self.maximum_frequency)
        return found.low, found.high


def _chosen(data: dict[str, Any] | Strain, detectors: Sequence[str] | None) -> dict[str, Any]:
    """Return the data of the detectors that are named."""
    names = list(data) if detectors is None else list(detectors)
    if missing := [name for name in names if name not in data]:
        raise DataError(f"detectors={names}: there are no data of {missing}: choose from {sorted(data)}")
    return {name: data[name] for name in names}


def _mapped(result: Result, folder: Path) -> SkyMap | None:
    """Return the sky map of a result, or nothing: a posterior is useful without one."""
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
    """Let Bilby list the installed packages only once: it starts pip for every run, which takes about a second."""
    before = samplers.env_package_list
    samplers.env_package_list = _packages
    try:
        yield
    finally:
        samplers.env_package_list = before
