r"""The problems of Green, Simpson and Gair (2020) as plain Bilby objects.

The paper observes the plus polarisation in one detector. In Bilby's terms that is a source straight above the detector with
its polarisation along the arms, so that :math:`F_+ = 1` and :math:`F_\times = 0`: fixed ``ra``, ``dec`` and ``psi``, and an
ordinary :class:`bilby.gw.likelihood.GravitationalWaveTransient`. Nothing here is particular to this package: any Bilby sampler
can use the objects.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from bilby.core.prior import Constraint, DeltaFunction, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.detector import Interferometer, InterferometerList, PowerSpectralDensity, get_empty_interferometer
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from ..errors import ProblemError

START_TIME = 1126259462.0
"""GPS time in seconds at which the one-second segment starts; any time would do."""

DURATION = 1.0
"""Duration of the segment in seconds, as in the paper."""

SAMPLING_FREQUENCY = 1024.0
"""Sampling frequency of the data in Hz, as in the paper."""

MINIMUM_FREQUENCY = 20.0
"""Lowest frequency of the likelihood in Hz, as in the paper."""

REFERENCE_FREQUENCY = 20.0
"""Reference frequency of spins and phase in Hz: the lowest frequency of the data."""

PSD_FILE = "aLIGO_ZERO_DET_high_P_psd.txt"
"""Name of the file with the noise PSD, among those of Bilby."""


def overhead(interferometer: Interferometer, time: float) -> dict[str, float]:
    r"""Return sky position and polarisation angle for which ``interferometer`` sees only the plus polarisation.

    Parameters
    ----------
    interferometer
        The detector.
    time
        GPS time in seconds at which the source stands overhead.

    Returns
    -------
    dict
        ``ra``, ``dec`` and ``psi`` in radians: :math:`F_+ = 1` and :math:`F_\times = 0` at ``time``.
    """
    import lal

    zenith = np.cross(interferometer.geometry.x, interferometer.geometry.y)
    zenith /= np.linalg.norm(zenith)
    gmst = lal.GreenwichMeanSiderealTime(lal.LIGOTimeGPS(float(time)))
    ra = float((np.arctan2(zenith[1], zenith[0]) + gmst) % (2 * np.pi))
    dec = float(np.arcsin(zenith[2]))
    # F+ varies with psi as a sum of cos(2 psi) and sin(2 psi): two evaluations determine its maximum.
    at_zero, at_eighth = (interferometer.antenna_response(ra, dec, time, psi, "plus") for psi in (0.0, np.pi / 4))
    psi = float((0.5 * np.arctan2(at_eighth, at_zero)) % np.pi)
    return {"ra": ra, "dec": dec, "psi": psi}


def green2020(
    parameters: int = 5, injection: Mapping[str, float] | None = None, seed: int | None = None, detector: str = "H1"
) -> tuple[GravitationalWaveTransient, PriorDict]:
    """Make likelihood and priors of the paper's five- or eight-parameter problem, around one simulated signal.

    The data are one second at 1024 Hz from 20 Hz upwards, with the waveform IMRPhenomPv2 and Gaussian noise of the Advanced
    LIGO zero-detuned high-power PSD (paper, sections III A and IV). The signal is kept as
    ``likelihood.injection_parameters``.

    Parameters
    ----------
    parameters
        5 (no spins, face on) or 8 (aligned spins and inclination).
    injection
        Search parameters of the signal; by default drawn from the prior. Fixed parameters need not be given.
    seed
        Seed of the signal and of the noise. Bilby's global generator is not used.
    detector
        Name of the interferometer, which only determines the sky position overhead.

    Returns
    -------
    likelihood, priors

    Raises
    ------
    ProblemError
        If ``parameters`` is neither 5 nor 8, or an injected value is missing, unknown or outside its prior.

    Examples
    --------
    >>> likelihood, priors = green2020(parameters=5, seed=1)
    >>> sorted(key for key, prior in priors.items() if not prior.is_fixed and prior.minimum != 0)
    ['geocent_time', 'luminosity_distance', 'mass_1', 'mass_2']
    """
    interferometer = get_empty_interferometer(detector)
    interferometer.minimum_frequency = MINIMUM_FREQUENCY
    interferometer.power_spectral_density = PowerSpectralDensity(psd_file=PSD_FILE)
    priors = green2020_priors(parameters, interferometer)
    rng = np.random.default_rng(seed)
    injection = _draw(priors, rng) if injection is None else _complete(priors, injection)

    _set_gaussian_noise(interferometer, rng)
    waveform_generator = WaveformGenerator(
        duration=DURATION,
        sampling_frequency=SAMPLING_FREQUENCY,
        start_time=START_TIME,
        frequency_domain_source_model=lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomPv2",
            "reference_frequency": REFERENCE_FREQUENCY,
            "minimum_frequency": MINIMUM_FREQUENCY,
        },
    )
    interferometers = InterferometerList([interferometer])
    interferometers.inject_signal(parameters=dict(injection), waveform_generator=waveform_generator)
    likelihood = GravitationalWaveTransient(interferometers=interferometers, waveform_generator=waveform_generator)
    likelihood.injection_parameters = dict(injection)
    return likelihood, priors


def green2020_priors(parameters: int, interferometer: Interferometer) -> PriorDict:
    """Make the paper's prior (equation 22 and section IV), with the sky position fixed above ``interferometer``.

    Raises
    ------
    ProblemError
        If ``parameters`` is neither 5 nor 8.
    """
    if parameters not in (5, 8):
        raise ProblemError(
            f"parameters={parameters!r}: the paper has problems with 5 and with 8 parameters: give 5 or 8"
        )
    sky = overhead(interferometer, START_TIME + 0.75)
    # The paper's time is that at the detector; a signal from overhead arrives there before it arrives at the geocentre.
    delay = float(interferometer.time_delay_from_geocenter(sky["ra"], sky["dec"], START_TIME + 0.75))
    priors = BBHPriorDict(dictionary={})
    priors["mass_1"] = Uniform(35, 80, name="mass_1", latex_label="$m_1$", unit="$M_{\\odot}$")
    priors["mass_2"] = Uniform(35, 80, name="mass_2", latex_label="$m_2$", unit="$M_{\\odot}$")
    priors["mass_ratio"] = Constraint(0, 1, name="mass_ratio", latex_label="$q$")
    priors["luminosity_distance"] = PowerLaw(2, 1000, 3000, name="luminosity_distance", latex_label="$d_L$", unit="Mpc")
    priors["geocent_time"] = Uniform(
        START_TIME + 0.65 - delay, START_TIME + 0.85 - delay, name="geocent_time", latex_label="$t_c$", unit="$s$"
    )
    priors["phase"] = Uniform(0, 2 * np.pi, name="phase", latex_label="$\\phi_0$", boundary="periodic")
    if parameters == 8:
        priors["chi_1"] = Uniform(-1, 1, name="chi_1", latex_label="$\\chi_1$")
        priors["chi_2"] = Uniform(-1, 1, name="chi_2", latex_label="$\\chi_2$")
        priors["theta_jn"] = Sine(name="theta_jn", latex_label="$\\theta_{JN}$")
        fixed = sky
    else:
        fixed = {"chi_1": 0.0, "chi_2": 0.0, "theta_jn": 0.0, **sky}
    for key, value in fixed.items():
        priors[key] = DeltaFunction(value, name=key)
    return priors


def _search_keys(priors: PriorDict) -> list[str]:
    return [key for key, prior in priors.items() if not prior.is_fixed and not isinstance(prior, Constraint)]


def _fixed(priors: PriorDict) -> dict[str, float]:
    return {key: float(prior.peak) for key, prior in priors.items() if isinstance(prior, DeltaFunction)}


def _draw(priors: PriorDict, rng: np.random.Generator) -> dict[str, float]:
    """Draw once from the constrained prior, by a generator of this package."""
    keys = _search_keys(priors)
    while True:
        values = dict(zip(keys, map(float, priors.rescale(keys, rng.uniform(size=len(keys)))), strict=True))
        if np.all(priors.evaluate_constraints(values)):
            return {**values, **_fixed(priors)}


def _complete(priors: PriorDict, injection: Mapping[str, float]) -> dict[str, float]:
    """Return ``injection`` with the fixed values, after a check of every name and value."""
    keys = _search_keys(priors)
    missing = [key for key in keys if key not in injection]
    if missing:
        raise ProblemError(f"injection lacks {missing}: give all of {keys}, or leave injection out to draw one")
    complete = _fixed(priors)
    for key, value in injection.items():
        if key in keys:
            if not np.isfinite(priors[key].ln_prob(value)):
                prior = priors[key]
                raise ProblemError(
                    f"injection {key}={value!r} is outside its prior: give a value from {prior.minimum} to {prior.maximum}"
                )
        elif key not in complete:
            raise ProblemError(
                f"injection has {key}={value!r}, which is not a parameter of this problem: give only {keys}"
            )
        elif not np.isclose(value, complete[key], rtol=0, atol=1e-9):
            raise ProblemError(
                f"injection {key}={value!r}, but this problem fixes it to {complete[key]!r}: leave it out"
            )
        else:
            continue
        complete[key] = float(value)
    if not np.all(priors.evaluate_constraints(dict(complete))):
        raise ProblemError(
            f"injection mass_1={complete['mass_1']!r}, mass_2={complete['mass_2']!r}: give the larger mass as mass_1"
        )
    return complete


def _set_gaussian_noise(interferometer: Interferometer, rng: np.random.Generator) -> None:
    """Give the interferometer coloured noise drawn from ``rng`` (Bilby itself draws from its global generator)."""
    frequencies = np.arange(int(DURATION * SAMPLING_FREQUENCY / 2) + 1) / DURATION
    asd = interferometer.power_spectral_density.get_power_spectral_density_array(frequencies) ** 0.5
    noise = rng.standard_normal(len(frequencies)) + 1j * rng.standard_normal(len(frequencies))
    strain = np.where(np.isfinite(asd), asd, 0.0) * noise * DURATION**0.5 / 2
    strain[[0, -1]] = 0
    interferometer.set_strain_data_from_frequency_domain_strain(
        strain, sampling_frequency=SAMPLING_FREQUENCY, duration=DURATION, start_time=START_TIME
    )
