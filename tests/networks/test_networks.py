"""Tests that all families of networks keep the same contract."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import pytest
import torch

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.networks import NetworkConfig, compact, green2020
from bilby_flowpe.networks.base import ConditionalNetwork, log_normal
from bilby_flowpe.networks.families import FAMILIES, build_network
from bilby_flowpe.networks.layers import soft_log_scale
from bilby_flowpe.networks.made import normalising_layers

CONTEXT = 5
SMALL = NetworkConfig(
    transforms=2,
    hidden_features=(16, 16),
    embedding_features=12,
    embedding_blocks=1,
    bins=4,
    gaussian_features=(16, 16),
    latent=2,
    encoder_context=3,
)
VARIANTS = {
    **{name: replace(SMALL, family=name) for name in FAMILIES},
    "maf normalised": replace(SMALL, family="maf", batch_norm=True),
    "cvae+ normalised": replace(SMALL, family="cvae+", batch_norm=True, embedding_features=None),
    "cvae+ without encoder flow": replace(SMALL, family="cvae+", encoder_flow=False),
    "cvae+ without prior flow": replace(SMALL, family="cvae+", prior_flow=False),
    "cvae+ sees data": replace(SMALL, family="cvae+", encoder_flow_sees_data=True),
}


def make(variant: str, features: int = 3, seed: int = 0) -> ConditionalNetwork:
    """A small network whose weights are all away from their starting values, so that no layer is an identity."""
    torch.manual_seed(seed)
    network = build_network(features, CONTEXT, VARIANTS[variant])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for layer in normalising_layers(network):
            layer.mean.add_(0.1 * torch.randn_like(layer.mean))
            layer.variance.mul_(1.2)
    return network.eval()


def context_of(rows: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(rows, CONTEXT, generator=torch.Generator().manual_seed(seed))


def generator(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pairs(network: ConditionalNetwork, size: int, seed: int = 4) -> torch.Tensor:
    """Rows s = (x, z), not drawn from the network."""
    return torch.randn(size, network.features + network.latent, generator=generator(seed))


@pytest.fixture(params=list(VARIANTS))
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[name for name, config in VARIANTS.items() if not config.family.startswith("cvae")])
def tractable(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[name for name, config in VARIANTS.items() if config.family.startswith("cvae")])
def latent(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("features", [1, 3])
def test_shapes_and_types(family: str, features: int) -> None:
    network = make(family, features)
    x, context, d = torch.randn(7, features, generator=generator()), context_of(7), network.latent
    terms, loss = network.loss_terms(x, context), network.loss(x, context)
    assert set(terms) == ({"reconstruction", "kl"} if d else {"density"})
    torch.testing.assert_close(sum(terms.values()), loss)
    proposal = network.propose(context[:1], 11, generator())
    s = torch.cat([proposal.x, proposal.z], dim=-1)
    base, log_jacobian = network.to_base(s, context[:1])
    z, log_encoder = network.encode(x, context[:1], generator()), network.log_encoder(s, context[:1])
    assert (network.features, network.context) == (features, CONTEXT)
    shapes = [
        tuple(value.shape) for value in (loss, proposal.x, proposal.z, proposal.log_extended, base, log_jacobian, z)
    ]
    assert shapes == [(7,), (11, features), (11, d), (11,), (11, features + d), (11,), (7, d)]
    assert log_encoder.shape == (11,)
    values = (*terms.values(), loss, s, proposal.log_extended, base, log_jacobian, z, log_encoder)
    assert {value.dtype for value in values} == {torch.float32}
    assert all(torch.isfinite(value).all() for value in values)
    assert not any(value.requires_grad for value in (s, proposal.log_extended, base, log_jacobian, z, log_encoder))
    assert network.n_parameters == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("training", [False, True])
def test_gradients_reach_every_parameter(family: str, training: bool) -> None:
    network = make(family).train(training)
    network.loss(torch.randn(64, 3, generator=generator()), context_of(64), generator()).mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_groups_hold_every_parameter_once(family: str) -> None:
    network = make(family)
    groups = network.parameter_groups()
    assert sorted(id(p) for group in groups.values() for p in group) == sorted(id(p) for p in network.parameters())
    expected = {"gaussian": {"gaussian"}, "cvae": {"gaussian"}, "maf": {"flow"}, "nsf": {"flow"}}
    assert set(groups) == expected.get(network.config.family, {"gaussian", "flow"})


def test_loss_depends_on_the_data(family: str) -> None:
    network, x = make(family), torch.zeros(2, 3)
    context = context_of(2)
    one, other = (network.loss(x, row.expand(2, -1)).tolist() for row in context)
    assert one != other


def test_rows_do_not_see_each_other(family: str) -> None:
    network, x, context = make(family), torch.randn(6, 3, generator=generator()), context_of(6)
    # The noise of a row is that of its place, so that others change and it stays.
    others = torch.cat([x[:1], x[1:] + 1.0]), torch.cat([context[:1], context[1:] - 1.0])
    one, other = network.loss(x, context), network.loss(*others)
    torch.testing.assert_close(one[0], other[0], rtol=1e-5, atol=1e-5)
    assert not torch.isclose(one[1:], other[1:]).any()


def test_one_context_is_that_of_all_rows(family: str) -> None:
    network, context = make(family), context_of(1)
    s = pairs(network, 9)
    shared, expanded = network._to_base(s, context), network._to_base(s, context.expand(9, -1))
    for one, other in zip(shared, expanded, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_draws_follow_the_generator(family: str) -> None:
    network, context = make(family), context_of(1)
    torch.manual_seed(0)
    one, code = network.propose(context, 50, generator(3)), network.encode(torch.zeros(50, 3), context, generator(3))
    torch.manual_seed(1)
    same, other = network.propose(context, 50, generator(3)), network.propose(context, 50, generator(4))
    assert torch.equal(one.x, same.x)
    assert torch.equal(one.z, same.z)
    assert torch.equal(one.log_extended, same.log_extended)
    assert not torch.equal(one.x, other.x)
    assert torch.equal(code, network.encode(torch.zeros(50, 3), context, generator(3)))


def test_state_makes_the_network(family: str) -> None:
    network, other = make(family, seed=0), make(family, seed=1)
    before = other.propose(context_of(1), 20, generator())
    other.load_state_dict(network.state_dict())
    after, wanted = (one.propose(context_of(1), 20, generator()) for one in (other, network))
    assert not torch.equal(before.x, after.x)
    assert torch.equal(after.x, wanted.x)
    assert torch.equal(after.log_extended, wanted.log_extended)


def test_base_and_back(family: str) -> None:
    network, context = make(family), context_of(1)
    s = pairs(network, 300)
    torch.testing.assert_close(network.from_base(network.to_base(s, context)[0], context), s, rtol=1e-4, atol=1e-4)


def exact(network: ConditionalNetwork) -> ConditionalNetwork:
    return network.double()


def test_log_jacobian_is_that_of_automatic_differentiation(family: str) -> None:
    network, context = exact(make(family)), context_of(1).double()
    to_base = inspect.unwrap(type(network).to_base)  # without no_grad
    s = pairs(network, 5).double()
    _, log_jacobian = network.to_base(s, context)
    for row, found in zip(s, log_jacobian, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: to_base(network, v[None], context)[0][0], row)
        torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, found, rtol=1e-8, atol=1e-8)


def test_proposal_is_a_standard_normal_in_the_base(family: str) -> None:
    network, context = make(family), context_of(1)
    proposal = network.propose(context, 400, generator(7))
    base, log_jacobian = network.to_base(torch.cat([proposal.x, proposal.z], dim=-1), context)
    torch.testing.assert_close(log_normal(base) + log_jacobian, proposal.log_extended)
    drawn = torch.randn(400, 3 + network.latent, generator=generator(7))
    torch.testing.assert_close(base, drawn, rtol=1e-4, atol=1e-4)


def test_autocast_keeps_precision_at_both_ends(family: str) -> None:
    network = make(family)
    x, context = torch.randn(256, 3, generator=generator()), context_of(256)
    exact = network.loss(x, context)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = network.loss(x, context)
        drawn = network.propose(context[:1], 8, generator())
    rounded.mean().backward()
    assert {rounded.dtype, drawn.x.dtype, drawn.log_extended.dtype} == {torch.float32}
    assert {parameter.grad.dtype for parameter in network.parameters()} == {torch.float32}
    # Hidden layers are rounded to 8 bits, 0.4%, in each of a few layers of values of order one.
    assert float((rounded - exact).detach().abs().mean()) < 0.05
    assert float(rounded.detach().mean()) == pytest.approx(float(exact.detach().mean()), abs=0.02)
    assert not torch.equal(rounded, exact)


# Families with a tractable density --------------------------------------------------------------------------------------


def test_loss_and_draws_agree_with_the_density(tractable: str) -> None:
    network = make(tractable)
    x, context = torch.randn(9, 3, generator=generator()), context_of(9)
    torch.testing.assert_close(network.loss(x, context), -network.log_prob(x, context))
    proposal = network.propose(context[:1], 200, generator())
    recomputed = network.log_prob(proposal.x, context[:1].expand(200, -1))
    torch.testing.assert_close(proposal.log_q, recomputed, rtol=1e-5, atol=1e-5)


def plane(network: ConditionalNetwork, width: float = 12.0, points: int = 481) -> tuple[torch.Tensor, torch.Tensor]:
    """A grid over a square (points, points, 2) and the density times the cell's area on it."""
    axis = torch.linspace(-width, width, points)
    x = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    with torch.no_grad():
        log_q = network.log_prob(x.reshape(-1, 2), context_of(1))
    return x, log_q.exp().reshape(points, points).double() * float(axis[1] - axis[0]) ** 2


def test_density_integrates_to_one(tractable: str) -> None:
    # The density is smooth but for the kinks of ReLU and spline knots, where the sum over cells of 0.05 errs by about the
    # cell squared, 2e-3; nothing of a unit normal stretched by less than three is outside 12.
    _, mass = plane(make(tractable, features=2))
    assert float(mass.sum()) == pytest.approx(1.0, abs=5e-3)


def check_draws(draws: torch.Tensor, x: torch.Tensor, mass: torch.Tensor, limit: float) -> None:
    """Counts in the cells of a coarse grid against a density integrated over them."""
    edges = torch.tensor([-1.025, -0.325, 0.325, 1.025])  # half-way between points of the grid

    def cell(values: torch.Tensor) -> torch.Tensor:
        first, second = (torch.bucketize(values[..., i].contiguous(), edges) for i in range(2))
        return (first * 5 + second).flatten()

    expected = torch.zeros(25, dtype=torch.float64).index_add_(0, cell(x), mass.flatten()) * len(draws)
    counts = torch.bincount(cell(draws), minlength=25).double()
    used = expected > 10
    assert used.sum() > 8
    assert float((((counts - expected) ** 2) / expected)[used].sum()) < limit


def test_draws_are_distributed_as_the_density(tractable: str) -> None:
    network = make(tractable, features=2)
    x, mass = plane(network)
    # The 99.9% point of chi^2 with 24 degrees of freedom is 51, and the quadrature is good to 5e-3 of 20000 draws in all;
    # draws of another density miss by thousands.
    check_draws(network.propose(context_of(1), 20_000, generator()).x, x, mass, 60)


# Families with latent variables -----------------------------------------------------------------------------------------


def test_encoder_density_is_that_of_its_draws(latent: str) -> None:
    """log q(z) = log N(u) - log |det dz/du|, the Jacobian of the draw by automatic differentiation."""
    network, context = exact(make(latent)), context_of(1).double()
    shared = network.embedding(context)
    for row in pairs(network, 5).double():
        x, u = row.split([network.features, network.latent])
        draw = lambda v: network.encoder.draw(v[None], x[None], shared)[0][0]  # noqa: B023, E731
        logdet = torch.linalg.slogdet(torch.autograd.functional.jacobian(draw, u)).logabsdet
        found = network.log_encoder(torch.cat([x, draw(u)])[None], context)
        torch.testing.assert_close(found, log_normal(u[None]) - logdet, rtol=1e-8, atol=1e-8)


def test_encode_draws_from_the_encoder(latent: str) -> None:
    network, context = make(latent), context_of(1)
    x = torch.randn(1, 3, generator=generator()).expand(20_000, -1)
    axis = torch.linspace(-12, 12, 481)
    z = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    s = torch.cat([x[:1].expand(z[..., 0].numel(), -1), z.reshape(-1, 2)], dim=-1)
    mass = network.log_encoder(s, context).exp().reshape(481, 481).double() * 0.05**2
    assert float(mass.sum()) == pytest.approx(1.0, abs=5e-3)
    check_draws(network.encode(x, context, generator()), z, mass, 60)


def test_terms_are_the_densities(latent: str) -> None:
    """Reconstruction and KL from the public densities alone: at the same draw of z, -log p(x|z,y) and log q - log p(z|y)."""
    network, x, context = make(latent), torch.randn(50, 3, generator=generator()), context_of(1)
    terms = network.loss_terms(x, context.expand(50, -1), generator(5))
    s = torch.cat([x, network.encode(x, context, generator(5))], dim=-1)
    base, log_jacobian = network.to_base(s, context)
    log_joint = log_normal(base) + log_jacobian
    torch.testing.assert_close(sum(terms.values()), network.log_encoder(s, context) - log_joint, rtol=1e-4, atol=1e-4)
    of_prior, log_jacobian_z = network.prior.to_base(s[:, 3:], None, network.embedding(context))
    of_encoder = network.log_encoder(s, context)
    torch.testing.assert_close(terms["kl"], of_encoder - log_normal(of_prior) - log_jacobian_z, rtol=1e-4, atol=1e-4)


def test_evaluation_is_reproducible_and_training_is_not(latent: str) -> None:
    network, x, context = make(latent), torch.randn(50, 3, generator=generator()), context_of(50)
    torch.manual_seed(0)
    one = network.loss(x, context)
    torch.manual_seed(1)
    assert torch.equal(network.loss(x, context), one)
    assert not torch.equal(network.loss(x, context, generator(1)), one)
    if not normalising_layers(network):
        network.train()
        assert not torch.equal(network.loss(x, context), network.loss(x, context))
        assert torch.equal(network.loss(x, context, generator(1)), network.eval().loss(x, context, generator(1)))


def test_density_estimate_is_the_marginal(latent: str) -> None:
    """Against the joint density summed over a plane of z."""
    network, context = make(latent).requires_grad_(False), context_of(1)
    x = torch.randn(4, 3, generator=generator())
    axis = torch.linspace(-10, 10, 201)
    z = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(-1, 2)
    estimate = network.log_prob(x, context, samples=4000, generator=generator())
    torch.testing.assert_close(network.log_prob(x, context.expand(4, -1), 4000, generator()), estimate)
    for row, found in zip(x, estimate, strict=True):
        base, log_jacobian = network.to_base(torch.cat([row.expand(len(z), -1), z], dim=-1), context)
        summed = float((log_normal(base) + log_jacobian).double().logsumexp(dim=0)) + 2 * math.log(0.1)
        # An untrained encoder has weights that vary by about one: 1 / sqrt(4000) = 0.016.
        assert float(found) == pytest.approx(summed, abs=0.1)
    # The bound (equation 12): one sample does worse in the mean.
    bound = torch.stack([-network.loss(x, context.expand(4, -1), generator(i)) for i in range(100)]).mean(dim=0)
    assert (bound < estimate + 0.02).all()


def test_density_of_x_alone_is_not_claimed(latent: str) -> None:
    proposal = make(latent).propose(context_of(1), 5, generator())
    with pytest.raises(ConfigurationError, match="log_q is not known for draws with 2 latent variables"):
        _ = proposal.log_q


# What may depend on what (section II D) ---------------------------------------------------------------------------------


def without_data(layer: torch.nn.Linear, columns: int) -> None:
    """Cut the inputs after the first ``columns``."""
    with torch.no_grad():
        layer.weight[:, columns:] = 0


def encoder_gradients(network: ConditionalNetwork) -> tuple[float, float, float]:
    """Largest derivatives of z by x, by the data and by the base."""
    x, shared, base = (torch.randn(8, k, generator=generator(k), requires_grad=True) for k in (3, 12, 2))
    z, _ = network.encoder.draw(base, x, shared)
    found = torch.autograd.grad(z.square().sum(), (x, shared, base), allow_unused=True)
    return tuple(0.0 if gradient is None else float(gradient.abs().max()) for gradient in found)


@pytest.mark.parametrize("sees_data", [False, True])
def test_encoder_flow_is_conditioned_on_x_and_h(sees_data: bool) -> None:
    network = make("cvae+ sees data" if sees_data else "cvae+")
    assert min(encoder_gradients(network)) > 0
    moments = network.encoder.gaussian.network.layers
    # The Gaussian with its h cut off the data: what is left of their influence is the flow's own.
    without_data(moments[0], 3)
    by_x, by_data, by_base = encoder_gradients(network)
    assert by_x > 0
    assert by_base > 0
    assert (by_data > 0) == sees_data
    # Cut off x, too: the flow sees it by itself.
    without_data(moments[0], 0)
    assert encoder_gradients(network)[0] > 0


def test_encoder_context_reaches_the_flow() -> None:
    network = make("cvae+")
    last = network.encoder.gaussian.network.layers[-1]
    assert last.out_features == 2 + 2 + SMALL.encoder_context
    with torch.no_grad():  # mean and scale are constant, h alone carries the data
        last.weight[:4] = 0
    assert encoder_gradients(network)[1] > 0
    with torch.no_grad():
        last.weight[4:] = 0
    assert encoder_gradients(network)[1] == 0


@pytest.mark.parametrize("part", ["gaussian", "flow"])
def test_prior_sees_the_data_and_the_decoder_z_too(part: str) -> None:
    """Both in the Gaussian and in the flow: the other of the two is taken out."""
    network = make("cvae+")
    x, z, shared = (torch.randn(8, k, generator=generator(k), requires_grad=True) for k in (3, 2, 12))

    def base(density: torch.nn.Module, value: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
        return (
            getattr(density, part)(value, rows, shared)[0]
            if part == "flow"
            else density.gaussian.to_base(value, rows, shared)[0]
        )

    by_data = torch.autograd.grad(base(network.prior, z.detach(), None).square().sum(), shared)[0]
    by_z, by_data_of_decoder = torch.autograd.grad(base(network.decoder, x.detach(), z).square().sum(), (z, shared))
    assert all(float(gradient.abs().max()) > 0 for gradient in (by_data, by_z, by_data_of_decoder))


def test_prior_does_not_see_x(latent: str) -> None:
    """The base of z is the same whatever x."""
    network, context = make(latent), context_of(1)
    s = pairs(network, 6)
    other = s.clone()
    other[:, :3] += 1.0
    one, another = network.to_base(s, context)[0], network.to_base(other, context)[0]
    assert torch.equal(one[:, 3:], another[:, 3:])
    assert not torch.isclose(one[:, :3], another[:, :3]).all(dim=1).any()


def test_units_are_autoregressive_in_alternating_order() -> None:
    network = make("cvae+")
    for position, unit in enumerate(network.decoder.flow.units):
        x = torch.randn(3, generator=generator())
        transform = unit(torch.randn(2 + 12, generator=generator()))
        jacobian = torch.autograd.functional.jacobian(transform, x)
        above = jacobian.triu(1) if position % 2 == 0 else jacobian.tril(-1)
        assert not above.any()
        assert jacobian.diagonal().all()


def test_frozen_prior_gets_no_gradient() -> None:
    network = build_network(3, CONTEXT, replace(SMALL, family="cvae+", freeze_prior=True))
    network.loss(torch.randn(16, 3), context_of(16)).mean().backward()
    frozen = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert frozen == [name for name, _ in network.named_parameters() if name.startswith("prior.gaussian.")]
    held = {id(p) for group in network.parameter_groups().values() for p in group}
    assert not held & {id(p) for p in network.prior.gaussian.parameters()}
    assert network.n_parameters < build_network(3, CONTEXT, replace(SMALL, family="cvae+")).n_parameters


# Configuration ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"transforms": 0}, r"transforms=0"),
        ({"transforms": 1.5}, r"transforms=1.5"),
        ({"hidden_features": ()}, r"hidden_features=\(\)"),
        ({"hidden_features": (16, -1)}, r"hidden_features\[1\]=-1"),
        ({"gaussian_features": (0,)}, r"gaussian_features\[0\]=0"),
        ({"embedding_features": 0}, r"embedding_features=0"),
        ({"embedding_blocks": -1}, r"embedding_blocks=-1"),
        ({"bins": 0}, r"bins=0"),
        ({"latent": 0}, r"latent=0"),
        ({"encoder_context": 0}, r"encoder_context=0"),
    ],
)
def test_sizes_are_checked(values: dict, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        NetworkConfig(**values)


def test_unknown_family_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'nonsense'.*cvae\+.*gaussian.*maf.*nsf"):
        build_network(2, CONTEXT, replace(SMALL, family="nonsense"))


def test_config_round_trip() -> None:
    config = replace(green2020("cvae+", 8), embedding_blocks=0)
    assert NetworkConfig.from_dict(config.to_dict()) == config


def test_former_models_are_read() -> None:
    """Configuration and weights as they were before there were other families."""
    config = NetworkConfig.from_dict(
        {
            "family": "maf",
            "transforms": 2,
            "hidden_features": [16, 16],
            "embedding_features": 12,
            "embedding_blocks": 1,
            "bins": 8,
        }
    )
    assert config.family == "maf"
    network, other = make("maf", seed=0), make("maf", seed=1)
    former = {"flow.base.loc": torch.zeros(3), "flow.base.scale": torch.ones(3)} | {
        key.replace("flow.units.", "flow.transform.transforms."): value for key, value in network.state_dict().items()
    }
    other.load_state_dict(former)
    x, context = torch.randn(5, 3, generator=generator()), context_of(5)
    assert torch.equal(network.log_prob(x, context), other.log_prob(x, context))


@pytest.mark.parametrize(
    ("family", "parameters", "published"),
    [("cvae", 5, 31.6e6), ("maf", 5, 4.0e6), ("cvae+", 5, 18.8e6), ("cvae+", 8, 25.2e6)],
)
def test_sizes_are_those_of_the_paper(family: str, parameters: int, published: float) -> None:
    """Table II and section IV, with the 1024 samples of the series as y, counted as there.

    The paper counts weights, half of a masked matrix: ours are 60% unmasked for n = 5, since the units that see the data alone
    are there, too.
    """
    network = build_network(parameters, 1024, green2020(family, parameters))
    masked = [m for m in network.modules() if hasattr(m, "mask")]
    unmasked = {id(m.weight) for m in masked}
    halves = 0.0
    for matrix in (p for p in network.parameters() if p.requires_grad and p.ndim == 2):
        halves += matrix.numel() / 2 if id(matrix) in unmasked and matrix.shape[1] == 512 else matrix.numel()
    print(f"{family} {parameters}-D: {halves / 1e6:.1f}e6 as the paper counts, {published / 1e6:.1f}e6 published")
    assert halves == pytest.approx(published, rel=0.012)


def test_weights_without_masked_ones() -> None:
    network = make("maf")
    by_hand = sum(int(m.mask.sum()) for m in network.modules() if hasattr(m, "mask"))
    by_hand += sum(p.numel() for p in network.embedding.parameters() if p.ndim == 2)
    assert network.n_weights == by_hand < network.n_parameters


def test_presets() -> None:
    assert compact() == NetworkConfig()
    assert compact("cvae+").transforms == 3
    with pytest.raises(ConfigurationError, match="parameters=6"):
        green2020("maf", 6)


def test_scales_are_bent_between_their_bounds() -> None:
    """``x / (1 + |x| / ln 1e4)``: straight about nothing, half of the bound at the bound, never beyond."""
    widest = math.log(1e4)
    value = torch.tensor([-1e9, -widest, -0.01, 0.0, 0.01, widest, 1e9], dtype=torch.float64)
    expected = [-widest, -widest / 2, -0.01 / (1 + 0.01 / widest), 0.0, 0.01 / (1 + 0.01 / widest), widest / 2, widest]
    assert soft_log_scale(value).tolist() == pytest.approx(expected, rel=1e-6)
