"""Coordinates in which a network of a family draws: those of the prior, scaled to the posterior's width.

The chirp mass is replaced by its distance from the one that keeps the best-measured phase, given mass ratio and spins
(:mod:`bilby_flowpe.waves.coarse.leading`). In training, that mass is found for each draw by Newton's method; for an
event, by a polynomial fitted near the draws of the network. The two differ only by the error of the polynomial, which
the weights take into account. For heavy binaries, whose amplitudes tell as much as their phases, that mass is given by
the metric of templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..names import CHIRP_MASS
from ..priors import Parameters
from ..proposals.binary_chart import BinaryChart
from ..waves.coarse.leading import LeadingMass, fitted_mass
from .bounds import ALIGNED, MASS_RATIO, Family
from .pivot import Climb
from .templates import bodies_of, row_of
from .view import Seen

_STEPS = 4  # steps of Newton's method, which starts near the solution and converges in two or three
# factor on the width from the whole wave; if the width from the phase alone is larger, amplitudes matter, and the phase
# is not used
_ALIKE = 1.4
_FOLLOWED = 0.8
"""Least share of the rows at which the phase has to be followed; otherwise a polynomial through the rest could be far
off."""

_BENT = 3.0  # standard deviations beyond which tails are compressed
# largest coordinate, in units of about one standard deviation; a posterior farther away was missed by the search
FAR = 30.0


@dataclass(frozen=True)
class Scales:
    """Coordinates of an event in which its posterior has a width of about one, by the metric at the wave of its view.

    Attributes
    ----------
    mass
        Index of the chirp mass.
    rest
        Indices of mass ratio and spins along the orbit, (3,).
    unit
        Standard deviation of ln chirp mass for given other parameters.
    centre, root
        Place of the wave in the other coordinates, and the lower Cholesky factor of their covariance.
    slopes
        Change of ln chirp mass with these coordinates along the ridge of the posterior, (3,).
    log_mass
        Logarithm of the chirp mass of the wave.
    """

    mass: int
    rest: np.ndarray
    unit: float
    centre: np.ndarray
    root: np.ndarray
    slopes: np.ndarray
    log_mass: float

    @classmethod
    def of(cls, family: Family, seen: Seen) -> Scales:
        """Make the scales for the view of an event, for the coordinates of a family's prior."""
        keys, pivot = family.prior.keys, seen.pivot
        along = ("a_1", "a_2") if family.precesses else ("chi_1", "chi_2")
        rest = np.array([keys.index(key) for key in (MASS_RATIO, *along)])
        covariance = pivot.root @ pivot.root.T
        # The logarithm of the mass is uniform between its bounds; this is its derivative by the coordinate.
        slope = (
            np.log(family.chirp_mass[1] / family.chirp_mass[0]) * np.exp(-0.5 * pivot.base[0] ** 2) / np.sqrt(2 * np.pi)
        )
        unit = float(slope / np.sqrt(np.linalg.inv(covariance)[0, 0]))
        slopes = slope * np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
        root = np.linalg.cholesky(covariance[1:, 1:])
        return cls(keys.index(CHIRP_MASS), rest, unit, pivot.base[1:], root, slopes, float(np.log(pivot.body[0])))

    def ridge(self, rest: np.ndarray) -> np.ndarray:
        """Return the log of the chirp mass on the ridge, (N,), at places in the other coordinates, (N, 3)."""
        found: np.ndarray = self.log_mass + (rest - self.centre) @ self.slopes
        return found

    @property
    def log_volume(self) -> float:
        """Log of the Jacobian of the inverse of :meth:`to_network`: the volume that a unit of each coordinate covers."""
        return float(np.log(self.unit) + np.sum(np.log(np.diag(self.root))))

    def to_network(self, base: np.ndarray) -> np.ndarray:
        """Return the network's coordinates (N, n) for the prior's, with ln chirp mass minus the leading one in its column."""
        scaled = np.array(base)
        scaled[:, self.mass] = base[:, self.mass] / self.unit
        scaled[:, self.rest] = np.linalg.solve(self.root, (base[:, self.rest] - self.centre).T).T
        return scaled

    def from_network(self, scaled: np.ndarray) -> np.ndarray:
        """Return the prior's coordinates (N, n); the inverse of :meth:`to_network`."""
        base = np.array(scaled)
        base[:, self.mass] = scaled[:, self.mass] * self.unit
        base[:, self.rest] = scaled[:, self.rest] @ self.root.T + self.centre
        return base


class Leading:
    """The chirp mass that keeps the best-measured phase of an event, given mass ratio and spins along the orbit.

    Parameters
    ----------
    seen
        View of the event.
    scales
        Scales of the event.
    climb
        Object with the coordinates of a prior of aligned spins.
    """

    def __init__(self, seen: Seen, scales: Scales, climb: Climb) -> None:
        self._scales, self._climb = scales, climb
        self._measured = seen.measured
        # The scale changes the phase by ten radians.
        self.by_phase = bool(0.1 * self._measured.scale / seen.snr < _ALIKE * scales.unit)
        self._polynomial: LeadingMass | None = None

    def exact(self, bodies: np.ndarray, begin: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return logs of that mass, (N,), for rows (N, 4) of chirp mass (ignored), mass ratio and spins, and a mask of success.

        Parameters
        ----------
        bodies
            Rows, (N, 4).
        begin
            Logarithms at which Newton's method begins, (N,); by default those on the ridge.
        """
        ridge = self._scales.ridge(self._rest(bodies))
        if not self.by_phase:
            return ridge, np.ones(len(bodies), dtype=bool)
        rows = [row_of(body) for body in bodies]
        return self._measured.solved(rows, _STEPS, ridge if begin is None else begin)

    def fit(self, bodies: np.ndarray, degree: int) -> None:
        """Fit a polynomial to rows (N, 4); if the phase cannot be followed at most of them, the ridge is used."""
        if not self.by_phase:
            return
        logs, good = self.exact(bodies)
        if good.mean() > _FOLLOWED:
            columns = dict(zip(ALIGNED, bodies[good].T, strict=True))
            self._polynomial = fitted_mass(self._measured, {}, columns, logs[good], degree)
        self.by_phase = self._polynomial is not None

    def __call__(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the log of that mass, (N,), for columns of the family's parameters, by the polynomial once it is fitted."""
        bodies = bodies_of({**columns, CHIRP_MASS: np.full(len(columns[MASS_RATIO]), np.exp(self._scales.log_mass))})
        if self._polynomial is None:
            return self._scales.ridge(self._rest(bodies))
        return self._polynomial(dict(zip(ALIGNED, bodies.T, strict=True)))

    def _rest(self, bodies: np.ndarray) -> np.ndarray:
        middle = np.array(bodies)
        middle[:, 0] = np.exp(self._scales.log_mass)
        return self._climb.base(middle)[:, 1:]


def squashed(scaled: np.ndarray) -> np.ndarray:
    """Compress the far tails of coordinates, which have few draws, before a network learns them."""
    found: np.ndarray = _BENT * np.arcsinh(scaled / _BENT)
    return found


def stretched(squashed: np.ndarray) -> np.ndarray:
    """Undo the compression of :func:`squashed`."""
    found: np.ndarray = _BENT * np.sinh(squashed / _BENT)
    return found


def log_slope(scaled: np.ndarray) -> np.ndarray:
    """Return the log of the Jacobian of :func:`squashed`, (N,)."""
    slope: np.ndarray = -0.5 * np.sum(np.log1p((scaled / _BENT) ** 2), axis=-1)
    return slope


def target(family: Family, scales: Scales, leading: Leading, truths: Parameters) -> np.ndarray:
    """Return the network's coordinates of parameters, (N, n); not finite where the phase cannot be followed.

    Parameters
    ----------
    family
        Family of the parameters.
    scales, leading
        Scales of the event, and its leading chirp mass.
    truths
        Parameters, (N,) each.
    """
    base = BinaryChart(family.prior).forward(truths)[0]
    bodies = bodies_of(truths)
    logs, good = leading.exact(bodies, np.log(bodies[:, 0]))
    base[:, scales.mass] = np.log(bodies[:, 0]) - logs
    found = scales.to_network(base)
    good &= np.all(np.abs(found) < FAR, axis=1)
    return np.where(good[:, None], found, np.nan)


def rest_about(scales: Scales, width: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows near the pivot in the coordinates of a prior of aligned spins, with the mass in the middle, (N, 4)."""
    places = np.zeros((size, 4))
    places[:, 1:] = scales.centre + width * rng.standard_normal((size, 3)) @ scales.root.T
    return places
