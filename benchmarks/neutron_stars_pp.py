"""Compute ranks of true values over binary neutron stars drawn from their prior: 13 parameters, tides, H1, L1 and V1, 32 s.

    python benchmarks/neutron_stars_pp.py --outdir outdir/neutron_stars_pp --events 40 --picture pp.png

Component masses are uniform from 1 to 2.5 solar masses in the detectors' frame, spins are aligned and below 0.05, and distances
are uniform in volume. The range of chirp masses is divided into bins of 0.05 solar masses, and an event is analysed with the
prior of its bin, as after a search. Given its bin, the true value is a draw from that prior, so that ranks are uniform.
Likelihoods are multibanded, from 50 Hz on, where the lightest signals are 25 s long. Each event has a file; finished ones are
not computed again, and several processes can divide the work with ``--first`` and ``--events``. Nothing is trained. The script
prints the same figures as ``real_event_pp.py``.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from bilby.core.prior import Constraint, PowerLaw
from bilby.gw import source
from bilby.gw.prior import BNSPriorDict, UniformInComponentsChirpMass, UniformInComponentsMassRatio
from neutron_star_cases import TRUTH, Case, generator_of, likelihood_of, noise_of, priors_of
from real_event_cases import bilby_seed, optimal_snr
from real_event_pp import judged, parser_of, shared

CASE = Case(duration=32.0, lowest=50.0, aligned=True, approximant="IMRPhenomXAS_NRTidalv2")
LIGHTEST, HEAVIEST = 1.0, 2.5  # solar masses
BIN = 0.05  # solar masses
NEAREST, FARTHEST = 15.0, 150.0  # Mpc: half of all signals have a signal-to-noise ratio above 19
SEED = 30_000


def priors_between(low: float, high: float) -> BNSPriorDict:
    """Return priors with these limits of the chirp mass."""
    priors = priors_of(CASE, {**TRUTH, "chirp_mass": 1.2})
    priors["chirp_mass"] = UniformInComponentsChirpMass(low, high, name="chirp_mass")
    priors["mass_ratio"] = UniformInComponentsMassRatio(LIGHTEST / HEAVIEST, 1, name="mass_ratio")
    for key in ("mass_1", "mass_2"):
        priors[key] = Constraint(LIGHTEST, HEAVIEST, name=key)
    priors["luminosity_distance"] = PowerLaw(2, NEAREST, FARTHEST, name="luminosity_distance")
    return priors


def event(index: int, given: argparse.Namespace) -> dict[str, Any]:
    """Draw, run, rank."""
    # Two equal masses m have the chirp mass m / 2^(1/5).
    whole = priors_between(LIGHTEST / 2**0.2, HEAVIEST / 2**0.2)
    with bilby_seed(SEED + 2 * index):
        truth = {key: float(value) for key, value in whole.sample().items()}
    edge = whole["chirp_mass"].minimum + BIN * np.floor((truth["chirp_mass"] - whole["chirp_mass"].minimum) / BIN)
    priors = priors_between(edge, min(edge + BIN, whole["chirp_mass"].maximum))
    interferometers = noise_of(CASE, SEED + 2 * index + 1)
    generator = generator_of(CASE, source.lal_binary_neutron_star)
    interferometers.inject_signal(waveform_generator=generator, parameters=dict(truth), raise_error=False)
    ratio = optimal_snr(interferometers, generator, truth)
    likelihood = likelihood_of("multiband", CASE, interferometers, priors, truth)
    settings = json.loads(given.settings)
    return {**judged(index, likelihood, priors, truth, given.outdir, given.effective, settings), "snr": ratio}


def main() -> None:
    """Do what is not done yet, then report on all."""
    given = parser_of(__doc__, "outdir/neutron_stars_pp", 40).parse_args()
    shared(given, lambda index: event(index, given))


if __name__ == "__main__":
    main()
