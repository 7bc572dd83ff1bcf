"""Modes that a search may have missed: few by a good bank, many by one that is spoilt on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bilby_flowpe.sampling.missed import Looked, completeness_of
from tests.banks import PLANTED, SIZE, looked, searched

LOG_VOLUME = -8.0  # of the posterior: the hill's own is -7 by templates


@pytest.fixture(scope="module")
def whole() -> Looked:
    found = looked()
    assert found is not None
    return found


def chance(looked: Looked, log_volume: float = LOG_VOLUME) -> float:
    return completeness_of(looked, log_volume, searched()[1]).chance


def test_a_good_bank_misses_little(whole) -> None:
    completeness = completeness_of(whole, LOG_VOLUME, searched()[1])
    assert 0 < completeness.chance < 0.03
    assert completeness.looked.startswith(f"{SIZE} templates, ")
    assert completeness.about == "apart from those found in masses and spins"
    # By the rule of succession: of so many waves no less can be said.
    assert completeness.chance > 1 / (PLANTED + 2)


def test_a_spoilt_bank_misses_much(whole) -> None:
    columns = searched()[0].columns
    few = np.zeros(SIZE, dtype=bool)
    few[:20] = True
    spoilt = looked(few)
    assert spoilt is not None
    assert chance(spoilt) > 0.3
    few[8:] = False
    assert looked(few) is None  # nothing can be said of eight templates
    total = columns["mass_1"][:SIZE] + columns["mass_2"][:SIZE]
    half = looked(total > np.median(total))
    assert half is not None
    assert chance(half) > max(0.1, 3 * chance(whole))


def test_a_level_and_a_statistic_that_hide_modes(whole) -> None:
    """Modes are not seen if they are not climbed, or not above what templates have in the data anyway."""
    highest = float(whole.hills.values.max())
    assert chance(replace(whole, hills=replace(whole.hills, level=highest))) > 0.9
    assert chance(replace(whole, ratios=np.full(SIZE, highest))) > 0.9
    assert chance(replace(whole, hills=replace(whole.hills, around=np.full(SIZE, highest)))) > 0.9


def test_draws_meet_wide_modes(whole) -> None:
    """With a level above all draws, only draws of the prior are left."""
    blind = replace(whole, hills=replace(whole.hills, level=np.inf))
    (prior, _), about = blind.draws
    assert chance(replace(blind, draws=((prior, 10**9), about))) < 0.02
    assert chance(replace(blind, draws=((prior, 10), about))) > 0.5


def test_a_mode_that_templates_show_has_to_be_drawn(whole) -> None:
    (prior, _), _ = whole.draws
    completeness = completeness_of(replace(whole, draws=((prior, 10),)), LOG_VOLUME, searched()[1])
    assert completeness.chance == 1.0
    assert "hardly any of which are at" in completeness.looked


def test_no_posterior_tells_nothing(whole) -> None:
    assert chance(whole, -np.inf) == 1.0
