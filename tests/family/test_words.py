"""Families and their networks in words."""

from __future__ import annotations

import pytest

from bilby_flowpe.errors import ModelError
from bilby_flowpe.family.bounds import FAMILIES
from bilby_flowpe.family.shipped import shipped_families
from bilby_flowpe.family.words import family_of, family_words, network_words, words_of


def test_a_family_names_its_parameters_and_ranges() -> None:
    family = FAMILIES["bbh-aligned"]
    words = family_words(family)
    assert words.startswith("bbh-aligned: ")
    assert all(key in words for key in family.keys)
    assert f"{family.chirp_mass[1]:g} solar masses" in words


def test_every_network_that_ships_says_what_it_is() -> None:
    for name in shipped_families():
        assert family_of(name) in FAMILIES
        assert "unknown" not in network_words(name)
        assert len(words_of(name)) == 2


def test_a_description_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(ModelError, match="install the package anew"):
        network_words(str(tmp_path))
