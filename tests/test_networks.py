"""One contract for every family of networks, whatever it is made of."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.networks import FAMILIES, ConditionalNetwork, NetworkConfig, build_network

CONTEXT = 5
SMALL = NetworkConfig(transforms=2, hidden_features=(16, 16), embedding_features=12, embedding_blocks=1, bins=4)


def make(family: str, features: int = 3, seed: int = 0) -> ConditionalNetwork:
    """A small network whose weights are all away from their starting values, so that no layer is an identity."""
    torch.manual_seed(seed)
    network = build_network(features, CONTEXT, replace(SMALL, family=family))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def context_of(rows: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(rows, CONTEXT, generator=torch.Generator().manual_seed(seed))


def generator(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("features", [1, 3])
def test_shapes_and_types(family: str, features: int) -> None:
    network = make(family, features)
    x, context = torch.randn(7, features, generator=generator()), context_of(7)
    loss = network.loss(x, context)
    proposal = network.propose(context[:1], 11, generator())
    assert (network.features, network.context) == (features, CONTEXT)
    assert (loss.shape, proposal.x.shape, proposal.log_q.shape) == ((7,), (11, features), (11,))
    assert {loss.dtype, proposal.x.dtype, proposal.log_q.dtype} == {torch.float32}
    assert all(torch.isfinite(value).all() for value in (loss, proposal.x, proposal.log_q))
    assert not proposal.x.requires_grad
    assert network.n_parameters == sum(parameter.numel() for parameter in network.parameters())


def test_gradients_reach_every_parameter(family: str) -> None:
    network = make(family)
    network.loss(torch.randn(64, 3, generator=generator()), context_of(64)).mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_loss_depends_on_the_data(family: str) -> None:
    network, x = make(family), torch.zeros(2, 3)
    one, other = network.loss(x, context_of(2)).tolist()
    assert one != other


def test_rows_do_not_see_each_other(family: str) -> None:
    network, x, context = make(family), torch.randn(6, 3, generator=generator()), context_of(6)
    alone = torch.cat([network.loss(x[i : i + 1], context[i : i + 1]) for i in range(6)])
    # Other batch sizes sum in another order: a few units in the last place of float32.
    torch.testing.assert_close(network.loss(x, context), alone, rtol=1e-5, atol=1e-5)


def test_draws_follow_the_generator(family: str) -> None:
    network, context = make(family), context_of(1)
    torch.manual_seed(0)
    one = network.propose(context, 50, generator(3))
    torch.manual_seed(1)
    same, other = network.propose(context, 50, generator(3)), network.propose(context, 50, generator(4))
    assert torch.equal(one.x, same.x)
    assert torch.equal(one.log_q, same.log_q)
    assert not torch.equal(one.x, other.x)


def test_state_makes_the_network(family: str) -> None:
    network, other = make(family, seed=0), make(family, seed=1)
    before = other.propose(context_of(1), 20, generator())
    other.load_state_dict(network.state_dict())
    after, wanted = (one.propose(context_of(1), 20, generator()) for one in (other, network))
    assert not torch.equal(before.x, after.x)
    assert torch.equal(after.x, wanted.x)
    assert torch.equal(after.log_q, wanted.log_q)


# Densities: every family whose loss is minus its log density -----------------------------------------------------------


def density(network: ConditionalNetwork) -> ConditionalNetwork:
    if not hasattr(network, "log_prob"):
        pytest.skip("no tractable density")
    return network


def test_loss_and_draws_agree_with_the_density(family: str) -> None:
    network = density(make(family))
    x, context = torch.randn(9, 3, generator=generator()), context_of(9)
    torch.testing.assert_close(network.loss(x, context), -network.log_prob(x, context))
    proposal = network.propose(context[:1], 200, generator())
    recomputed = network.log_prob(proposal.x, context[:1].expand(200, -1))
    torch.testing.assert_close(proposal.log_q, recomputed, rtol=1e-5, atol=1e-5)


def test_density_is_that_of_its_transform(family: str) -> None:
    """log q(x) = log N(u(x)) + log |det du/dx| with the Jacobian taken by automatic differentiation, in float64."""
    network = density(make(family)).double()
    for module in network.modules():  # first and last layers insist on float32: take that off
        if type(module).__name__.startswith("_Precise"):
            module.__class__ = type(module).__mro__[1]
    transform = network.flow(network.embedding(context_of(1).double())[0]).transform
    context = context_of(1).double()
    for x in torch.randn(5, 3, generator=generator(), dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(transform, x)
        u = transform(x)
        expected = -0.5 * (u**2).sum() - 1.5 * math.log(2 * math.pi) + torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(network.log_prob(x[None], context)[0], expected, rtol=1e-8, atol=1e-8)


def plane(network: ConditionalNetwork, width: float = 12.0, points: int = 481) -> tuple[torch.Tensor, torch.Tensor]:
    """A grid over a square (points, points, 2) and the density times the cell's area on it."""
    axis = torch.linspace(-width, width, points)
    x = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    with torch.no_grad():
        log_q = network.log_prob(x.reshape(-1, 2), context_of(1).expand(points**2, -1))
    return x, log_q.exp().reshape(points, points).double() * float(axis[1] - axis[0]) ** 2


def test_density_integrates_to_one(family: str) -> None:
    # The density is smooth but for the kinks of ReLU and spline knots, where the sum over cells of 0.05 errs by about the
    # cell squared, 2e-3; nothing of a unit normal stretched by less than three is outside 12.
    _, mass = plane(density(make(family, features=2)))
    assert float(mass.sum()) == pytest.approx(1.0, abs=5e-3)


def test_draws_are_distributed_as_the_density(family: str) -> None:
    """Counts in the cells of a coarse grid against the density integrated over them."""
    network = density(make(family, features=2))
    x, mass = plane(network)
    size = 20_000
    draws = network.propose(context_of(1), size, generator()).x
    edges = torch.tensor([-1.025, -0.325, 0.325, 1.025])  # half-way between points of the grid

    def cell(values: torch.Tensor) -> torch.Tensor:
        first, second = (torch.bucketize(values[..., i].contiguous(), edges) for i in range(2))
        return (first * 5 + second).flatten()

    expected = torch.zeros(25, dtype=torch.float64).index_add_(0, cell(x), mass.flatten()) * size
    counts = torch.bincount(cell(draws), minlength=25).double()
    used = expected > 10
    chi_squared = float((((counts - expected) ** 2) / expected)[used].sum())
    # The 99.9% point of chi^2 with 24 degrees of freedom is 51, and the quadrature is good to 5e-3 of 20000 draws in all;
    # draws of another density miss by thousands.
    assert used.sum() > 8
    assert chi_squared < 60


def test_autocast_keeps_precision_at_both_ends(family: str) -> None:
    network = make(family)
    x, context = torch.randn(256, 3, generator=generator()), context_of(256)
    exact = network.loss(x, context)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = network.loss(x, context)
        drawn = network.propose(context[:1], 8, generator())
    rounded.mean().backward()
    assert {rounded.dtype, drawn.x.dtype, drawn.log_q.dtype} == {torch.float32}
    assert {parameter.grad.dtype for parameter in network.parameters()} == {torch.float32}
    # Hidden layers are rounded to 8 bits, 0.4%, in each of a few layers of values of order one.
    assert float((rounded - exact).detach().abs().mean()) < 0.05
    assert float(rounded.detach().mean()) == pytest.approx(float(exact.detach().mean()), abs=0.02)
    assert not torch.equal(rounded, exact)


# Configuration ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"transforms": 0}, r"transforms=0"),
        ({"transforms": 1.5}, r"transforms=1.5"),
        ({"hidden_features": ()}, r"hidden_features=\(\)"),
        ({"hidden_features": (16, -1)}, r"hidden_features\[1\]=-1"),
        ({"embedding_features": 0}, r"embedding_features=0"),
        ({"embedding_blocks": -1}, r"embedding_blocks=-1"),
        ({"bins": 0}, r"bins=0"),
    ],
)
def test_sizes_are_checked(values: dict, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        NetworkConfig(**values)


def test_unknown_family_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'nonsense'.*maf.*nsf"):
        build_network(2, CONTEXT, replace(SMALL, family="nonsense"))


def test_config_round_trip() -> None:
    config = replace(SMALL, family="nsf")
    assert NetworkConfig.from_dict(config.to_dict()) == config
