"""The training loop on a linear-Gaussian toy, whose conditional density and entropy are known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.networks import ConditionalNetwork, NetworkConfig, build_network
from bilby_flowpe.training import Batch, History, TrainingConfig, train

RESPONSE = np.array([[1.0, 0.4], [-0.3, 0.8], [0.5, 0.5]])
NOISE = 0.5
# x ~ N(0, 1) and y = RESPONSE x + NOISE n: the posterior of x has this covariance and this entropy, whatever y is.
COVARIANCE = np.linalg.inv(np.eye(2) + RESPONSE.T @ RESPONSE / NOISE**2)
ENTROPY = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * COVARIANCE)[1]

TINY = TrainingConfig(
    max_steps=40, max_time=None, batch_size=64, validation_size=256, validations=10, patience=100, bf16=False
)


class Toy:
    """Source of batches with its generator."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.calls = 0

    def __call__(self, size: int) -> Batch:
        self.calls += 1
        x = self.rng.standard_normal((size, 2))
        y = x @ RESPONSE.T + NOISE * self.rng.standard_normal((size, 3))
        return Batch(*(torch.as_tensor(v, dtype=torch.float32) for v in (x, y)), np.full(size, 0.25))

    def state(self) -> dict:
        return {"numpy": self.rng.bit_generator.state}

    def set_state(self, state: dict) -> None:
        self.rng.bit_generator.state = state["numpy"]


def network(seed: int = 0) -> ConditionalNetwork:
    torch.manual_seed(seed)
    return build_network(2, 3, NetworkConfig(transforms=2, hidden_features=(32,), embedding_features=32))


def run(
    config: TrainingConfig, net: ConditionalNetwork, toy: Toy | None = None, checkpoint: Path | None = None
) -> History:
    toy = toy or Toy()
    validation = Toy(seed=1)(config.validation_size)
    return train(net, toy, validation, config, toy.state, toy.set_state, checkpoint, progress=False)


def exact_loss(batch: Batch) -> np.ndarray:
    """-log p(x | y) of each row."""
    x, y = batch.x.double().numpy(), batch.context.double().numpy()
    residual = x - y @ (COVARIANCE @ RESPONSE.T / NOISE**2).T
    quadratic = np.einsum("ni,ij,nj->n", residual, np.linalg.inv(COVARIANCE), residual)
    return 0.5 * quadratic + 0.5 * np.linalg.slogdet(2 * np.pi * COVARIANCE)[1]


def test_loss_approaches_the_entropy() -> None:
    config = replace(TINY, max_steps=600, batch_size=256, validation_size=8192, validations=5, learning_rate=5e-3)
    net = network()
    history = run(config, net)
    loss, validation = history.validation_loss[history.best], Toy(seed=1)(8192)
    # Half a chi^2 of two degrees of freedom scatters by 1 nat a row: the loss by 1 / sqrt(8192) = 0.011.
    assert loss == pytest.approx(ENTROPY, abs=4 * 0.011 + 0.03)
    # Row by row the noise cancels, and what is left is KL >= 0: that of a fit to the 1.5e5 rows seen, about one over the
    # rows for each of the twenty coefficients that matter, is small against 0.03.
    with torch.no_grad():
        gap = net.loss(validation.x, validation.context).double().numpy() - exact_loss(validation)
    error = np.std(gap) / len(gap) ** 0.5
    assert -4 * error < np.mean(gap) < 0.03
    # The network is left with the weights that were best.
    assert np.mean(gap) + np.mean(exact_loss(validation)) == pytest.approx(loss, abs=1e-4)
    assert history.validation_loss_paper[history.best] == pytest.approx(loss + 0.25, abs=1e-9)


class Interrupted(Exception):
    pass


class FailingToy(Toy):
    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def __call__(self, size: int) -> Batch:
        if self.calls == self.after:
            raise Interrupted
        return super().__call__(size)


def but_seconds(history: History) -> dict:
    return {key: value for key, value in history.to_dict().items() if key != "seconds"}


@pytest.mark.parametrize("after", [3, 17, 31])
def test_resumed_training_is_the_uninterrupted_one(tmp_path: Path, after: int) -> None:
    whole = network()
    config = replace(TINY, checkpoint_every=0.0)
    history = run(config, whole)
    checkpoint = tmp_path / "training.ckpt"
    with pytest.raises(Interrupted):
        run(config, network(), FailingToy(after), checkpoint)
    # Other weights and another generator to begin with: everything has to come from the checkpoint.
    resumed = network(seed=5)
    continued = run(config, resumed, Toy(seed=99), checkpoint)
    assert but_seconds(continued) == but_seconds(history)
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key


def test_checkpoint_of_another_recipe_is_not_resumed(tmp_path: Path) -> None:
    checkpoint = tmp_path / "training.ckpt"
    with pytest.raises(Interrupted):
        run(replace(TINY, checkpoint_every=0.0), network(), FailingToy(10), checkpoint)
    other = replace(TINY, learning_rate=2e-3)
    assert but_seconds(run(other, network(), checkpoint=checkpoint)) == but_seconds(run(other, network()))


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_unreadable_checkpoint_is_passed_over(tmp_path: Path, content: bytes) -> None:
    checkpoint = tmp_path / "training.ckpt"
    checkpoint.write_bytes(content)
    assert but_seconds(run(TINY, network(), checkpoint=checkpoint)) == but_seconds(run(TINY, network()))


def test_training_stops_early_and_keeps_the_best() -> None:
    """A learning rate that destroys the network: the first validation is the best one."""
    net = network()
    # Average and weights are the same, so that the state kept is that of one step.
    config = replace(TINY, max_steps=400, validations=100, patience=3, learning_rate=3.0, average=0.0, clip=1e9)
    history = run(config, net)
    assert len(history.step) == history.best + 1 + config.patience
    assert history.step[-1] < config.max_steps
    assert history.validation_loss[history.best] == min(history.validation_loss)
    with torch.no_grad():
        validation = Toy(seed=1)(config.validation_size)
        kept = float(net.loss(validation.x, validation.context).double().mean())
    assert kept == pytest.approx(history.validation_loss[history.best], rel=1e-5)
    assert not net.training


def test_a_loss_that_is_not_a_number_is_never_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    validation = Toy(seed=1)(TINY.validation_size)
    validations = iter([math.nan, 5.0, math.nan, 4.0])
    plain = type(net).loss

    def loss(self: ConditionalNetwork, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        rows = plain(self, x, context)
        return rows if self.training else rows * 0 + next(validations)

    monkeypatch.setattr(type(net), "loss", loss)
    toy = Toy()
    history = train(net, toy, validation, replace(TINY, validations=4), toy.state, toy.set_state, None, progress=False)
    assert history.best == 3


def test_batches_without_a_finite_loss_change_nothing() -> None:
    class Broken(Toy):
        def __call__(self, size: int) -> Batch:
            batch = super().__call__(size)
            return replace(batch, x=batch.x * math.nan)

    net = network()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    history = run(replace(TINY, max_steps=5), net, Broken())
    assert math.isnan(history.train_loss[-1])
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, before[key])


def test_time_is_a_budget() -> None:
    # Loosely: it ends, after at least its time and (were it ignored) long before a million steps.
    history = run(replace(TINY, max_steps=10**6, max_time=0.5, validations=4), network())
    assert history.seconds[-1] >= 0.5
    assert history.step[-1] < 10**5
    assert len(history.step) <= 4


def test_same_seed_gives_the_same_training() -> None:
    one, other = network(), network()
    assert but_seconds(run(TINY, one)) == but_seconds(run(TINY, other))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_history_is_complete() -> None:
    history = run(TINY, network())
    assert history.step == list(range(4, 41, 4))
    assert {len(value) for value in history.to_dict().values() if isinstance(value, list)} == {10}
    assert history.learning_rate[-1] < 0.02 * max(history.learning_rate)
    assert history.seconds == sorted(history.seconds)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"max_steps": None, "max_time": None}, "max_steps=None and max_time=None"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"max_time": -1.0}, "max_time=-1.0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"learning_rate": math.nan}, "learning_rate=nan"),
        ({"validation_size": 0}, "validation_size=0"),
        ({"validations": 0}, "validations=0"),
        ({"patience": 0}, "patience=0"),
    ],
)
def test_recipe_is_checked(values: dict, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        TrainingConfig(**values)
