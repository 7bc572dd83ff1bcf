r"""Symmetries of a waveform generator: parameters that change its waves by algebra alone, found by tests on draws.

The distance scales the wave. For a waveform of the (2, 2) mode alone the phase rotates it, :math:`h(\phi) = h(0) e^{i m \phi}`
with ``m`` = 2 or -2, and the inclination multiplies the face-on wave by real factors,
:math:`h_+ \propto (1 + \cos^2\theta)/2` and :math:`h_\times \propto \cos\theta`. Face on, :math:`h_\times` may be a constant
times :math:`h_+`, the same for all masses and spins. Nothing of this is assumed: each symmetry is tested on draws from the
prior to :data:`.turns.TOLERANCE`, and parameters without a symmetry are left to the waveform generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np
from bilby.gw.waveform_generator import WaveformGenerator

from ..errors import SimulationError
from ..names import DISTANCE, INCLINATION, PHASE, PLACE, TIME
from ..priors import PriorTransform
from ..processes.parallel import Row
from .harmonics import POLARISATIONS, inclination_factors
from .turns import NEARLY, TOLERANCE, phase_orders, same, turn_error
from .waveforms import Polarisations, polarisations

EXTRINSIC = (TIME, *PLACE)
_CHECKS = 6  # draws at which each symmetry is tested: more cost further waveforms
_SEED_OF_MORE = 20261129  # seed of random draws; any number, so that the same prior always gives the same draws
_TURN = 0.7  # radians by which the phase is changed in a test of all symmetries together: no simple fraction of 2 pi
_RATIOS = 128  # draws whose face-on ratio of the polarisations is tested: it may have the other sign for a few of them


@dataclass(frozen=True)
class Symmetries:
    r"""Parameters that change the polarisations by algebra alone.

    Attributes
    ----------
    inert
        Search parameters that leave the polarisations alone (time and sky, as a rule).
    distance
        True if the wave is inversely proportional to ``luminosity_distance``.
    phase_order
        ``m`` of ``exp(i m phase)``, or 0 if the phase acts in another way.
    inclination
        True if ``theta_jn`` gives the factors of a pure (2, 2) mode.
    cross_ratio
        :math:`h_\times / h_+` face on, where that is one number (``1j`` or ``-1j``), else 0.
    phase_orders
        All ``m`` of a wave that is a sum of terms ``exp(i m phase)``, where there are several.
    """

    inert: tuple[str, ...]
    distance: bool
    phase_order: int
    inclination: bool
    cross_ratio: complex
    phase_orders: tuple[int, ...] = ()

    @property
    def cheap_keys(self) -> tuple[str, ...]:
        """Parameters that can be changed without a further waveform call."""
        named = {
            DISTANCE: self.distance,
            PHASE: self.phase_order != 0,
            INCLINATION: self.inclination,
        }
        return (*self.inert, *(key for key, holds in named.items() if holds))

    def to_dict(self) -> dict[str, object]:
        """Return the symmetries as plain values, for JSON."""
        return {
            **asdict(self),
            "inert": list(self.inert),
            "phase_orders": list(self.phase_orders),
            "cross_ratio": [self.cross_ratio.real, self.cross_ratio.imag],
        }


def find_symmetries(
    generator: WaveformGenerator, transform: PriorTransform, tried: Sequence[Row] = (), more: int = 0
) -> Symmetries:
    """Test every symmetry on draws from the prior and return those that hold.

    Parameters
    ----------
    generator
        The user's waveform generator.
    transform
        The prior, search and fixed parameters.
    tried
        Rows of all parameters at which the symmetries have to hold, too.
    more
        Number of further draws from the prior at which the symmetries found are tested once more, all together. Where they
        fail, each is tested at that draw.

    Raises
    ------
    SimulationError
        If the generator fails on most draws, or returns other polarisations than plus and cross.
    """
    rng = np.random.default_rng(20200218)
    draws = transform.sample(4 * _CHECKS, rng)
    rows = [{**transform.fixed, **{key: float(draws[key][i]) for key in transform.keys}} for i in range(4 * _CHECKS)]
    made = ((row, strain) for row in rows if (strain := polarisations(generator, row)) is not None)
    # Waves of long signals take time and megabytes each: no more are computed than needed.
    good = list(islice(made, _CHECKS))
    if len(good) < _CHECKS:
        raise SimulationError(
            f"the waveform generator failed for {4 * _CHECKS - len(good)} of {4 * _CHECKS} draws from the prior: "
            f"narrow the priors of {list(transform.keys)} to where {generator.frequency_domain_source_model} works"
        )
    if set(good[0][1]) != {*POLARISATIONS}:
        raise SimulationError(
            f"the waveform generator returns the polarisations {sorted(good[0][1])}, but only plus and cross are supported: "
            "use a source model that returns these two"
        )
    good += [(dict(row), strain) for row in tried if (strain := polarisations(generator, row)) is not None]
    found = _tried(generator, transform, good, rng)
    median = transform.from_median()
    broken = [row for row in _prior_rows(transform, more) if not _acts_as_said(generator, row, found, median)]
    if not broken:
        return found
    known_broken = [(row, strain) for row in broken[:_CHECKS] if (strain := polarisations(generator, row)) is not None]
    return _tried(generator, transform, [*good, *known_broken], rng)


def _prior_rows(transform: PriorTransform, size: int) -> list[Row]:
    """Draw rows of all parameters from the prior, with a random seed of their own."""
    if not size:
        return []
    draws = transform.sample(size, np.random.default_rng(_SEED_OF_MORE))
    return [{**transform.fixed, **{key: float(draws[key][i]) for key in transform.keys}} for i in range(size)]


def _acts_as_said(generator: WaveformGenerator, row: Row, symmetries: Symmetries, median: Mapping[str, float]) -> bool:
    """Tell whether all symmetries found hold together at one row; this takes two waveform calls.

    Terms of several orders are not tested, since waveforms are computed anew at the phases chosen with them.
    """
    reference = {**row, **({INCLINATION: 0.0} if symmetries.inclination else {})}
    if (strain := polarisations(generator, reference)) is None:
        return True
    moved = {**row, **{key: float(median[key]) for key in symmetries.inert}}
    factor = 1.0 + 0j
    if symmetries.distance:
        moved[DISTANCE] = 2 * row[DISTANCE]
        factor *= 0.5
    if symmetries.phase_order:
        moved[PHASE] = row[PHASE] + _TURN
        factor *= np.exp(1j * symmetries.phase_order * _TURN)
    factors = {"plus": factor, "cross": factor}
    if symmetries.inclination:
        plus, cross = inclination_factors(np.asarray(row[INCLINATION]))
        factors = {"plus": factor * complex(plus), "cross": factor * complex(cross)}
    ratio = symmetries.cross_ratio
    if ratio:
        loudest = float(np.max(np.abs(strain["plus"])))
        if float(np.max(np.abs(strain["cross"] - ratio * strain["plus"]))) > TOLERANCE * loudest:
            return False
    made = polarisations(generator, moved)
    if made is None:
        return False
    scale = max(float(np.max(np.abs(series))) for series in strain.values())
    return all(
        float(np.max(np.abs(made[mode] - factors[mode] * strain[mode]))) <= TOLERANCE * scale for mode in factors
    )


def _tried(
    generator: WaveformGenerator,
    transform: PriorTransform,
    good: list[tuple[Row, Polarisations]],
    rng: np.random.Generator,
) -> Symmetries:
    """Test every symmetry at rows whose polarisations are known."""
    known = {*transform.fixed, *transform.keys}

    def agrees(changes: Mapping[str, float], factors: Mapping[str, complex] | None = None) -> bool:
        return all(same(generator, row, strain, changes, factors) for row, strain in good)

    medians = {key: float(transform.from_median()[key]) for key in EXTRINSIC if key in transform.keys}
    # All at once first: if changing all of them together leaves the wave unchanged, so does each alone.
    inert = tuple(medians) if agrees(medians) else tuple(key for key in medians if agrees({key: medians[key]}))
    distance = DISTANCE in known and all(
        same(generator, row, strain, {DISTANCE: 2 * row[DISTANCE]}, {"plus": 0.5, "cross": 0.5}) for row, strain in good
    )
    errors = {m: turn_error(generator, good, m) for m in (2, -2)} if PHASE in known else {}
    order = next((m for m, error in errors.items() if error <= TOLERANCE), 0)
    nearly = next((m for m, error in errors.items() if error <= NEARLY), 0)
    candidates = good if order and INCLINATION in known else []
    ratios = [ratio for row, _ in candidates if (ratio := _face_on_ratio(generator, row))]
    inclination = len(ratios) == len(good) and all(_inclines(generator, row, strain) for row, strain in good)
    # Where spins reverse the total angular momentum, the face-on wave has the other handedness: there is no single ratio then.
    one_ratio = inclination and _one_ratio(generator, transform, rng, ratios)
    return Symmetries(
        inert=inert,
        distance=bool(distance),
        phase_order=order,
        inclination=inclination,
        cross_ratio=complex(np.round(ratios[0], 9)) if one_ratio else 0j,
        phase_orders=() if order or PHASE not in known else (nearly,) if nearly else phase_orders(generator, good),
    )


def _one_ratio(
    generator: WaveformGenerator, transform: PriorTransform, rng: np.random.Generator, known: list[complex]
) -> bool:
    draws = transform.sample(_RATIOS, rng)
    rows = ({**transform.fixed, **{key: float(draws[key][i]) for key in transform.keys}} for i in range(_RATIOS))
    more = (ratio for row in rows if (ratio := _face_on_ratio(generator, row)) is not None)
    return all(abs(ratio - known[0]) <= TOLERANCE for ratio in (*known, *more))


def _face_on_ratio(generator: WaveformGenerator, row: Mapping[str, float]) -> complex | None:
    """Return the ratio of cross to plus polarisation face on: ``None`` without a waveform, zero if it is not constant."""
    strain = polarisations(generator, {**row, INCLINATION: 0.0})
    if strain is None:
        return None
    power = float(np.sum(np.abs(strain["plus"]) ** 2))
    if power == 0:
        return 0j
    ratio = complex(np.sum(strain["cross"] * strain["plus"].conj()) / power)
    scale = float(np.max(np.abs(strain["plus"])))
    constant = float(np.max(np.abs(strain["cross"] - ratio * strain["plus"]))) <= TOLERANCE * scale
    return ratio if constant else 0j


def _inclines(generator: WaveformGenerator, row: Mapping[str, float], strain: Mapping[str, np.ndarray]) -> bool:
    face_on = polarisations(generator, {**row, INCLINATION: 0.0})
    if face_on is None:
        return False
    scale = max(float(np.max(np.abs(series))) for series in face_on.values())
    for theta in (row[INCLINATION], 1.0, 2.5):
        inclined = strain if theta == row[INCLINATION] else polarisations(generator, {**row, INCLINATION: theta})
        if inclined is None:
            return False
        for mode, factor in zip(POLARISATIONS, inclination_factors(np.asarray(theta)), strict=True):
            if float(np.max(np.abs(inclined[mode] - factor * face_on[mode]))) > TOLERANCE * scale:
                return False
    return True
