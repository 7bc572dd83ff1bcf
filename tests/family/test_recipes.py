"""Tests of the recipes of networks that ship."""

from __future__ import annotations

import pytest

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.family.bounds import FAMILIES
from bilby_flowpe.family.recipes import KINDS, recipe


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_there_is_a_recipe_for_every_family_and_kind(family: str, kind: str) -> None:
    made = recipe(family, kind, minutes=1.5, device="cuda")
    assert made.network.family == kind
    assert made.training.max_time == 90 and made.training.device == "cuda"
    assert made.training.weight_decay > 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("bns", "maf", 1.0), r"family='bns': choose one of \['bbh-aligned', 'bbh-precessing'\]"),
        (("bbh-aligned", "gaussian", 1.0), "network='gaussian': choose one of"),
        (("bbh-aligned", "maf", 0.0), "minutes=0.0: give a number above zero"),
        (("bbh-aligned", "maf", float("nan")), "minutes=nan"),
    ],
)
def test_what_there_is_none_for_is_told(given: tuple[str, str, float], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        recipe(*given)
