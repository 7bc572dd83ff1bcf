"""The training loop on a linear-Gaussian toy, whose conditional density and entropy are known."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bilby.core.utils import logger as bilby_logger

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.networks import NetworkConfig
from bilby_flowpe.networks.base import ConditionalNetwork
from bilby_flowpe.networks.families import build_network
from bilby_flowpe.training.loop import Batch, History, train
from bilby_flowpe.training.recipe import COLLAPSED, TrainingConfig, annealed, green2020_training

pytestmark = pytest.mark.training

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


def network(seed: int = 0, family: str = "maf", **sizes: Any) -> ConditionalNetwork:
    torch.manual_seed(seed)
    common = {
        "transforms": 2,
        "hidden_features": (32,),
        "embedding_features": 32,
        "gaussian_features": (32,),
        "latent": 2,
    }
    return build_network(2, 3, NetworkConfig(family=family, **{**common, **sizes}))


def run(
    config: TrainingConfig, net: ConditionalNetwork, toy: Toy | None = None, checkpoint: Path | None = None
) -> History:
    toy = toy or Toy()
    validation = Toy(seed=1)(config.validation_size)
    return train(net, [toy], validation, config, checkpoint, progress=False)


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
    def __init__(self, after: int, seed: int = 0) -> None:
        super().__init__(seed)
        self.after = after

    def __call__(self, size: int) -> Batch:
        if self.calls == self.after:
            raise Interrupted
        return super().__call__(size)


def but_seconds(history: History) -> dict:
    return {key: value for key, value in history.to_dict().items() if key != "seconds"}


KINDS = {
    "maf": {},
    "maf normalised": {"batch_norm": True},
    "cvae": {"family": "cvae"},
    "cvae+ normalised": {"family": "cvae+", "batch_norm": True},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [3, 31])
def test_resumed_training_is_the_uninterrupted_one(tmp_path: Path, after: int, kind: str) -> None:
    whole = network(**KINDS[kind])
    config = replace(TINY, checkpoint_every=0.0, norm_batches=1)
    history = run(config, whole)
    checkpoint = tmp_path / "training.ckpt"
    with pytest.raises(Interrupted):
        run(config, network(**KINDS[kind]), FailingToy(after), checkpoint)
    # Other weights and another generator to begin with: everything has to come from the checkpoint.
    resumed = network(seed=5, **KINDS[kind])
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


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    checkpoint = tmp_path / "training.ckpt"
    with pytest.raises(Interrupted):
        run(replace(TINY, checkpoint_every=0.0), network(), FailingToy(10), checkpoint)
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 4
    checkpoint.write_bytes(bytes(content))
    assert but_seconds(run(TINY, network(), checkpoint=checkpoint)) == but_seconds(run(TINY, network()))


def test_a_full_disk_costs_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warned: list[str]) -> None:
    def full(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    expected = but_seconds(run(TINY, network()))
    monkeypatch.setattr(Path, "write_bytes", full)
    checkpoint = tmp_path / "training.ckpt"
    assert but_seconds(run(replace(TINY, checkpoint_every=0.0), network(), checkpoint=checkpoint)) == expected
    assert list(tmp_path.iterdir()) == []
    assert any("cannot be written ([Errno 28]" in message for message in warned)


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
    plain = type(net).loss_terms

    def loss_terms(
        self: ConditionalNetwork, x: torch.Tensor, context: torch.Tensor, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        terms = plain(self, x, context, generator)
        return terms if self.training else {name: rows * 0 + next(validations) for name, rows in terms.items()}

    monkeypatch.setattr(type(net), "loss_terms", loss_terms)
    toy = Toy()
    history = train(net, [toy], validation, replace(TINY, validations=4), None, progress=False)
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
    terms = {"train_reconstruction", "train_kl", "validation_reconstruction", "validation_kl"}
    for name, values in history.to_dict().items():
        if name != "best":
            assert len(values) == (0 if name in terms else 10), name
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
        ({"gaussian_learning_rate": 0.0}, "gaussian_learning_rate=0.0"),
        ({"epochs": 0}, "epochs=0"),
        ({"schedule": "linear"}, "schedule='linear': choose 'cosine' or 'halving'"),
        ({"kl_cycle": (1.0, -0.5)}, r"kl_cycle=\(1.0, -0.5\)"),
        ({"kl_floor": -1.0}, "kl_floor=-1.0"),
    ],
)
def test_recipe_is_checked(values: dict, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        TrainingConfig(**values)


# The recipe ------------------------------------------------------------------------------------------------------------


def test_kl_term_is_annealed_in_cycles() -> None:
    config = TrainingConfig(epochs=250)
    cycle = [1e-5, 1 / 3, 2 / 3, 1.0, 1.0, 1.0]
    found = [config.kl_multiplier(epoch / 250) for epoch in range(250)]
    assert found == cycle * 4 + [1.0] * 226
    # Within an epoch nothing changes, and the end belongs to the last one.
    assert config.kl_multiplier(0.9 / 250) == 1e-5
    assert config.kl_multiplier(1.0) == config.kl_multiplier(1.5) == 1.0


def test_learning_rates_are_halved_a_group_each() -> None:
    config = green2020_training("cvae+")
    assert (config.batch_size, config.epochs, config.max_steps) == (512, 250, 250 * 1758)
    flow = [config.learning_rate_at(epoch / 250, "flow") for epoch in (0, 79, 80, 159, 160, 240, 249, 250)]
    assert flow == pytest.approx([4e-4, 4e-4, 2e-4, 2e-4, 1e-4, 5e-5, 5e-5, 5e-5])
    assert config.learning_rate_at(0.5, "gaussian") == pytest.approx(config.learning_rate_at(0.5, "flow") / 4)
    assert green2020_training("maf").learning_rate_at(0.0) == 4e-4
    assert green2020_training("cvae").learning_rate_at(0.0, "gaussian") == 1e-4


def test_cosine_is_the_same_for_both_groups_unless_told() -> None:
    config = TrainingConfig()
    assert config.learning_rate_at(0.3, "gaussian") == config.learning_rate_at(0.3, "flow")
    other = replace(config, gaussian_learning_rate=1e-4)
    assert other.learning_rate_at(0.3, "gaussian") == pytest.approx(other.learning_rate_at(0.3, "flow") / 15, rel=1e-2)


def test_optimizer_has_a_rate_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    step = torch.optim.Adam.step

    def watched(self: torch.optim.Adam, *arguments: Any) -> Any:
        rates.append([group["lr"] for group in self.param_groups])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    config = replace(TINY, schedule="halving", learning_rate=4e-4, gaussian_learning_rate=1e-4, epochs=4, halve_every=2)
    run(config, network(family="cvae+"))
    assert rates == [[1e-4, 4e-4]] * 20 + [[5e-5, 2e-4]] * 20


def test_small_kl_is_ignored() -> None:
    parameter = torch.tensor(1.0, requires_grad=True)
    terms = {"reconstruction": torch.tensor([1.0, 3.0]), "kl": torch.tensor([0.1, 0.2]) * parameter}
    assert float(annealed(terms, 1.0, floor=0.2)) == 2.0
    assert not annealed(terms, 1.0, floor=0.2).requires_grad
    assert float(annealed(terms, 0.5, floor=0.1).detach()) == pytest.approx(2.075)
    assert float(annealed({"density": torch.tensor([1.0, 2.0])}, 0.0, 0.2)) == 1.5


def test_training_weighs_the_kl_term(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(terms: dict[str, torch.Tensor], multiplier: float, floor: float) -> torch.Tensor:
        seen.append((multiplier, floor))
        return annealed(terms, multiplier, floor)

    monkeypatch.setattr("bilby_flowpe.training.loop.annealed", watched)
    run(replace(TINY, epochs=40, kl_cycle=(0.25, 0.5), kl_cycles=2, kl_floor=0.1), network(family="cvae"))
    assert seen == [(0.25, 0.1), (0.5, 0.1)] * 2 + [(1.0, 0.1)] * 36


@pytest.mark.parametrize("family", ["cvae", "cvae+"])
def test_latent_history_has_both_terms(family: str) -> None:
    net = network(family=family)
    history = run(TINY, net)
    for name in ("train", "validation"):
        reconstruction, kl, loss = (getattr(history, f"{name}_{term}") for term in ("reconstruction", "kl", "loss"))
        assert len(kl) == 10
        np.testing.assert_allclose(np.add(reconstruction, kl), loss, rtol=1e-6)


@pytest.mark.parametrize("kind", ["maf normalised", "cvae", "cvae+ normalised"])
def test_validation_is_reproducible(kind: str) -> None:
    """The same weights score the same, up to the noise of fresh moments: with no steps that change anything."""
    history = run(replace(TINY, learning_rate=1e-12, average=0.0, norm_batches=4), network(**KINDS[kind]))
    spread = np.ptp(history.validation_loss)
    assert spread < (0.1 if "normalised" in kind else 1e-4)


def test_batch_norm_takes_the_moments_of_fresh_data() -> None:
    net = network(batch_norm=True)
    run(replace(TINY, norm_batches=64), net)
    batch = Toy(seed=3)(8192)
    with torch.no_grad():
        u, _ = net._to_base(batch.x, batch.context)
    last = net.flow.norms[-1]
    # Of 64 batches of 64 rows: a mean good to 1 / sqrt(4096) = 0.016.
    torch.testing.assert_close(u.mean(dim=0), last.beta.detach(), atol=0.08, rtol=0)
    torch.testing.assert_close(u.std(dim=0), last.log_gamma.detach().exp(), atol=0.08, rtol=0)


class Warned(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def warned() -> Iterator[list[str]]:
    handler = Warned()
    bilby_logger.addHandler(handler)
    yield handler.messages
    bilby_logger.removeHandler(handler)


def test_collapse_is_told(warned: list[str]) -> None:
    net = network(family="cvae", latent=1)
    with torch.no_grad():  # encoder and prior alike, and constant: z says nothing of x
        for part in (net.encoder, net.prior):
            for parameter in part.network.layers[-1].parameters():
                parameter.zero_()
    run(replace(TINY, learning_rate=1e-9), net)
    assert any("latent space has collapsed" in message for message in warned)


def test_use_of_the_latent_space_is_no_collapse(warned: list[str]) -> None:
    net = network(family="cvae", latent=1)
    with torch.no_grad():  # a narrow encoder far from the prior
        net.encoder.network.layers[-1].bias[-1] = -3.0
    history = run(replace(TINY, learning_rate=1e-9), net)
    assert history.validation_kl[-1] > COLLAPSED
    assert not warned


@pytest.mark.parametrize("family", ["gaussian", "cvae", "cvae+"])
def test_other_families_learn_the_toy(family: str) -> None:
    """The posterior is normal: each family holds it, and an encoder that goes by the prior makes the bound tight."""
    config = replace(TINY, max_steps=250, batch_size=256, validation_size=8192, validations=2, learning_rate=6e-3)
    net = network(family=family, transforms=1)
    history = run(config, net)
    excess = history.validation_loss[history.best] - float(np.mean(exact_loss(Toy(seed=1)(8192))))
    assert -0.02 < excess < 0.12


def test_former_history_is_read() -> None:
    former = {"step": [1], "seconds": [0.1], "learning_rate": [1e-3], "train_loss": [1.0], "validation_loss": [1.0]}
    history = History(**former, validation_loss_paper=[1.0], best=0)
    assert history.validation_kl == []


def test_configuration_is_plain() -> None:
    values = green2020_training("cvae+", seed=3).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["seed"] == 3
