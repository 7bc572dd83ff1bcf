"""Coordinates that a network of a family draws in: the prior's, as wide as the posterior is, with the chirp mass replaced.

In the place of the chirp mass is its distance from the one that keeps the best-measured phase, given mass ratio and spins
(:mod:`bilby_flowpe.waves.coarse.leading`). In training that mass is found for each draw itself, by Newton's method; for an
event it is a polynomial that is fitted to it about what the network draws. Both are the same but for what the polynomial
leaves, which the weights know. Of heavy binaries, whose amplitudes tell as much as their phases, it is the one that the metric
of templates has.
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

_STEPS = 4  # of Newton's method, from a place that is near
_ALIKE = 1.4  # times the width by the whole wave: one by the phase alone that is wider is not of what is measured
_FOLLOWED = 0.8  # share of the rows
_BENT = 3.0  # standard deviations, from which on tails are squashed
FAR = 30.0  # of the coordinate, which has a standard deviation of about one: farther off is what a search has missed


@dataclass(frozen=True)
class Scales:
    """Coordinates of an event in which its posterior has a width of about one, by the metric at the wave of its view.

    Attributes
    ----------
    mass
        Column of the chirp mass.
    rest
        Columns of mass ratio and spins along the orbit, (3,).
    unit
        Standard deviation of ln chirp mass, all else known.
    centre, root
        Place of the wave in the other columns, and lower root of their covariance.
    slopes
        Change of ln chirp mass with these columns along the ridge of the posterior, (3,).
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
        """Of the event of a view, for the coordinates of a family's prior."""
        keys, pivot = family.prior.keys, seen.pivot
        along = ("a_1", "a_2") if family.precesses else ("chi_1", "chi_2")
        rest = np.array([keys.index(key) for key in (MASS_RATIO, *along)])
        covariance = pivot.root @ pivot.root.T
        # Of the logarithm of the mass, which is even between its bounds, by its coordinate.
        slope = (
            np.log(family.chirp_mass[1] / family.chirp_mass[0]) * np.exp(-0.5 * pivot.base[0] ** 2) / np.sqrt(2 * np.pi)
        )
        unit = float(slope / np.sqrt(np.linalg.inv(covariance)[0, 0]))
        slopes = slope * np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
        root = np.linalg.cholesky(covariance[1:, 1:])
        return cls(keys.index(CHIRP_MASS), rest, unit, pivot.base[1:], root, slopes, float(np.log(pivot.body[0])))

    def ridge(self, rest: np.ndarray) -> np.ndarray:
        """Logarithm of the chirp mass on the ridge, (N,), at places in the other columns, (N, 3)."""
        found: np.ndarray = self.log_mass + (rest - self.centre) @ self.slopes
        return found

    @property
    def log_volume(self) -> float:
        """Logarithm of the Jacobian of :meth:`to_network`, negative: what a unit of each coordinate covers."""
        return float(np.log(self.unit) + np.sum(np.log(np.diag(self.root))))

    def to_network(self, base: np.ndarray) -> np.ndarray:
        """The network's coordinates (N, n) of those of the prior, with ln chirp mass less the leading one in its column."""
        scaled = np.array(base)
        scaled[:, self.mass] = base[:, self.mass] / self.unit
        scaled[:, self.rest] = np.linalg.solve(self.root, (base[:, self.rest] - self.centre).T).T
        return scaled

    def from_network(self, scaled: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`to_network`."""
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
        Its scales.
    climb
        With the coordinates of a prior of spins along the orbit.
    """

    def __init__(self, seen: Seen, scales: Scales, climb: Climb) -> None:
        self._scales, self._climb = scales, climb
        self._measured = seen.measured
        # The scale turns the phase by ten radians.
        self.by_phase = bool(0.1 * self._measured.scale / seen.snr < _ALIKE * scales.unit)
        self._polynomial: LeadingMass | None = None

    def exact(self, bodies: np.ndarray, begin: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of it for chirp masses (not looked at), mass ratios and spins (N, 4), (N,), and where it was found.

        Parameters
        ----------
        bodies
            Rows.
        begin
            Logarithms that Newton's method begins at, (N,); those on the ridge when left out.
        """
        ridge = self._scales.ridge(self._rest(bodies))
        if not self.by_phase:
            return ridge, np.ones(len(bodies), dtype=bool)
        rows = [row_of(body) for body in bodies]
        return self._measured.solved(rows, _STEPS, ridge if begin is None else begin)

    def fit(self, bodies: np.ndarray, degree: int) -> None:
        """Fit a polynomial about rows (N, 4); where the phase cannot be followed at most of them, the ridge stays."""
        if not self.by_phase:
            return
        logs, good = self.exact(bodies)
        if good.mean() > _FOLLOWED:
            columns = dict(zip(ALIGNED, bodies[good].T, strict=True))
            self._polynomial = fitted_mass(self._measured, {}, columns, logs[good], degree)
        self.by_phase = self._polynomial is not None

    def __call__(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logarithm of it, (N,), for columns of the family's parameters: that of the polynomial, once there is one."""
        bodies = bodies_of({**columns, CHIRP_MASS: np.full(len(columns[MASS_RATIO]), np.exp(self._scales.log_mass))})
        if self._polynomial is None:
            return self._scales.ridge(self._rest(bodies))
        return self._polynomial(dict(zip(ALIGNED, bodies.T, strict=True)))

    def _rest(self, bodies: np.ndarray) -> np.ndarray:
        middle = np.array(bodies)
        middle[:, 0] = np.exp(self._scales.log_mass)
        return self._climb.base(middle)[:, 1:]


def squashed(scaled: np.ndarray) -> np.ndarray:
    """What a network learns: coordinates whose far tails, of which there are few draws, are drawn near."""
    found: np.ndarray = _BENT * np.arcsinh(scaled / _BENT)
    return found


def stretched(squashed: np.ndarray) -> np.ndarray:
    """The inverse of :func:`squashed`."""
    found: np.ndarray = _BENT * np.sinh(squashed / _BENT)
    return found


def log_slope(scaled: np.ndarray) -> np.ndarray:
    """Logarithm of the Jacobian of :func:`squashed`, (N,)."""
    slope: np.ndarray = -0.5 * np.sum(np.log1p((scaled / _BENT) ** 2), axis=-1)
    return slope


def target(family: Family, scales: Scales, leading: Leading, truths: Parameters) -> np.ndarray:
    """The network's coordinates of parameters, (N, n); not finite where the phase cannot be followed.

    Parameters
    ----------
    family
        Whose parameters.
    scales, leading
        Of the event.
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
    """Rows about the pivot in the coordinates of a prior of spins along the orbit, their mass in the middle, (N, 4)."""
    places = np.zeros((size, 4))
    places[:, 1:] = scales.centre + width * rng.standard_normal((size, 3)) @ scales.root.T
    return places
