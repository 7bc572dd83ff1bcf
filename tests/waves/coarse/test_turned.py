"""Coarse waves at known phases, against whole waves at these."""

from __future__ import annotations

import numpy as np
from bilby.gw.source import lal_binary_black_hole

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.coarse.build import coarse_waves
from bilby_flowpe.waves.coarse.turned import TurnedWaves
from bilby_flowpe.waves.harmonics import POLARISATIONS
from bilby_flowpe.waves.matched_filter import MatchedFilters
from tests.approximations import generator_of
from tests.waves.coarse.test_coarse_waves import RELATIVE


def test_as_whole_waves_at_their_phases(make_problem_hl) -> None:
    likelihood, priors = make_problem_hl()
    likelihood.waveform_generator = generator_of(likelihood, lal_binary_black_hole, waveform_approximant="IMRPhenomXHM")
    reference, time = dict(likelihood.injection_parameters), priors["geocent_time"]
    window = time.minimum, time.maximum
    waves = TurnedWaves(coarse_waves(likelihood, PriorTransform(priors), (1, 2, 3, 4), reference, window))
    assert waves.orders == (0,)
    rows = [reference, {**reference, "mass_1": 40.0, "theta_jn": 1.0, "phase": 0.2}]
    values, good = waves.waves(rows)
    assert good.all()
    series, norms = waves.series(values), waves.norms(values)
    assert series.shape == (2, 2, 1, 2, waves.n_times)
    filters = MatchedFilters(likelihood)
    steps = (round((waves.start - filters.start) / filters.spacing) + np.arange(waves.n_times)) % filters.size
    for number, row in enumerate(rows):
        strain = likelihood.waveform_generator.frequency_domain_strain(dict(row))
        whole = filters.of_series(np.stack([strain[mode] for mode in POLARISATIONS]), steps)
        for index, (expected, products) in enumerate(whole):
            np.testing.assert_allclose(
                series[number, index, 0], expected, rtol=0, atol=RELATIVE * np.abs(expected).max()
            )
            np.testing.assert_allclose(norms[number, index], products, rtol=0, atol=RELATIVE * np.abs(products).max())
