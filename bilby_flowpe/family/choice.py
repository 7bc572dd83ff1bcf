"""Choice of a network of a family for an event, and its binding to the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bilby.core.utils import logger

from .. import pytorch
from ..conditional.base import Conditional
from ..errors import ContractError, SimulationError
from ..names import CHIRP_MASS, INCLINATION
from ..problem import Problem
from ..processes.parallel import Row
from ..storage.folder import DESCRIPTION
from .bounds import ALIGNED, FAMILIES, MASS_RATIO, PRECESSING, Family
from .masses import Masses
from .shipped import folder_of

if TYPE_CHECKING:
    from .chart import FamilyChart
    from .model import FamilyModel

# Families whose networks are used by default. The network of precessing binaries is seldom efficient enough, and rounds
# of refinement that start from a search take less time (docs/results.md).
_BY_ITSELF = ("bbh-aligned",)
# lowest and highest minimum frequency of data in Hz for which networks are used, about the range of their training
_LOWEST = (10.0, 50.0)
_MOST_DETECTORS = 4
"""Largest number of detectors: training has up to three, one more is allowed, and weights correct what the network
draws."""


class FamilyChoice:
    """Finds a network of a family for an event, and binds it.

    Parameters
    ----------
    problem
        The problem in the form that is used for drawing.
    model
        Name of a network or a family; by default, the family that fits.
    """

    def __init__(self, problem: Problem, model: str | None = None) -> None:
        self._problem, self._model = problem, model
        self._read: dict[str, FamilyModel] = {}

    def of(self, conditional: Conditional, found: Row) -> tuple[FamilyChart, str] | None:
        """Return a network bound to the data, and its name; ``None`` if none serves the problem.

        Parameters
        ----------
        conditional
            Conditional that draws all other parameters.
        found
            Parameters of the wave that a search found.

        Raises
        ------
        ContractError
            If the network requested by name does not serve the problem; the message says why.
        """
        keys = self._keys(conditional)
        if self._model is None:
            fits = (name for name in _BY_ITSELF if self.obstacle(FAMILIES[name], keys, found) is None)
            if (name := next(fits, None)) is None or not (folder_of(name) / DESCRIPTION).is_file():
                return None
        else:
            name = self._model
        model = self._loaded(name)
        from .adapt import adapt
        from .chart import FamilyChart

        self._refuse(self.obstacle(model.family, keys, found))
        named, likelihood = folder_of(name).name, self._problem.likelihood
        detectors = model.family.detectors
        names = [interferometer.name for interferometer in likelihood.interferometers]
        slots = tuple(detectors.index(one) if detectors else index for index, one in enumerate(names))
        try:
            chart = FamilyChart(model, likelihood, self._problem.prior, keys, found, slots)
            adapt(chart)
        except (ArithmeticError, SimulationError, np.linalg.LinAlgError) as error:
            if self._model is not None:
                raise ContractError(
                    f"model={name!r} cannot be bound to these data ({error}): leave model out"
                ) from error
            logger.warning(f"The network {named} cannot be bound to these data ({error}): the run goes on without it")
            return None
        return chart, named

    def check(self, conditional: Conditional) -> None:
        """Raise an error early if the network requested by name serves no signal of this problem: a search may take minutes.

        Raises
        ------
        ContractError
            If it does not serve the problem; the message says why.
        ModelError
            If its folder is damaged.
        """
        if self._model is not None:
            family = self._loaded(self._model).family
            self._refuse(self._of_keys(family, self._keys(conditional)) or self._of_data(family))

    def _loaded(self, name: str) -> FamilyModel:
        """Return the network of a name, which is read from disk only once."""
        if name not in self._read:
            pytorch.load()
            # Imported here, so that a run without a network needs no torch.
            from .model import FamilyModel

            self._read[name] = FamilyModel.load(folder_of(name))
        return self._read[name]

    def _keys(self, conditional: Conditional) -> tuple[str, ...]:
        return tuple(key for key in self._problem.prior.keys if key not in conditional.keys)

    def _refuse(self, obstacle: str | None) -> None:
        if obstacle is not None:
            raise ContractError(f"model={self._model!r} does not serve this problem: {obstacle}; leave model out")

    def obstacle(self, family: Family, keys: tuple[str, ...], found: Row) -> str | None:
        """Return the reason, in words, why networks of a family do not serve the problem; ``None`` if they do.

        Parameters
        ----------
        family
            The family.
        keys
            Parameters of the proposal.
        found
            Parameters of the wave that a search found.
        """
        return self._of_keys(family, keys) or self._of_data(family) or self._of_wave(family, Masses.of(keys), found)

    def _of_keys(self, family: Family, keys: tuple[str, ...]) -> str | None:
        pair = Masses.of(keys)
        learnt = {*pair.keys, *family.keys} - ({CHIRP_MASS, MASS_RATIO} - {*pair.keys})
        if missing := [key for key in learnt if key not in keys]:
            return f"it draws {sorted(missing)}, which are not sampled here, are fixed, or are drawn conditionally"
        others = {*keys} - learnt - {INCLINATION}
        if others:
            return f"it has not learnt {sorted(others)}, which it would have to draw"
        tied = [key for key in keys if key not in self._problem.prior.independent_keys() and key not in pair.keys]
        if tied and {*tied} & {*PRECESSING, *ALIGNED}:
            return f"the priors of {sorted(tied)} depend on other parameters"
        return None

    def _of_data(self, family: Family) -> str | None:
        interferometers = self._problem.likelihood.interferometers
        names = [interferometer.name for interferometer in interferometers]
        if family.detectors and (unknown := [name for name in names if name not in family.detectors]):
            return f"it was trained for {list(family.detectors)}, the data are of {unknown}, too"
        if len(names) > _MOST_DETECTORS:
            return f"it can be used for up to {_MOST_DETECTORS} detectors, there are {len(names)}"
        lowest = min(float(interferometer.minimum_frequency) for interferometer in interferometers)
        if not _LOWEST[0] <= lowest <= _LOWEST[1]:
            return f"minimum_frequency is {lowest:g} Hz, it can be used for {_LOWEST[0]:g} to {_LOWEST[1]:g} Hz"
        return None

    def _of_wave(self, family: Family, pair: Masses, found: Row) -> str | None:
        row = pair.row(found)
        low, high = family.chirp_mass
        if not low < row[CHIRP_MASS] < high:
            return (
                f"the best wave has a chirp mass of {row[CHIRP_MASS]:.4g} solar masses, "
                f"it was trained for {low:g} to {high:g}"
            )
        if not row[MASS_RATIO] > family.mass_ratio:
            return f"the best wave has a mass ratio of {row[MASS_RATIO]:.3g}, it was trained for {family.mass_ratio:.3g} to 1"
        if max(abs(row[key]) for key in ("chi_1", "chi_2")) >= family.spin or not np.isfinite([*row.values()]).all():
            return f"the best wave has a spin of {family.spin:g} or more"
        return None
