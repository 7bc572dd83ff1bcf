"""Detectors whose antenna response and arrival times are computed by bilby-rust instead of bilby-cython.

Bilby requires bilby-cython and takes its geometry from it. bilby-rust has the same functions in another language, but
Bilby has no option to choose it. A user can use it by a class of interferometers that replaces two methods. flowpe has to
call these methods, both in the user's likelihood and in its closed forms of phase, distance and time.

The reference is a grid of declination and time with Bilby's own geometry: the phase is integrated in closed form, the
distance by a sum.

To run it if the package is installed: ``python examples/ecosystem/geometry_in_rust.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py geometry_in_rust``.
"""

from __future__ import annotations

import resource
from pathlib import Path

import bilby
import numpy as np
from bilby.gw.detector import Interferometer, InterferometerList
from bilby_rust import geometry
from differences import Comparison, evidence, keep, mean
from scipy.interpolate import CubicSpline
from scipy.special import ive

DURATION, RATE = 4.0, 1024.0
INJECTION = {
    "chirp_mass": 30.0,
    "mass_ratio": 0.8,
    "chi_1": 0.2,
    "chi_2": -0.1,
    "luminosity_distance": 1000.0,
    "theta_jn": 0.5,
    "phase": 1.3,
    "psi": 0.4,
    "ra": 1.7,
    "dec": -0.3,
    "geocent_time": 1126259462.4,
}
FREE = ("dec", "geocent_time", "luminosity_distance", "phase")
START = INJECTION["geocent_time"] - DURATION + 1


class InRust(Interferometer):
    """An interferometer that uses the geometry of bilby-rust."""

    def antenna_response(self, ra, dec, time, psi, mode):
        """Contraction of the detector's tensor with that of the polarisation."""
        return float(
            np.sum(self.detector_tensor * np.array(geometry.get_polarization_tensor(ra, dec, time, psi, mode)))
        )

    def time_delay_from_geocenter(self, ra, dec, time):
        """Delay of the signal relative to the Earth's centre, in seconds."""
        return geometry.time_delay_from_geocenter(self.geometry.vertex, ra, dec, time)


def of_class(kind, name):
    """Return Bilby's detector ``name`` as an object of the class ``kind``."""
    known = bilby.gw.detector.get_empty_interferometer(name)
    place = ("length", "latitude", "longitude", "elevation", "xarm_azimuth", "yarm_azimuth", "xarm_tilt", "yarm_tilt")
    of_geometry = {key: getattr(known.geometry, key) for key in place}
    return kind(name, known.power_spectral_density, 20.0, 500.0, **of_geometry)


def by_quadrature(detectors, priors, waves, declinations=801, times=801, distances=401):
    """Return log evidence ratio and means of declination, time and distance, with Bilby's own geometry."""
    dec = np.linspace(-np.pi / 2, np.pi / 2, declinations)
    time = np.linspace(priors["geocent_time"].minimum, priors["geocent_time"].maximum, times)
    far = np.linspace(priors["luminosity_distance"].minimum, priors["luminosity_distance"].maximum, distances)
    polarisations = waves.frequency_domain_strain({**INJECTION, "phase": 0.0})
    z, r = np.zeros((declinations, times), dtype=complex), np.zeros(declinations)
    # Seconds after the injected geocentric time: the prior's, and 21 ms of delay.
    late = np.linspace(-0.08, 0.08, 4001)
    for detector in detectors:
        mask = detector.frequency_mask
        frequencies = detector.frequency_array[mask]
        noise = detector.power_spectral_density_array[mask] * DURATION / 4
        shifts = np.exp(2j * np.pi * np.outer(INJECTION["geocent_time"] - START + late, frequencies))
        series = [
            CubicSpline(
                late, shifts @ (np.conj(polarisations[mode][mask]) * detector.frequency_domain_strain[mask] / noise)
            )
            for mode in ("plus", "cross")
        ]
        for row, place in enumerate(dec):
            sky = INJECTION["ra"], place, INJECTION["geocent_time"]
            arrival = time - INJECTION["geocent_time"] + detector.time_delay_from_geocenter(*sky)
            wave = np.zeros(len(frequencies), dtype=complex)
            for mode, of_mode in zip(("plus", "cross"), series, strict=True):
                response = detector.antenna_response(*sky, INJECTION["psi"], mode)
                z[row] += response * of_mode(arrival)
                wave += response * polarisations[mode][mask]
            r[row] += np.sum(np.abs(wave) ** 2 / noise)
    priors_of = np.cos(dec) / 2, np.full(times, 1 / (time[-1] - time[0])), priors["luminosity_distance"].prob(far)
    highest = np.max(np.abs(z) ** 2 / (2 * r[:, None]))
    # Elsewhere the likelihood at the best distance is less than exp(-30) of its highest value.
    mass, first, near = *np.zeros((2, *z.shape)), np.abs(z) ** 2 / (2 * r[:, None]) > highest - 30
    x_near, r_near = np.abs(z)[near], np.broadcast_to(r[:, None], z.shape)[near]
    for distance, density in zip(far, priors_of[2] * (far[1] - far[0]), strict=True):
        s = INJECTION["luminosity_distance"] / distance
        x = s * x_near
        likelihood = ive(0, x) * np.exp(x - 0.5 * s**2 * r_near - highest) * density
        mass[near] += likelihood
        first[near] += likelihood * distance
    joint = priors_of[0][:, None] * priors_of[1][None]
    total = np.sum(mass * joint) * (dec[1] - dec[0]) * (time[1] - time[0])
    weights = mass * joint / np.sum(mass * joint)
    distance = np.sum(first * joint) / np.sum(mass * joint)
    return np.log(total) + highest, np.sum(weights * dec[:, None]), np.sum(weights * time), distance


def main() -> None:
    """Run flowpe on detectors of the class above, and compare it with the grid."""
    bilby.core.utils.random.seed(33)
    waves = bilby.gw.WaveformGenerator(
        duration=DURATION,
        sampling_frequency=RATE,
        start_time=START,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )
    plain = InterferometerList([of_class(Interferometer, name) for name in ("H1", "L1")])
    plain.set_strain_data_from_power_spectral_densities(RATE, DURATION, START)
    plain.inject_signal(INJECTION, waveform_generator=waves)
    own = InterferometerList([of_class(InRust, name) for name in ("H1", "L1")])
    for mine, theirs in zip(own, plain, strict=True):
        mine.set_strain_data_from_frequency_domain_strain(theirs.frequency_domain_strain, RATE, DURATION, START)
    middle = INJECTION["geocent_time"]
    priors = bilby.core.prior.PriorDict({key: value for key, value in INJECTION.items() if key not in FREE})
    priors["dec"] = bilby.core.prior.Cosine(name="dec")
    priors["geocent_time"] = bilby.core.prior.Uniform(middle - 0.05, middle + 0.05, "geocent_time")
    priors["luminosity_distance"] = bilby.core.prior.PowerLaw(2, 300, 4000, "luminosity_distance")
    priors["phase"] = bilby.core.prior.Uniform(0, 2 * np.pi, "phase", boundary="periodic")
    likelihood = bilby.gw.GravitationalWaveTransient(own, waves)
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        n_effective=2000,
        sampling_seed=33,
        outdir="outdir/ecosystem",
        label=Path(__file__).stem,
    )
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    log_ratio, *middles = by_quadrature(plain, priors, waves)
    rows = [evidence(result, float(log_ratio), "ln Z over noise", ratio=True)]
    for key, reference in zip(FREE, middles, strict=False):
        values, unit = result.posterior[key].to_numpy(), ""
        if key == "geocent_time":
            values, reference, unit = 1e3 * (values - middle), 1e3 * (reference - middle), " after the injected, in ms"
        rows.append(mean(result, values, reference, f"mean of {key}{unit}"))
    keep(
        Comparison(
            "bilby-rust",
            "antenna response and delays by own class of detectors, four parameters",
            "quadrature with bilby-cython's geometry",
            rows,
            figures={"CPU seconds": seconds, "likelihood evaluations": float(result.num_likelihood_evaluations)},
        ),
        __file__,
    )


if __name__ == "__main__":
    main()
