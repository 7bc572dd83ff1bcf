r"""All that does not shape the wave, drawn by how coherently the detectors saw it.

Given what shapes the wave, its matched filters :math:`z_{kp}(t)`, of polarisation p in detector k, and its squared norms say
all that the data know of sky, polarisation angle, inclination (of a pure (2, 2) mode), time, distance and phase. So each
waveform gets a few hundred candidates of place and time (:mod:`bilby_flowpe.conditional.sky`), each of these some tens of
polarisation angle and inclination from their priors, phase and distance being averaged over in closed form, and one is chosen
by its weight :math:`w_c = \pi(c) \bar L(c) / q(c)`. The mean of the weights estimates the likelihood of the waveform without
bias, so that

.. math:: \frac{1}{C} \sum_c w_c \cdot \frac{\bar L_{\rm exact}(\hat c)}{\bar L(\hat c)}

is the exact weight of the waveform with its chosen :math:`\hat c`, whatever was approximated in choosing: the expectation over
candidates and choice is :math:`\int \pi L`. (For pseudo-marginal likelihoods see Andrieu and Roberts 2009, Annals of
Statistics 37, 697; the extrinsic parameters of compact binaries are averaged over apart in Pankow et al. 2015,
arXiv:1502.04370, and Roulet et al. 2022, arXiv:2210.16278.)
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from bilby.core.prior import Prior
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.special import logsumexp

from ..densities import spread
from ..errors import ContractError
from ..names import DEC, DISTANCE, INCLINATION, PHASE, PSI, RA, TIME
from ..priors import PriorTransform
from ..processes.parallel import Row, Task, seeded, with_seeds
from ..waves.detectors import Detector
from ..waves.harmonics import inclination_factors
from ..waves.inner_products import InnerProducts
from ..waves.matched_filter import MatchedFilters
from .averaged import AveragedLikelihood
from .base import ConditionalConfig, ConditionalDraws, Exact
from .candidates import Candidates, products_of
from .closed_form import ExactConditional
from .sky import SkyProposal, reach_of

_SKIES, _TURNS = 128, 32  # more of either cost more than they gain
_MARGIN = 4
_AVERAGES = 64
_NOTHING = 1e-300


class CoherentConditional(Exact):
    """Draws all of an event's parameters that do not shape its wave.

    Parameters
    ----------
    config
        Which ones: phase and time or distance as in :class:`.closed_form.ExactConditional`, and of sky position,
        polarisation angle and inclination those that are searched.
    transform
        The user's prior.

    Raises
    ------
    ContractError
        If the prior ties them to other parameters, has no bounds for the time, or is not uniform over the phase's turn.
    """

    def __init__(self, config: ConditionalConfig, transform: PriorTransform) -> None:
        self.config, self.keys = config, config.keys
        closed = tuple(key for key in config.keys if key in (PHASE, DISTANCE))
        self.inner = ExactConditional(replace(config, keys=closed), transform)
        self.own = tuple(key for key in config.keys if key not in self.inner.keys)
        tied = [key for key in self.own if key not in transform.independent_keys()]
        if tied:
            raise ContractError(
                f"this model draws {list(config.keys)} from their conditional, but {tied} are fixed or tied to other "
                "parameters by the priors: give them priors of their own, or have a model trained for these priors"
            )
        self._priors = {key: transform.priors[key] for key in self.own}
        self._log_scale = {key: transform.log_scale[key] for key in self.own}
        if TIME in self._priors and not np.isfinite(self._priors[TIME].maximum - self._priors[TIME].minimum):
            raise ContractError(
                f"this model draws {TIME} from its conditional, but its prior {self._priors[TIME]!r} has no bounds: give "
                "it some"
            )

    @cached_property
    def averaged(self) -> AveragedLikelihood:
        """Over phase and distance."""
        return AveragedLikelihood(self.inner.amplitudes)

    def defended(self, share: float) -> CoherentConditional:
        """Return one that draws a share of the distances from their prior."""
        other = copy.copy(self)
        other.inner = self.inner.defended(share)
        return other

    @property
    def reference(self) -> dict[str, float]:
        """Values of the conditional parameters that a row is to have."""
        middle = {key: float(0.5 * (prior.minimum + prior.maximum)) for key, prior in self._priors.items()}
        return {**self.inner.reference, **middle, **({INCLINATION: 0.0} if INCLINATION in self.own else {})}

    def task(self, likelihood: GravitationalWaveTransient) -> Task:
        """What draws for one row, of those that :meth:`task_rows` gives."""
        return CoherentDraw(likelihood, self._priors, self._log_scale, self.averaged, self.config.phase_known)

    def task_rows(self, rows: Sequence[Row], rng: np.random.Generator) -> Sequence[Row]:
        """Rows of all parameters at the reference, each with a seed of its own."""
        return with_seeds(rows, rng)

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        """Phase and distance for rows of :meth:`task`, (N, 4 + n), and what was drawn with them."""
        drawn = self.inner.draw(products[:, :3], rng)
        own = {key: products[:, 4 + index] for index, key in enumerate(self.own)}
        parameters = {**drawn.parameters, **own}
        return ConditionalDraws(
            parameters={key: parameters[key] for key in self.keys},
            log_likelihood_ratio=drawn.log_likelihood_ratio,
            log_weight=drawn.log_weight + products[:, 3],
        )

    def log_average(self, likelihood: GravitationalWaveTransient, row: Row) -> float:
        """Log likelihood ratio averaged over the prior of the conditional parameters: an estimate from many candidates."""
        task, rng = self.task(likelihood), np.random.default_rng(0)
        rows = self.task_rows([{**row, **self.reference}] * _AVERAGES, rng)
        drawn = [value for value in map(task, rows) if value is not None]
        if not drawn:
            return -np.inf
        return float(logsumexp(self.draw(np.array(drawn), rng).log_weight) - np.log(_AVERAGES))


class CoherentDraw:
    """Task: one choice among the candidates of a waveform, ``[re, im, norm, log weight, *parameters]``; picklable.

    The inner products are those of phase zero, or of a row's own phase where it is known, and of the reference distance, made
    in the ordinary way; the log weight has prior over density of all but distance and phase in it, and the choice.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    priors
        Of what is drawn, in order.
    log_scale
        What normalises their densities.
    averaged
        The likelihood averaged over phase and distance.
    phase_known
        Whether rows have the phase: the likelihood is then averaged over the distance alone.
    """

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        priors: Mapping[str, Prior],
        log_scale: Mapping[str, float],
        averaged: AveragedLikelihood,
        phase_known: bool = False,
    ) -> None:
        self.products, self._phase_known = InnerProducts(likelihood, own_phase=phase_known), phase_known
        self._likelihood, self._priors, self._averaged = likelihood, priors, averaged
        self._filters = MatchedFilters(likelihood)
        detectors = tuple(Detector.from_interferometer(interferometer) for interferometer in likelihood.interferometers)
        self._window: tuple[float, float] | None = None
        if TIME in priors:
            self._window = float(priors[TIME].minimum), float(priors[TIME].maximum)
        self._detectors, self._log_scale = detectors, dict(log_scale)
        self._proposal = self._proposal_at(self._window) if self._window else None

    def __call__(self, row: Row) -> np.ndarray | None:
        """``None`` where the waveform fails or is not a number, or no candidate has a likelihood."""
        rng, row = seeded(row)
        polarisations = self.products.polarisations(row)
        if polarisations is None:
            return None
        candidates = self._candidates(polarisations, row, rng)
        if candidates is None:
            return None
        (place,), (turn,), log_mean = candidates.choose(1, rng)
        drawn = candidates.values(place, turn, self._priors)
        plus, cross = inclination_factors(np.asarray(drawn[INCLINATION])) if INCLINATION in drawn else (1.0, 1.0)
        inclined = {"plus": polarisations["plus"] * plus, "cross": polarisations["cross"] * cross}
        products = self.products.of(inclined, {**row, **drawn})
        if products is None:
            return None
        return np.array([*products, log_mean - candidates.averaged[place, turn], *drawn.values()])

    def _candidates(
        self, polarisations: Mapping[str, np.ndarray], row: Row, rng: np.random.Generator
    ) -> Candidates | None:
        """``None`` where the wave is not a number, or no candidate has a likelihood."""
        proposal, bins = self._proposal or self._proposal_at((row[TIME], row[TIME]))
        series, norms = self._filters(polarisations, bins)
        if not (np.all(np.isfinite(series)) and np.all(np.isfinite(norms))):
            return None
        own_norm = np.maximum(np.einsum("kpp->kp", norms), _NOTHING)
        exponents = np.max((series.real**2 + series.imag**2) / (2 * own_norm[..., None]), axis=1)
        sky = proposal.draw(exponents, _SKIES, row, rng)
        coefficients, angles = self._turns(row, rng)
        products = products_of(series, norms, sky.arrival, sky.antenna, coefficients, self._phase_known)
        averaged = self._averaged(*products)
        log_weights = averaged + sky.log_ratio[:, None]
        return Candidates(sky, angles, averaged, log_weights) if np.isfinite(log_weights.max()) else None

    def _proposal_at(self, window: tuple[float, float]) -> tuple[SkyProposal, np.ndarray]:
        """Proposal of sky and time for geocentric times in a window, and the bins of the filters' outputs that it needs."""
        reach = reach_of(self._detectors)
        start, spacing = self._filters.start, self._filters.spacing
        first = int(np.floor((window[0] - reach - start) / spacing)) - _MARGIN
        last = int(np.ceil((window[1] + reach - start) / spacing)) + _MARGIN
        priors = {key: self._priors[key] for key in (TIME, RA, DEC) if key in self._priors}
        proposal = SkyProposal(self._detectors, priors, self._log_scale, start + first * spacing, spacing)
        return proposal, np.arange(first, last + 1) % self._filters.size

    def _turns(self, row: Row, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Polarisation angles and inclinations, and what they make of the responses: (4, G)."""
        angles = {
            key: np.asarray(self._priors[key].rescale(spread(_TURNS, rng)))
            if key in self._priors
            else np.full(_TURNS, row[key])
            for key in (PSI, *([INCLINATION] if INCLINATION in self._priors else []))
        }
        plus, cross = inclination_factors(angles[INCLINATION]) if INCLINATION in angles else (np.ones(1), np.ones(1))
        cosine, sine = np.cos(2 * angles[PSI]), np.sin(2 * angles[PSI])
        return np.stack([plus * cosine, plus * sine, cross * cosine, cross * sine]), angles
