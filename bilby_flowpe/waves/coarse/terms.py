r"""Terms of a wave, :math:`h(\phi) = \sum_m h_m e^{i m \phi}`, at frequencies of one's own choice.

Where a source model lets its modes be chosen (``mode_array``), the modes of one :math:`|m|` are a term, and one call gives it.
For a precessing wave these are the modes of the co-precessing frame. Elsewhere terms follow from calls at several phases. Which
modes a model has, and which of them turn together, is tried and not assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ...names import PHASE
from ...processes.parallel import Row
from ..harmonics import fewest_phases, terms_of
from .models import MODES, ByFrequency, Model, Parameters, has_own_dictionary

_SAME = 1e-4  # of the loudest value of the wave: groups of modes have to be its terms up to this
_TRIED_PHASE = 0.7  # radians: no part of a whole turn

MODES_TRIED = (((2, 2), (2, 1), (3, 3), (3, 2), (4, 4)), ((2, 2), (2, 1), (3, 3), (3, 2), (4, 4), (4, 3)))
"""Modes (l, m) that approximants with higher modes have where the user names none."""


class Terms(Protocol):
    """Makes all terms of a wave; picklable.

    Attributes
    ----------
    model
        What makes the waves.
    orders
        ``m`` of each term; zero for a wave that is taken at the row's own phase.
    """

    model: Model
    orders: tuple[int, ...]

    def __call__(self, parameters: Parameters, frequencies: np.ndarray) -> np.ndarray | None:
        """Terms (M, 2, F) for arguments of the model; ``None`` where there is no wave."""


@dataclass
class OneTerm:
    """A wave of one term: itself at phase zero, or at its own phase where the order is zero."""

    model: Model
    orders: tuple[int, ...]

    def __call__(self, parameters: Parameters, frequencies: np.ndarray) -> np.ndarray | None:
        """The wave, (1, 2, F)."""
        wave = self.model({**parameters, PHASE: 0.0} if self.orders[0] else parameters, frequencies)
        return None if wave is None else wave[None]


@dataclass
class ByPhases:
    """Terms by a discrete Fourier transform over calls at evenly spaced phases."""

    model: Model
    orders: tuple[int, ...]

    def __call__(self, parameters: Parameters, frequencies: np.ndarray) -> np.ndarray | None:
        """Terms (M, 2, F)."""
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
    """Terms by one call each, with the modes of one order."""

    model: Model
    orders: tuple[int, ...]
    groups: tuple[tuple[tuple[int, int], ...], ...]

    def __call__(self, parameters: Parameters, frequencies: np.ndarray) -> np.ndarray | None:
        """Terms (M, 2, F)."""
        at_zero = {**parameters, PHASE: 0.0}
        made = np.empty((len(self.orders), 2, len(frequencies)), dtype=np.complex128)
        for term, group in zip(made, self.groups, strict=True):
            wave = self.model(at_zero, frequencies, **{MODES: [list(mode) for mode in group]})
            if wave is None:
                return None
            term[:] = wave
        return made


def terms_from(model: Model, orders: Sequence[int], rows: Sequence[Row], frequencies: np.ndarray) -> Terms:
    """The cheapest way to the terms of a wave that holds at some rows.

    Parameters
    ----------
    model
        What makes the waves.
    orders
        ``m`` of all terms (:attr:`bilby_flowpe.waves.symmetries.Symmetries.phase_orders`); none, or a zero, where the wave
        does not turn with the phase.
    rows
        All parameters, at which groups of modes are tried.
    frequencies
        Frequencies at which they are tried, in Hz.
    """
    orders = tuple(orders) or (0,)
    if len(orders) == 1:
        return OneTerm(model, orders)
    by_phases = ByPhases(model, orders)
    if isinstance(model, ByFrequency) and model.sequence and not has_own_dictionary(model):
        for groups in _groups(model.arguments, orders):
            by_modes = ByModes(model, orders, groups)
            if _agree(by_modes, by_phases, rows, frequencies):
                return by_modes
    return by_phases


def _groups(arguments: Mapping[str, Any], orders: tuple[int, ...]) -> list[tuple[tuple[tuple[int, int], ...], ...]]:
    """Modes of each order, in the ways that are worth trying; none where orders share an absolute value."""
    if len({abs(order) for order in orders}) < len(orders):
        return []
    given = arguments.get(MODES)
    if given is not None:
        choices = [[(int(degree), int(m)) for degree, m in given]]
    else:
        both = [[(degree, sign * m) for degree, m in modes for sign in (1, -1)] for modes in MODES_TRIED]
        choices = [*both, *(list(modes) for modes in MODES_TRIED)]
    made = [tuple(tuple(mode for mode in modes if abs(mode[1]) == abs(order)) for order in orders) for modes in choices]
    return [groups for groups in made if all(groups)]


def _agree(one: Terms, other: Terms, rows: Sequence[Row], frequencies: np.ndarray) -> bool:
    """Whether two ways to the terms give the same, and these make the wave at another phase."""
    tried = 0
    for row in rows:
        parameters = other.model.parameters(row)
        expected = other(parameters, frequencies)
        if expected is None:
            continue
        try:
            found = one(parameters, frequencies)
        except ValueError:  # of this package, for a mode that the approximant does not have
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
