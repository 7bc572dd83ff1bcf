"""A bank of templates on the data of two detectors, and banks that are spoilt on purpose."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.spin_chart import SpinChart
from bilby_flowpe.waves.coarse.matches import Matched, Planted
from bilby_flowpe.waves.coarse.search import Found, find_reference
from tests.shared import two_detectors

INTRINSIC = ("chirp_mass", "mass_ratio", "mass_1", "mass_2", "chi_1", "chi_2")


@cache
def searched() -> tuple[Found, PriorTransform, SpinChart]:
    """What a search has found, the prior, and coordinates of what shapes a wave."""
    likelihood, priors = two_detectors()
    transform = PriorTransform(priors)
    window = priors["geocent_time"].minimum, priors["geocent_time"].maximum
    found = find_reference(likelihood, transform, (2,), window, np.random.default_rng(3), draws=600)
    return found, transform, SpinChart(transform, tuple(key for key in transform.keys if key in INTRINSIC))


@cache
def planted() -> Planted:
    """Waves of the prior."""
    likelihood, priors = two_detectors()
    found, transform, _ = searched()
    bank = found.bank
    assert bank is not None
    rng = np.random.default_rng(5)
    # The likelihood's own waves, at all frequencies of the data.
    from bilby_flowpe.waves.coarse.models import Reading

    model = Reading(likelihood.waveform_generator)
    return Planted.of(bank.thinned, bank.templates, transform, model, likelihood.interferometers, rng)


def matched_by(kept: np.ndarray) -> Matched:
    """How well some of the bank's templates match these waves."""
    found, *_ = searched()
    assert found.bank is not None
    columns = {key: column[: found.bank.size][kept] for key, column in found.columns.items()}
    return planted().matched(found.bank.waves(columns))


def spoilt(kept: np.ndarray) -> Found:
    """A search with some of its draws alone."""
    found, *_ = searched()
    assert found.bank is not None
    bank = replace(found.bank, size=int(kept.sum()), matched=matched_by(kept))
    columns = {key: column[: len(kept)][kept] for key, column in found.columns.items()}
    return replace(found, columns=columns, log_ratios=found.log_ratios[: len(kept)][kept], bank=bank)
