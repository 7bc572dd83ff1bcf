"""A bank of templates on the data of two detectors, and banks that are spoilt on purpose."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart
from bilby_flowpe.proposals.mixture import Mixture, prior_alone
from bilby_flowpe.proposals.parts import Charted, FromPrior
from bilby_flowpe.sampling.hills import find_hills
from bilby_flowpe.sampling.missed import Looked
from bilby_flowpe.waves.coarse.matches import Planted
from bilby_flowpe.waves.coarse.models import Reading
from bilby_flowpe.waves.coarse.search import Found, find_reference
from tests.shared import two_detectors

SIZE, DRAWS, PLANTED = 800, 4000, 200
INTRINSIC = ("mass_1", "mass_2", "chi_1", "chi_2")


@cache
def searched() -> tuple[Found, PriorTransform, BinaryChart]:
    """Hold the result of a search, the prior, and coordinates of the parameters that shape a wave."""
    likelihood, priors = two_detectors()
    transform = PriorTransform(priors)
    window = priors["geocent_time"].minimum, priors["geocent_time"].maximum
    found = find_reference(likelihood, transform, (2,), window, np.random.default_rng(3), draws=SIZE)
    return found, transform, BinaryChart(transform, INTRINSIC)


@cache
def planted() -> Planted:
    """Waves of the prior, by the likelihood's own source model on all frequencies."""
    likelihood, _ = two_detectors()
    found, transform, _ = searched()
    assert found.bank is not None
    model, rng = Reading(likelihood.waveform_generator), np.random.default_rng(5)
    return Planted.of(found.bank.thinned, found.bank.templates, transform, model, likelihood.interferometers, rng)


def looked(kept: np.ndarray | None = None) -> Looked | None:
    """Return the record of a search for modes by those draws of the bank that booleans (N,) select, or by all."""
    found, transform, chart = searched()
    bank = found.bank
    assert bank is not None
    columns, ratios = found.columns, found.log_ratios
    if kept is not None:
        columns = {key: column[: bank.size][kept] for key, column in columns.items()}
        ratios = ratios[: bank.size][kept]
        bank = replace(bank, size=int(kept.sum()), values=ratios, matched=planted().matched(bank.waves(columns)))
    # Fewer waves than a run has, which take less time.
    bank = replace(bank, matched=bank.matched.first(PLANTED))
    hills = find_hills(bank, columns, ratios, np.ones(len(INTRINSIC), dtype=bool), chart, transform)
    if hills is None:
        return None
    about = Mixture([Charted(chart, {"hills": hills.density}), FromPrior(transform, INTRINSIC)], [0.5, 0.5])
    draws = ((prior_alone(transform, INTRINSIC), DRAWS), (about, DRAWS))
    return Looked(bank, ratios[: bank.size], hills, INTRINSIC, draws, "masses and spins")
