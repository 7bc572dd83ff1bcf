"""Waves near a reference, as far from it as the data allow, with which the error of coarse waves is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ...names import DISTANCE, PHASE, PLACE, TIME
from ...priors import PriorTransform
from ...processes.parallel import Row, make_rows
from ..harmonics import POLARISATIONS
from ..inner_products import Projection
from .coarse_waves import CoarseWaves

_DRAWS = 64  # draws around the reference, one at each scale of step: a few of them are as far away as the data allow
_SCALES = (1e-4, 1.0)  # smallest and largest step, in coordinates in which the prior has unit variance
_DEEPEST = 15.0  # in ln L below the best draw: draws that fit worse have a negligible weight
_TURNED = ("theta_jn", "cos_theta_jn", "phi_12", "phi_jl")
_HELD = (TIME, *PLACE, DISTANCE, PHASE)  # parameters that do not change the shape of the terms


def near(
    coarse: CoarseWaves, transform: PriorTransform, responses: np.ndarray, size: int, rng: np.random.Generator
) -> tuple[list[Row], np.ndarray, float]:
    """Return rows near the reference, arrival times (K, D) at which they fit the data best, and the best log likelihood ratio.

    Parameters
    ----------
    coarse
        Coarse waves, which need not be very good.
    transform
        The prior.
    responses
        Response of each detector to plus and cross waves from the reference's sky position, (D, 2).
    size
        Number of rows.
    rng
        Generator of random numbers.
    """
    rows = _around(coarse.reference, transform, rng)
    values, good = coarse.waves(rows)
    turns = turns_of(coarse.orders, rows)
    series = np.einsum("ndmpt,nm,dp->ndt", coarse.series(values), turns.conj(), responses, optimize=True)
    factors = np.einsum("nm,dp->ndmp", turns, responses).reshape(len(rows), len(responses), -1)
    norms = np.einsum("nda,ndab,ndb->nd", factors.conj(), coarse.norms(values), factors, optimize=True).real
    powers = np.abs(series) ** 2
    best = np.argmax(powers, axis=2)
    fits = np.take_along_axis(powers, best[..., None], axis=2)[..., 0] / np.maximum(2 * norms, 1e-300)
    fit = np.where(good, fits.sum(axis=1), -np.inf)
    order = np.argsort(-fit)
    close = order[fit[order] > fit[order[0]] - _DEEPEST]
    # Evenly from the best to the worst that counts; where the prior is narrow these are all.
    chosen = close[np.unique(np.linspace(0, len(close) - 1, size).astype(int))]
    return [rows[number] for number in chosen], coarse.start + best[chosen] * coarse.spacing, float(fit[order[0]])


def turned(reference: Row, transform: PriorTransform, size: int, rng: np.random.Generator) -> list[Row]:
    """Return rows like the reference, with inclinations and in-plane spins from the prior.

    A reference that was found with non-precessing waves does not determine these, and the wave in the data may have others.
    """
    draws = transform.sample(size, rng)
    rows = []
    for number in range(size):
        row = dict(reference)
        row |= {key: float(draws[key][number]) for key in _TURNED if key in draws}
        for spin, tilt in (("a_1", "tilt_1"), ("a_2", "tilt_2")):
            if tilt not in draws or spin not in reference:
                continue
            # The component along the orbit is kept, and with it the phase of the whole wave.
            along = reference[spin] * np.cos(reference[tilt])
            row[spin] = float(max(draws[spin][number], abs(along))) if spin in draws else reference[spin]
            row[tilt] = float(np.arccos(np.clip(along / row[spin], -1, 1))) if row[spin] > 0 else reference[tilt]
        rows.append(row)
    return rows


def turns_of(orders: Sequence[int], rows: Sequence[Row]) -> np.ndarray:
    """Return factors (N, M) of the terms at the rows' phases."""
    return np.exp(1j * np.outer([row.get(PHASE, 0.0) for row in rows], orders))


def responses_at(likelihood: GravitationalWaveTransient, projections: Sequence[Projection], row: Row) -> np.ndarray:
    """Return each detector's responses to plus and cross waves, (D, 2), for a row in the likelihood's sky frame."""
    seen = {**row, **likelihood.get_sky_frame_parameters(dict(row))}
    return np.array([projection.seen(seen, POLARISATIONS)[0] for projection in projections])


def _around(reference: Row, transform: PriorTransform, rng: np.random.Generator) -> list[Row]:
    """Return the reference, and draws around it on all scales, inside the prior."""
    centre = transform.to_unconstrained({key: np.array([reference[key]]) for key in transform.keys})
    moved = np.array([key not in _HELD for key in transform.keys])
    scales = np.geomspace(*_SCALES, _DRAWS)[:, None]
    steps = scales * rng.standard_normal((_DRAWS, transform.ndim)) * moved
    columns = transform.from_unconstrained(np.clip(centre, -5, 5) + steps)
    inside = transform.satisfies(columns)
    columns = {
        key: np.where(moved[index], column, reference[key]) for index, (key, column) in enumerate(columns.items())
    }
    rows = make_rows(transform.fixed, columns)
    return [dict(reference), *(row for row, kept in zip(rows, inside, strict=True) if kept)]
