r"""Draws of the posterior of an event under the family's waves, in the network's coordinates.

The likelihood at its best amplitude, phase and time in each detector is as cheap as a wave. Rows are drawn near the
pivot, from normal densities as wide as the metric says, and from wider ones, with the chirp mass near that which keeps
the best-measured phase; their weights are known. A network can learn from such draws as well as from the truth of the
event, which is itself a draw of the posterior; but there are many of them.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from ..priors import Parameters
from .binned import Binned
from .bounds import ALIGNED, Family
from .coordinates import FAR, Leading, Scales, rest_about, target
from .pivot import Climb, filtered
from .templates import Templates
from .view import Seen

_WIDTHS = ((1.0, 72), (1.6, 56), (3.0, 32))  # widths in standard deviations, and number of rows of each
_FITTED, _DEGREE = 36, 2  # number of rows at which the phase is fitted, and degree of the polynomial
_AROUND = 1.5
"""Spread of these rows in standard deviations of the posterior: wider, so that the polynomial holds in its tails."""

_DRAWS = 24
"""Draws kept of each event: training takes one of them at a time, and more would repeat the few effective rows."""

_EFFECTIVE = 5.0  # effective rows below which the truth is used instead


class Posterior:
    """Draws from the posteriors of events with aligned spins.

    Parameters
    ----------
    family
        Family of the binaries.
    templates
        Object that makes waves.
    climb
        Object with the prior's coordinates.
    """

    def __init__(self, family: Family, templates: Templates, climb: Climb) -> None:
        self._family, self._templates, self._climb = family, templates, climb

    def draws(self, binned: Binned, seen: Seen, truth: Parameters, rng: np.random.Generator) -> np.ndarray | None:
        """Return coordinates of draws, (K, n); the truth only if few rows have a weight.

        The result is ``None`` if the phase cannot be followed.

        Parameters
        ----------
        binned, seen
            Data and view of the event.
        truth
            Parameters of the event, (1,) each.
        rng
            Random generator.
        """
        scales = Scales.of(self._family, seen)
        leading = Leading(seen, scales, self._climb)
        leading.fit(self._climb.bodies(rest_about(scales, _AROUND, _FITTED, rng)), _DEGREE)
        places = np.concatenate([rest_about(scales, width, size, rng) for width, size in _WIDTHS])
        bodies = self._climb.bodies(places)
        widths = np.repeat([width for width, _ in _WIDTHS], [size for _, size in _WIDTHS])
        apart = widths * rng.standard_normal(len(places))
        logs = leading(dict(zip(ALIGNED, bodies.T, strict=True))) + scales.unit * apart
        bodies[:, 0] = np.exp(logs)
        inside = (bodies[:, 0] > self._family.chirp_mass[0]) & (bodies[:, 0] < self._family.chirp_mass[1])
        bodies[~inside, 0] = seen.pivot.body[0]
        values = filtered(binned, *self._templates(bodies)).values - 0.5 * np.sum(places[:, 1:] ** 2, axis=1)
        white = np.linalg.solve(scales.root, (places[:, 1:] - scales.centre).T).T
        squares = np.sum(white**2, axis=1) + apart**2
        of_each = [-0.5 * squares / width**2 - 4 * np.log(width) + np.log(size) for width, size in _WIDTHS]
        log_weights = np.where(inside, values - logsumexp(of_each, axis=0), -np.inf)
        weights = np.exp(log_weights - log_weights.max())
        if weights.sum() ** 2 > _EFFECTIVE * np.sum(weights**2):
            chosen, numbers = np.unique(
                rng.choice(len(weights), _DRAWS, p=weights / weights.sum()), return_inverse=True
            )
            found, good = leading.exact(bodies[chosen], logs[chosen])
            coordinates = np.column_stack([(logs[chosen] - found) / scales.unit, white[chosen]])[numbers]
            if good.all() and np.all(np.abs(coordinates) < FAR):
                return coordinates
        coordinates = target(self._family, scales, leading, truth)
        return np.repeat(coordinates, _DRAWS, axis=0) if np.all(np.isfinite(coordinates)) else None
