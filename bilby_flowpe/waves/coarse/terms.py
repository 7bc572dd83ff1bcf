r"""Terms of a wave, :math:`h(\phi) = \sum_m h_m e^{i m \phi}`, at arbitrary frequencies.

If the modes of a source model can be chosen (``mode_array``), the modes of one :math:`|m|` are a term, computed by one call.
For a precessing wave these are the modes of the co-precessing frame. Otherwise terms follow from calls at several phases.
Which modes a model has, and which of them share their dependence on the phase, is tested and not assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ...names import PHASE
from ...processes.parallel import Row
from ..harmonics import fewest_phases, terms_of
from .models import APPROXIMANT, MODES, ByFrequency, Model, Parameters, has_own_dictionary

# Largest deviation relative to the loudest value of the wave: precessing waves of high mass ratio are sums of terms to 1e-4.
_SAME = 1e-3
_TRIED_PHASE = 0.7  # radians: no simple fraction of 2 pi

_FIVE = ((2, 2), (2, 1), (3, 3), (3, 2), (4, 4))  # modes (l, m) of IMRPhenomXHM and IMRPhenomXPHM with m > 0
_OF_BOTH_SIGNS = [*_FIVE, *((degree, -m) for degree, m in _FIVE)]

MODES_OF = {
    "IMRPhenomHM": [*_FIVE, (4, 3)],
    "IMRPhenomPv3HM": [*_FIVE, (4, 3)],
    "SEOBNRv4HM_ROM": [(2, 2), (2, 1), (3, 3), (4, 4), (5, 5)],
    "SEOBNRv5HM_ROM": [(2, 2), (2, 1), (3, 3), (3, 2), (4, 4), (4, 3), (5, 5)],
}
"""Modes (l, m) of approximants that differ from those of IMRPhenomXHM, IMRPhenomXPHM and similar ones."""


Groups = tuple[tuple[tuple[int, int], ...], ...]
"""Modes (l, m) of each term, by term."""


class Terms(Protocol):
    """Protocol of functions that compute all terms of a wave; they can be pickled.

    Attributes
    ----------
    model
        Source model that computes the waves.
    orders
        Order ``m`` of each term; zero for a wave that is computed at the row's own phase.
    """

    model: Model
    orders: tuple[int, ...]

    def __call__(self, parameters: Parameters, frequencies: np.ndarray) -> np.ndarray | None:
        """Return the terms (M, 2, F) for arguments of the model, or ``None`` where there is no wave."""


@dataclass
class OneTerm:
    """A wave of one term: at phase zero, or at its own phase where the order is zero."""

    model: Model
    orders: tuple[int, ...]

    def __call__(self, parameters: Parameters, frequencies: np.ndarray) -> np.ndarray | None:
        """Return the wave as its only term, (1, 2, F)."""
        wave = self.model({**parameters, PHASE: 0.0} if self.orders[0] else parameters, frequencies)
        return None if wave is None else wave[None]


@dataclass
class ByPhases:
    """Terms computed by a discrete Fourier transform over calls at evenly spaced phases."""

    model: Model
    orders: tuple[int, ...]

    def __call__(self, parameters: Parameters, frequencies: np.ndarray) -> np.ndarray | None:
        """Return the terms (M, 2, F), or ``None`` where there is no wave."""
        count = fewest_phases(self.orders)
        made = []
        for index in range(count):
            wave = self.model({**parameters, PHASE: 2 * np.pi * index / count}, frequencies)
            if wave is None:
                return None
            made.append(wave)
        return terms_of(np.stack(made), self.orders)


@dataclass
class ByModes:
    """Terms computed by one call each, with the modes of one order."""

    model: Model
    orders: tuple[int, ...]
    groups: Groups

    def __call__(self, parameters: Parameters, frequencies: np.ndarray) -> np.ndarray | None:
        """Return the terms (M, 2, F), or ``None`` where there is no wave."""
        at_zero = {**parameters, PHASE: 0.0}
        made = np.empty((len(self.orders), 2, len(frequencies)), dtype=np.complex128)
        for term, group in zip(made, self.groups, strict=True):
            wave = self.model(at_zero, frequencies, **{MODES: [list(mode) for mode in group]})
            if wave is None:
                return None
            term[:] = wave
        return made


def terms_from(model: Model, orders: Sequence[int], rows: Sequence[Row], frequencies: np.ndarray) -> Terms:
    """Return the cheapest way to compute the terms of a wave that gives the right values at some rows.

    Parameters
    ----------
    model
        Source model that computes the waves.
    orders
        Orders ``m`` of all terms (:attr:`bilby_flowpe.waves.symmetries.Symmetries.phase_orders`); none, or a zero, if the wave
        is not a sum of terms ``exp(i m phase)``.
    rows
        All parameters of signals at which groups of modes are tested.
    frequencies
        Frequencies of the tests in Hz.
    """
    orders = tuple(orders) or (0,)
    if len(orders) == 1:
        return OneTerm(model, orders)
    by_phases = ByPhases(model, orders)
    if isinstance(model, ByFrequency) and model.ends is not None and not has_own_dictionary(model):
        groups = _groups(model.arguments, orders)
        if groups is not None and _agree(by_modes := ByModes(model, orders, groups), by_phases, rows, frequencies):
            return by_modes
    return by_phases


def _groups(arguments: Mapping[str, Any], orders: tuple[int, ...]) -> Groups | None:
    """Return the modes of each order, or ``None`` if orders share an absolute value, or one has no mode."""
    if len({abs(order) for order in orders}) < len(orders):
        return None
    given = arguments.get(MODES) or MODES_OF.get(arguments.get(APPROXIMANT, ""), _OF_BOTH_SIGNS)
    modes = [(int(degree), int(m)) for degree, m in given]
    groups = tuple(tuple(mode for mode in modes if abs(mode[1]) == abs(order)) for order in orders)
    return groups if all(groups) else None


def _agree(one: Terms, other: Terms, rows: Sequence[Row], frequencies: np.ndarray) -> bool:
    """Tell whether two ways to compute the terms agree, and the terms sum up to the wave at another phase."""
    tried = 0
    for row in rows:
        parameters = other.model.parameters(row)
        expected = other(parameters, frequencies)
        if expected is None:
            continue
        try:
            found = one(parameters, frequencies)
        except ValueError:  # raised for a mode that the approximant does not have
            return False
        whole = other.model({**parameters, PHASE: _TRIED_PHASE}, frequencies)
        if found is None or whole is None:
            return False
        turned = np.einsum("m,mpf->pf", np.exp(1j * _TRIED_PHASE * np.array(one.orders)), found)
        scale = _SAME * float(np.max(np.abs(whole)))
        if np.max(np.abs(found - expected)) > scale or np.max(np.abs(turned - whole)) > scale:
            return False
        tried += 1
    return tried > 0
