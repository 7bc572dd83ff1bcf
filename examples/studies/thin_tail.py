"""Compare evidence and mass of a thin tail along a bent ridge, sampled without a network, with numerical integrals.

    python examples/studies/thin_tail.py --seeds 5

Two complex amplitudes, those of the plus and the cross polarisation of a wave, are measured with noise; distance,
inclination and phase are unknown. The posterior is a ridge in distance and inclination, which is hundreds of times thinner in
the phase than in the inclination. Its face-on end is a thin tail: 0.5% of it has an inclination below 0.3. The reference
integrates the phase in closed form and the two others on a grid. The script prints the exact evidence and masses of the tail,
and for every run the difference of the log Bayes factor from the exact one, the same in units of its error, and the masses
that were found. If a `reliable` run has an evidence that is wrong by more than 4 of its errors, the script ends with an error.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Mapping
from typing import Any

import bilby
import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Sine, Uniform
from numpy.typing import NDArray
from scipy.special import i0e, logsumexp

NEAR, FAR = 0.25, 2.0
"""Ends of the prior of the distance, in units of the signal's own distance."""
ENDS = (0.3, 0.45)
"""Inclinations below which the tail is measured, in radians."""
GRID = 1001
"""Nodes of the integral in distance and inclination each: a grid of twice as many changes ln Z by less than 1e-4."""
OFF = 4.0
"""Errors by which the evidence of a reliable result may differ from the exact one: by chance 6e-5 of runs do so."""


class TwoPolarisations(Likelihood):
    """Plus and cross amplitude of a wave: complex numbers with noise of unit variance in real and imaginary part.

    Parameters
    ----------
    snr
        Signal-to-noise ratio of a face-on signal at the same distance, for either polarisation.
    inclination
        Inclination of the signal in radians; its distance and phase are 1.
    """

    def __init__(self, snr: float, inclination: float) -> None:
        super().__init__()
        self.snr = snr
        self.data = np.exp(2j) * self.amplitudes(1.0, inclination)

    def amplitudes(self, distance: Any, inclination: Any) -> NDArray[np.complex128]:
        """Return both amplitudes at phase 0, (2, ...)."""
        cosine = np.cos(inclination)
        return self.snr / distance * np.array([(1 + cosine**2) / 2, 1j * cosine])

    def log_likelihood(self, parameters: Mapping[str, float]) -> float:
        """Return the log likelihood at ``parameters``."""
        wave = np.exp(2j * parameters["phase"]) * self.amplitudes(parameters["distance"], parameters["inclination"])
        return -0.5 * float(np.sum(np.abs(self.data - wave) ** 2))

    def noise_log_likelihood(self) -> float:
        """Return the log likelihood without a signal."""
        return -0.5 * float(np.sum(np.abs(self.data) ** 2))


def prior() -> PriorDict:
    """Return the prior of distance, inclination and phase."""
    return PriorDict({"distance": Uniform(NEAR, FAR), "inclination": Sine(), "phase": Uniform(0.0, np.pi)})


def exact(likelihood: TwoPolarisations) -> tuple[float, list[float]]:
    """Return the log Bayes factor, and the mass of the tail below each of the inclinations :data:`ENDS`."""
    distance, inclination = np.meshgrid(
        np.linspace(NEAR, FAR, GRID), (np.arange(GRID) + 0.5) * np.pi / GRID, indexing="ij"
    )
    waves = likelihood.amplitudes(distance, inclination)
    overlap = np.abs(np.einsum("k,kij->ij", likelihood.data.conj(), waves))
    log_ratio = np.log(i0e(overlap)) + overlap - 0.5 * np.sum(np.abs(waves) ** 2, axis=0)
    # Trapezoids in the distance, midpoints in the inclination.
    ends = np.ones((GRID, 1))
    ends[[0, -1]] = 0.5
    log_density = log_ratio + np.log(ends * np.sin(inclination) / 2 * np.pi / GRID / (GRID - 1))
    log_evidence = float(logsumexp(log_density))
    masses = np.exp(log_density - log_evidence).sum(axis=0)
    return log_evidence, [float(masses[inclination[0] < end].sum()) for end in ENDS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="number of runs")
    parser.add_argument("--snr", type=float, default=40.0)
    parser.add_argument("--inclination", type=float, default=1.0, help="inclination of the signal, in radians")
    parser.add_argument("--effective", type=int, default=5000, help="number of effective draws to reach")
    arguments = parser.parse_args()
    logging.getLogger("bilby").setLevel(logging.ERROR)
    likelihood = TwoPolarisations(arguments.snr, arguments.inclination)
    log_bayes_factor, tail = exact(likelihood)
    print(
        f"exact: ln BF {log_bayes_factor:.4f}, "
        + ", ".join(f"{m:.5f} below {e}" for e, m in zip(ENDS, tail, strict=True))
    )
    wrong = []
    for seed in range(1, arguments.seeds + 1):
        with tempfile.TemporaryDirectory() as outdir:
            result = bilby.run_sampler(
                likelihood,
                prior(),
                sampler="flowpe",
                network="none",
                n_effective=arguments.effective,
                sampling_seed=seed,
                outdir=outdir,
                label="thin_tail",
                progress=False,
                save=False,
            )
        draws, statistics = result.nested_samples, result.meta_data["run_statistics"]
        weights = (draws["weights"] / draws["weights"].sum()).to_numpy()
        masses = [float(weights[draws["inclination"].to_numpy() < end].sum()) for end in ENDS]
        difference = result.log_bayes_factor - log_bayes_factor
        z = difference / result.log_evidence_err
        text = (
            f"seed {seed}: ln BF - exact {difference:+.4f} +- {result.log_evidence_err:.4f} (z {z:+.2f}), "
            + ", ".join(f"{mass:.5f} below {end}" for end, mass in zip(ENDS, masses, strict=True))
            + f", efficiency {statistics['efficiency']:.3f}, Pareto k {statistics['pareto_k']:.2f}, "
            f"{result.num_likelihood_evaluations} evaluations, {statistics['verdict']}"
        )
        print(text, flush=True)
        if statistics["verdict"] == "reliable" and abs(z) > OFF:
            wrong.append(text)
    if wrong:
        raise SystemExit("reliable, and far off:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
