r"""Parameters that are sampled through the quantiles of their priors.

Bilby's priors are maps from a quantile :math:`u`, uniform between 0 and 1, to the parameter, ``x = rescale(u)``. For a
discrete parameter, each value has an interval of :math:`u`; so has a spike. No density of :math:`x` is needed if
:math:`u` is sampled instead: its prior is uniform, its likelihood is that of :math:`x(u)`, and

.. math:: Z = \int_0^1 L(x(u)) \, du ,

as computed by nested samplers. The result has :math:`x`, with Bilby's own log prior.

A prior that is conditional on such a parameter is sampled through its quantile, too, so that conditions and constraints
refer to the user's own parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import DeltaFunction, JointPrior, PriorDict, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient

from ..likelihoods import called
from ..names import DEC, DISTANCE, INCLINATION, PHASE, PSI, RA, TIME
from ..prior_natures import Nature, conditions, log_density, natures, rescaled
from ..priors import Parameters, copied, in_order, search_keys

# step of the quantile for the derivative that gives the density of the draws: small beside the range of 1, far above
# rounding
_STEP = 1e-6
_OUTSIDE_THE_WAVE = (RA, DEC, PSI, TIME, DISTANCE, INCLINATION, PHASE)


class Quantiles:
    """The quantiles that replace parameters.

    Parameters
    ----------
    priors
        Bilby's priors, without joint priors.
    found
        Natures of the priors that are sampled through their quantiles.

    Attributes
    ----------
    names : dict
        Name of the quantile of each parameter.
    """

    def __init__(self, priors: PriorDict, found: dict[str, Nature]) -> None:
        self._natures = found
        self._priors = {key: copy.deepcopy(priors[key]) for key in found}
        self._fixed = _fixed(priors)
        self.names = {key: f"quantile of {key}" for key in found}

    @property
    def reasons(self) -> dict[str, str]:
        """Reason, in words, why each parameter is sampled through its quantile."""
        return {key: nature.reason for key, nature in self._natures.items()}

    def replaced(self, priors: PriorDict) -> PriorDict:
        """Return a copy of ``priors`` with the quantiles in place of the parameters."""
        plain = copied(priors)
        # Conditional priors are removed first, because a dictionary of conditional priors looks for missing parameters.
        for key in reversed(self.names):
            plain.pop(key)
        for name in self.names.values():
            plain[name] = Uniform(0.0, 1.0, name=name)
        plain.conversion_function = _Converted(self, plain.conversion_function)
        return plain

    def back(self, parameters: Parameters) -> Parameters:
        """Return the user's parameters, (N,) each, for parameters with quantiles among them."""
        found = {key: value for key, value in parameters.items() if key not in self.names.values()}
        for key, prior in self._priors.items():
            u = np.asarray(parameters[self.names[key]], dtype=np.float64)
            found[key] = rescaled(prior, u, self._required(key, found), self._natures[key].by_rows)
        return found

    def log_prior(self, parameters: Parameters) -> np.ndarray:
        """Return Bilby's log prior (N,) of the parameters behind the quantiles; by the density of the draws if it has none.

        Bilby's ``ln_prob`` is the log of a probability for a discrete parameter, and infinite at a spike.
        """
        values = self.back(parameters)
        total = np.zeros(len(next(iter(values.values()))))
        for key, prior in self._priors.items():
            required, nature = self._required(key, values), self._natures[key]
            if nature.has_density:
                total = total + log_density(prior, values[key], required, nature.by_rows)
                continue
            u = np.asarray(parameters[self.names[key]], dtype=np.float64)
            low, high = np.clip(u - _STEP, 0.0, 1.0), np.clip(u + _STEP, 0.0, 1.0)
            ends = [rescaled(prior, end, required, nature.by_rows) for end in (low, high)]
            with np.errstate(divide="ignore"):
                total = total + np.log(high - low) - np.log(np.abs(ends[1] - ends[0]))
        return total

    def _required(self, key: str, values: Parameters) -> dict[str, Any]:
        return {name: values[name] if name in values else self._fixed[name] for name in conditions(self._priors[key])}


class _Converted:
    """A conversion function for samples with quantiles; picklable if the original function is."""

    def __init__(self, quantiles: Quantiles, convert: Callable[[Any], Any]) -> None:
        self._quantiles, self._convert = quantiles, convert

    def __call__(self, sample: Any) -> Any:
        return self._convert(self._quantiles.back(sample))


@dataclass
class _WithQuantiles:
    """A parameter conversion of a waveform generator, for rows with quantiles; picklable."""

    quantiles: Quantiles
    convert: Callable[..., Any]

    def __call__(self, parameters: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        return self.convert(_row_back(self.quantiles, parameters), *args, **kwargs)


class OfQuantiles(Likelihood):
    """A likelihood as a function of quantiles.

    Parameters
    ----------
    given
        The likelihood of the parameters.
    quantiles
        Quantiles and the parameters that they replace.
    """

    def __init__(self, given: Likelihood, quantiles: Quantiles) -> None:
        super().__init__()
        self.given, self.quantiles = given, quantiles

    def log_likelihood(self, parameters: dict[str, Any]) -> float:
        """Return the log likelihood of the parameters behind the quantiles."""
        return float(called(self.given, _row_back(self.quantiles, parameters), use_ratio=False))

    def log_likelihood_ratio(self, parameters: dict[str, Any]) -> float:
        """Return the log likelihood ratio of the parameters behind the quantiles."""
        return float(called(self.given, _row_back(self.quantiles, parameters), use_ratio=True))

    def noise_log_likelihood(self) -> float:
        """Return the log likelihood of noise alone."""
        return float(self.given.noise_log_likelihood())


def quantiles_of(priors: PriorDict, without: Collection[str] = ()) -> Quantiles | None:
    """Find the parameters that have to be sampled through quantiles; ``None`` if there are none.

    Parameters
    ----------
    priors
        Bilby's priors; joint priors, and priors conditional on them, are not changed.
    without
        Parameters that are not changed.
    """
    left_alone = {*without, *(key for key in priors if isinstance(priors[key], JointPrior))}
    order = []
    for key in in_order(priors, search_keys(priors)):
        # A prior that is conditional on a joint prior is refused later, with its name.
        if left_alone & {key, *conditions(priors[key])}:
            left_alone.add(key)
        else:
            order.append(key)
    found = natures(priors, order, _fixed(priors))
    taken: dict[str, Nature] = {}
    for key in order:
        if on := [name for name in conditions(priors[key]) if name in taken]:
            reason = found[key].reason or f"its condition, on {on}, is a parameter of this kind"
            taken[key] = Nature("quantile", reason, 0.0, found[key].has_density, found[key].by_rows)
        elif found[key].how == "quantile":
            taken[key] = found[key]
    return Quantiles(priors, taken) if taken else None


def shapes_the_wave_alone(quantiles: Quantiles) -> bool:
    """Return whether quantiles affect a gravitational wave through its source model only."""
    return not {*quantiles.names} & {*_OUTSIDE_THE_WAVE}


def wave_of_quantiles(likelihood: GravitationalWaveTransient, quantiles: Quantiles) -> GravitationalWaveTransient:
    """Return a copy of a likelihood whose source model gets the parameters behind the quantiles."""
    other = copy.copy(likelihood)
    other.waveform_generator = copy.copy(likelihood.waveform_generator)
    other.waveform_generator.parameter_conversion = _WithQuantiles(
        quantiles, likelihood.waveform_generator.parameter_conversion
    )
    return other


def _row_back(quantiles: Quantiles, row: dict[str, Any]) -> dict[str, Any]:
    """Return one row with parameters in place of quantiles."""
    if not {*quantiles.names.values()} <= {*row}:
        return row
    found = quantiles.back({key: np.atleast_1d(value) for key, value in row.items() if _is_number(value)})
    return {
        **{key: value for key, value in row.items() if key not in quantiles.names.values()},
        **{key: float(found[key][0]) for key in quantiles.names},
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def _fixed(priors: PriorDict) -> dict[str, float]:
    return {key: float(prior.peak) for key, prior in priors.items() if isinstance(prior, DeltaFunction)}
