"""A network of a family, bound to the data of one event: a chart in which its density is a standard normal."""

from __future__ import annotations

import numpy as np
import torch
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import ModelError
from ..names import CHIRP_MASS
from ..priors import Parameters, PriorTransform, within_quantiles
from ..processes.parallel import Row
from ..proposals.charts import PriorChart
from ..proposals.leading_chart import LeadingChart
from ..proposals.parts import BroadDensity, Normal
from ..surprise import Surprise
from .coordinates import Leading, Scales, log_slope, rest_about, squashed, stretched
from .masses import Masses
from .model import FamilyModel
from .observe import gathered_of
from .orders import Gathered, view_by_orders
from .pivot import Climb
from .templates import Templates
from .view import Seen, coherent_view

# Rows at which the best-measured phase is fitted: draws of the network and the factor by which they are widened, draws
# of the metric's normal density and their width in its standard deviations; and the degree of the polynomial. For light
# binaries, a polynomial of third degree is wrong by some widths of the posterior.
_OF_NETWORK, _WIDER, _BESIDE, _AROUND, _DEGREE = 480, 1.2, 160, 1.6, 5
_EDGE = 5.0  # standard deviations of the prior beyond which no such row lies
# Number of times that a view is made again, if a wave fits better than the row's by more than the second number, in
# nats.
_RESTARTED, _FARTHER = 3, 3.0
_OF_PRIOR = 2000  # draws of the user's prior by which its range is estimated
_SEED = 20261130  # any number: the view of an event is the same in every run


class FamilyChart:
    """A network bound to an event; a :class:`~bilby_flowpe.proposals.charts.Chart`.

    Parameters
    ----------
    model
        The network.
    likelihood
        The likelihood, with the data of the event.
    transform
        The user's prior.
    keys
        Parameters of the proposal, those of the family among them; the others are drawn from their priors.
    row
        Parameters of a wave that fits, with the time of its arrival.
    slots
        Index of each detector in the family's list.

    Attributes
    ----------
    density
        Density in the base space; a standard normal is the network's own.
    seen, gathered
        View of the event, and its data.
    templates
        Object that makes waves.
    """

    turn = None

    def __init__(
        self,
        model: FamilyModel,
        likelihood: GravitationalWaveTransient,
        transform: PriorTransform,
        keys: tuple[str, ...],
        row: Row,
        slots: tuple[int, ...],
    ) -> None:
        self.model, self.transform, self.keys = model, transform, keys
        self._masses = Masses.of(keys)
        family = model.family
        self._learnt = tuple(key for key in keys if key in family.keys or key in self._masses.keys)
        self._idle = PriorChart(transform, tuple(key for key in keys if key not in self._learnt))
        self.templates = templates = Templates()
        climb = Climb(templates, family.along)
        self.seen, self.gathered = _view(model, likelihood, self._masses.row(row), slots, templates, climb)
        if len(self.seen.features) != len(model.feature_mean):
            raise ModelError(
                f"the network was trained on views of {len(model.feature_mean)} numbers, this version makes "
                f"{len(self.seen.features)}: train the network again"
            )
        self._scales = Scales.of(family, self.seen)
        leading = Leading(self.seen, self._scales, climb)
        self._context = model.context(self.seen.features)[None]
        leading.fit(climb.bodies(self._rest(np.random.default_rng(_SEED))), _DEGREE)
        self._chart = LeadingChart(family.prior, family.keys, leading, 1.0)
        self.density: BroadDensity = Normal(len(family.keys) + model.network.latent + len(self._idle.keys))

    def _rest(self, rng: np.random.Generator) -> np.ndarray:
        """Return rows (N, 4) of mass ratios and aligned spins, from draws of the network and from near the pivot."""
        network, rest = self.model.network, self._scales.rest
        base = _WIDER * rng.standard_normal((_OF_NETWORK, network.features + network.latent))
        drawn = network.from_base(torch.as_tensor(base, dtype=torch.float32), self._context)
        scaled = stretched(self.model.location + self.model.scale * drawn[:, : network.features].double().numpy())
        places = np.zeros((_OF_NETWORK, 4))
        places[:, 1:] = np.clip(self._scales.from_network(np.nan_to_num(scaled))[:, rest], -_EDGE, _EDGE)
        return np.concatenate([places, rest_about(self._scales, _AROUND, _BESIDE, rng)])

    @property
    def can_start(self) -> bool:
        """True if a refinement may begin here; for precessing binaries, starting from a search takes less time."""
        return not self.latent and not self.model.family.precesses

    @property
    def latent(self) -> tuple[str, ...]:
        """Names of the network's latent variables."""
        return tuple(f"latent[{index}]" for index in range(self.model.network.latent))

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Return base coordinates (N, n + d) and ``log |d base / d parameters|`` (N,), -inf outside the family."""
        s, log_jacobian = self._extended(parameters)
        base, of_network = self.model.network.to_base(s, self._context)
        log_jacobian = log_jacobian + of_network.double().numpy()
        idle, of_idle = self._of_idle(parameters, len(log_jacobian))
        return np.concatenate([base.double().numpy(), idle], axis=1), log_jacobian + of_idle

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Return the parameters at base coordinates (N, n + d), and a mask of the rows inside the user's prior."""
        count = len(self.model.family.keys)
        learnt, idle = np.split(base, [count + len(self.latent)], axis=1)
        s = self.model.network.from_base(torch.as_tensor(learnt, dtype=torch.float32), self._context)
        x, z = s[:, :count].double().numpy(), s[:, count:].double().numpy()
        of_prior = self._scales.from_network(stretched(self.model.location + self.model.scale * x))
        columns, inside = self._chart.inverse(np.nan_to_num(of_prior), rng)
        inside &= np.all(np.isfinite(of_prior), axis=1)
        parameters = self._masses.asked(columns)
        if self._idle.keys:
            parameters |= self._idle.inverse(idle, rng)[0]
            inside &= np.all(within_quantiles(idle), axis=1)
        filled = {key: np.full(len(base), value) for key, value in self.transform.from_median().items()}
        inside &= np.isfinite(self.transform.log_prob({**filled, **parameters}, self.keys))
        latent = {key: z[:, index] for index, key in enumerate(self.latent)}
        return {key: parameters[key] for key in self.keys} | latent, inside

    def encode(self, parameters: Parameters, rng: np.random.Generator) -> Parameters:
        """Draw latent variables by the encoder, as specified in :class:`~bilby_flowpe.proposals.charts.LatentChart`."""
        x, log_jacobian = self._to_network(parameters)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        z = self.model.network.encode(torch.nan_to_num(x), self._context, generator)
        # Out of the network's reach, any density of z is valid; draws of the prior need one.
        noise = torch.randn(z.shape, generator=generator, dtype=z.dtype)
        z = torch.where(torch.as_tensor(np.isfinite(log_jacobian))[:, None], z, noise).double()
        return {key: z[:, index].numpy() for index, key in enumerate(self.latent)}

    def log_encoder(self, parameters: Parameters) -> np.ndarray:
        """Return the log density of the latent variables given the parameters, (N,)."""
        s, log_jacobian = self._extended(parameters)
        log_prob = self.model.network.log_encoder(torch.nan_to_num(s), self._context).double().numpy()
        elsewhere = Normal(len(self.latent)).log_prob(np.stack([parameters[key] for key in self.latent], axis=1))
        return np.where(np.isfinite(log_jacobian), log_prob, elsewhere)

    def surprise(self, residual: float | None) -> Surprise | None:
        """Return how unlike the simulations the data are: :meth:`.model.FamilyModel.surprise`."""
        return self.model.surprise(self.seen.features, residual)

    def cut(self, parameters: Parameters, log_weights: np.ndarray) -> float:
        """Return the largest share of a posterior next to an edge of the family beyond which the user's prior goes on.

        Draws are next to an edge if they are nearer than one standard deviation of the posterior, and nearer than the
        prior's extension beyond it. About the same share of the posterior is then beyond the edge, where the network
        hardly draws.

        Parameters
        ----------
        parameters
            Draws of the posterior, (N,) each.
        log_weights
            Log weights of the draws, (N,).
        """
        alive = np.isfinite(log_weights)
        if not alive.any():
            return 0.0
        weights = np.exp(log_weights[alive] - log_weights[alive].max())
        weights /= weights.sum()
        draws = self.of_family({key: column[alive] for key, column in parameters.items()})
        prior = self.of_family(self.transform.sample(_OF_PRIOR, np.random.default_rng(_SEED)))
        shares = [0.0]
        for key in self.model.family.keys:
            column, own = draws[key], self.model.family.prior.priors[key]
            deviation = float(np.sqrt(np.cov(column, aweights=weights))) if len(column) > 1 else 0.0
            for beyond, inwards in (
                (own.minimum - prior[key].min(), column - own.minimum),
                (prior[key].max() - own.maximum, own.maximum - column),
            ):
                if beyond > 0:
                    shares.append(float(weights[inwards < min(deviation, beyond)].sum()))
        return max(shares)

    def of_family(self, parameters: Parameters) -> Parameters:
        """Return the same parameters with chirp mass and mass ratio."""
        return self._masses.of_family(parameters)[0]

    def _to_network(self, parameters: Parameters) -> tuple[torch.Tensor, np.ndarray]:
        """Return the network's coordinates of the learnt parameters, (N, n), and their log Jacobian, (N,)."""
        columns, of_masses = self._masses.of_family(parameters)
        base, log_jacobian = self._chart.forward({key: columns[key] for key in self.model.family.keys})
        scaled = self._scales.to_network(base)
        x = (squashed(scaled) - self.model.location) / self.model.scale
        log_jacobian = (
            log_jacobian
            + of_masses
            + log_slope(scaled)
            - self._scales.log_volume
            - float(np.sum(np.log(self.model.scale)))
        )
        there = np.isfinite(log_jacobian) & np.all(np.isfinite(x), axis=1)
        x = torch.as_tensor(np.where(there[:, None], x, 0.0), dtype=torch.float32)
        return x, np.where(there, log_jacobian, -np.inf)

    def _extended(self, parameters: Parameters) -> tuple[torch.Tensor, np.ndarray]:
        """Return the network's coordinates (x, z), (N, n + d), and the log Jacobian of x, (N,)."""
        x, log_jacobian = self._to_network(parameters)
        columns = [torch.as_tensor(parameters[key], dtype=x.dtype)[:, None] for key in self.latent]
        return torch.cat([x, *columns], dim=-1), log_jacobian

    def _of_idle(self, parameters: Parameters, size: int) -> tuple[np.ndarray, np.ndarray]:
        if not self._idle.keys:
            return np.empty((size, 0)), np.zeros(size)
        return self._idle.forward({key: parameters[key] for key in self._idle.keys})


def _view(
    model: FamilyModel,
    likelihood: GravitationalWaveTransient,
    row: Row,
    slots: tuple[int, ...],
    templates: Templates,
    climb: Climb,
) -> tuple[Seen, Gathered]:
    """Make the view of the event, and its data.

    Both are made again around the view's own wave if that fits far better than the wave of the row.
    """
    rng = np.random.default_rng(_SEED)
    for _ in range(_RESTARTED):
        gathered, phases = gathered_of(likelihood, row, templates, slots, model.family.highest)
        start = climb.base(np.array([[row[key] for key in (CHIRP_MASS, "mass_ratio", "chi_1", "chi_2")]]))[0]
        if model.family.precesses:
            seen = view_by_orders(gathered, phases, climb, start, rng)
        else:
            seen = coherent_view(gathered.about(phases), climb, start, rng)
        if seen.pivot.moved < _FARTHER:
            break
        row = {
            **row,
            **dict(zip((CHIRP_MASS, "mass_ratio", "chi_1", "chi_2"), map(float, seen.pivot.body), strict=True)),
        }
    return seen, gathered
