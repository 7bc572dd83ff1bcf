"""Analyse a weak periodic signal in few data: many periods fit, and a sampler may miss the best of them.

    python examples/studies/radial_velocity.py
    python examples/studies/radial_velocity.py --amplitude 5 --data 1

The data are thirty measurements of the radial velocity of a star with one planet. The five parameters are period, amplitude,
phase, offset and jitter. With an amplitude of 3 m/s the signal is as weak as the noise, and its posterior has dozens of
periods. The script prints flowpe's evidence and verdict, a sum over a grid of all parameters except the offset, which is
integrated in closed form, and the fractions of the posterior at the most probable periods in both.
"""

from __future__ import annotations

import argparse

import bilby
import numpy as np
from bilby.core.prior import LogUniform, PriorDict, Uniform
from scipy.special import logsumexp

PRIORS = PriorDict(
    {
        "period": LogUniform(2, 200, "period", unit="d"),
        "amplitude": Uniform(0, 30, "amplitude", unit="m/s"),
        "phase": Uniform(0, 2 * np.pi, "phase", boundary="periodic"),
        "offset": Uniform(-30, 30, "offset", unit="m/s"),
        "jitter": LogUniform(0.1, 10, "jitter", unit="m/s"),
    }
)
DAYS = 200.0  # span of the measurements
GRID = {"period": 3000, "amplitude": 60, "phase": 48, "jitter": 14}
"""Points of the grid."""


class RadialVelocity(bilby.Likelihood):
    """Normal likelihood whose variance is that of the measurement plus the square of the jitter."""

    def __init__(self, times, velocities, errors):
        super().__init__()
        self.times, self.velocities, self.errors = times, velocities, errors

    def log_likelihood(self, parameters):
        angle = 2 * np.pi * self.times / parameters["period"] + parameters["phase"]
        rest = self.velocities - parameters["amplitude"] * np.sin(angle) - parameters["offset"]
        variance = self.errors**2 + parameters["jitter"] ** 2
        return float(-0.5 * np.sum(rest**2 / variance + np.log(2 * np.pi * variance)))


def simulated(seed: int, amplitude: float) -> RadialVelocity:
    """Simulate thirty measurements at random times, with a period of 23.4 days."""
    schedule = np.random.default_rng(5)  # the same days and errors for all data
    times, errors = np.sort(schedule.uniform(0, DAYS, 30)), schedule.uniform(2, 4, 30)
    noise = np.random.default_rng(seed).normal(size=30) * np.sqrt(errors**2 + 2.0**2)
    return RadialVelocity(times, 3.0 + amplitude * np.sin(2 * np.pi * times / 23.4 + 1.0) + noise, errors)


def summed(likelihood: RadialVelocity, steps: dict[str, int] = GRID) -> tuple[float, np.ndarray, np.ndarray]:
    """Return log evidence, periods of the grid, and the fraction of the posterior at each."""
    centres = {key: np.asarray(PRIORS[key].rescale((np.arange(count) + 0.5) / count)) for key, count in steps.items()}
    amplitude, phase = (part.ravel() for part in np.meshgrid(centres["amplitude"], centres["phase"]))
    of_sine, of_cosine = amplitude * np.cos(phase), amplitude * np.sin(phase)
    width = PRIORS["offset"].maximum - PRIORS["offset"].minimum
    logs = np.empty((steps["period"], steps["jitter"]))
    for column, jitter in enumerate(centres["jitter"]):
        weights = 1 / (likelihood.errors**2 + jitter**2)
        total = weights.sum()
        # The offset, whose posterior lies far within its bounds, leaves a normalisation and data less their mean.
        constant = 0.5 * np.sum(np.log(weights / (2 * np.pi))) + 0.5 * np.log(2 * np.pi / total) - np.log(width)

        def product(one, other, weights=weights, total=total):
            return np.sum(weights * one * other) - np.sum(weights * one) * np.sum(weights * other) / total

        for row, period in enumerate(centres["period"]):
            angle = 2 * np.pi * likelihood.times / period
            sine, cosine, data = np.sin(angle), np.cos(angle), likelihood.velocities
            chi_squared = (
                product(data, data)
                - 2 * (of_sine * product(data, sine) + of_cosine * product(data, cosine))
                + of_sine**2 * product(sine, sine)
                + of_cosine**2 * product(cosine, cosine)
                + 2 * of_sine * of_cosine * product(sine, cosine)
            )
            logs[row, column] = constant + logsumexp(-0.5 * chi_squared) - np.log(len(amplitude))
    of_period = logsumexp(logs, axis=1) - np.log(steps["jitter"])
    shares = np.exp(of_period - logsumexp(of_period))
    return float(logsumexp(of_period) - np.log(steps["period"])), centres["period"], shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--amplitude", type=float, default=3.0, help="amplitude of the simulated signal, in m/s (default: 3)"
    )
    parser.add_argument("--data", type=int, default=3, help="seed of the data (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the sampling (default: 1)")
    arguments = parser.parse_args()
    likelihood = simulated(arguments.data, arguments.amplitude)
    result = bilby.run_sampler(
        likelihood, PRIORS.copy(), sampler="flowpe", outdir="outdir/radial_velocity", label="planet", n_effective=300,
        sampling_seed=arguments.seed, clean=True, progress=False,
    )  # fmt: skip
    exact, periods, shares = summed(likelihood)
    statistics = result.meta_data["run_statistics"]
    difference = result.log_evidence - exact
    print(f"ln Z {result.log_evidence:.3f} +- {result.log_evidence_err:.3f}, grid {exact:.3f}: {difference:+.3f}")
    print(f"{statistics['verdict']}:", *statistics["reasons"], sep="\n  ")
    edges = np.geomspace(2, 200, 200)
    of_grid, _ = np.histogram(periods, edges, weights=shares)
    found, _ = np.histogram(result.posterior["period"], edges)
    for cell in np.argsort(-of_grid)[:8]:
        print(
            f"{edges[cell]:7.2f} to {edges[cell + 1]:7.2f} d: grid {of_grid[cell]:.3f}, flowpe {found[cell] / found.sum():.3f}"
        )


if __name__ == "__main__":
    main()
