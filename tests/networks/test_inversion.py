"""Inversion level by level against zuko's whole passes."""

from __future__ import annotations

import pytest
import torch
from zuko.flows.autoregressive import MaskedAutoregressiveTransform

from bilby_flowpe.networks import made
from bilby_flowpe.networks.inversion import UnitInverse
from bilby_flowpe.networks.made import AutoregressiveStack, BatchNorm, spline

SHARED = 4


def unit_of(features: int, context: int, hidden: tuple[int, ...], seed: int, **options: object) -> torch.nn.Module:
    torch.manual_seed(seed)
    unit = MaskedAutoregressiveTransform(features, context, hidden_features=hidden, **options)
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return unit


@pytest.mark.parametrize("kind", ["affine", "spline"])
@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("hidden", [(16,), (33, 20), (24, 24, 24)])
@pytest.mark.parametrize("features", [1, 2, 5, 16])
def test_agrees_with_whole_passes(features: int, hidden: tuple[int, ...], rows: int, kind: str) -> None:
    options = spline(4) if kind == "spline" else {}
    for seed in range(3):
        order = torch.randperm(features, generator=torch.Generator().manual_seed(seed))
        unit = unit_of(features, rows + SHARED, hidden, seed, order=order, **options)
        y, shared, conditions = torch.randn(40, features), torch.randn(1, SHARED), torch.randn(40, rows)
        with torch.no_grad():
            expected = unit(torch.cat([conditions, shared.expand(40, -1)], dim=-1)).inv(y)
            found = UnitInverse(unit, rows, shared)(y.T.contiguous(), conditions.T if rows else None).T
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_columns_may_share_a_level(passes: int) -> None:
    unit = unit_of(5, SHARED, (16, 16), 0, passes=passes)
    y, shared = torch.randn(40, 5), torch.randn(1, SHARED)
    with torch.no_grad():
        expected = unit(shared.expand(40, -1)).inv(y)
        torch.testing.assert_close(UnitInverse(unit, 0, shared)(y.T, None).T, expected, rtol=1e-5, atol=1e-5)


def test_other_activations() -> None:
    unit = unit_of(4, SHARED, (16, 16), 0, activation=torch.nn.ELU)
    y, shared = torch.randn(40, 4), torch.randn(1, SHARED)
    with torch.no_grad():
        expected = unit(shared.expand(40, -1)).inv(y)
        torch.testing.assert_close(UnitInverse(unit, 0, shared)(y.T, None).T, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("from_base", [False, True])
@pytest.mark.parametrize("conditions", ["rows", "shared", "both", "data a row"])
def test_stack_and_back(conditions: str, from_base: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "BLOCK", 16)  # several blocks, the last one short
    torch.manual_seed(0)
    rows = torch.randn(50, 3) if conditions in ("rows", "both") else None
    shared = {"rows": None, "data a row": torch.randn(50, 4)}.get(conditions, torch.randn(1, 4))
    sizes = (0 if rows is None else 3, 0 if shared is None else 4)
    stack = AutoregressiveStack(6, *sizes, 3, (20, 20), batch_norm=True, from_base=from_base).eval()
    for norm in stack.norms:
        norm.mean.normal_()
        norm.variance.uniform_(0.5, 2.0)
    x = torch.randn(50, 6)
    with torch.no_grad():
        y, _ = stack(x, rows, shared)
    torch.testing.assert_close(stack.invert(y, rows, shared), x, rtol=1e-5, atol=1e-5)
    kinds = [type(layer) is BatchNorm for layer in stack._layers()]
    assert kinds == [from_base, not from_base] * 3


def test_autocast_does_not_round() -> None:
    torch.manual_seed(0)
    stack, y, shared = AutoregressiveStack(4, 0, SHARED, 2, (16, 16)), torch.randn(20, 4), torch.randn(1, SHARED)
    plain = stack.invert(y, None, shared)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(stack.invert(y, None, shared), plain)


def test_batch_norm_is_an_affine_map_with_its_jacobian() -> None:
    torch.manual_seed(0)
    norm, x = BatchNorm(3).requires_grad_(False), torch.randn(200, 3) * 2 + 1
    norm.log_gamma.normal_()
    norm.beta.normal_()
    y, log_jacobian = norm(x)
    torch.testing.assert_close(y.mean(dim=0), norm.beta, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(y.std(dim=0, correction=0), norm.log_gamma.exp(), atol=1e-4, rtol=1e-4)
    assert float(log_jacobian) == pytest.approx(float((y.std(dim=0) / x.std(dim=0)).log().sum()), abs=1e-4)
    norm.moments = []
    for batch in x.split(50):
        norm(batch)
    norm.settle()
    torch.testing.assert_close(norm.mean, x.mean(dim=0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(norm.variance, x.var(dim=0, correction=0), atol=1e-4, rtol=1e-4)
    norm.eval()
    torch.testing.assert_close(norm(x)[0], y, atol=1e-4, rtol=1e-4)
