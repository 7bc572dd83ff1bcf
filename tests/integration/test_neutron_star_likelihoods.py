"""Runs whose exact weights are those of the user's likelihood, whatever its price: whole, multibanded, reduced, in bins."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.gw import source
from bilby.gw.likelihood import RelativeBinningGravitationalWaveTransient, ROQGravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator
from scipy.linalg import qr

from bilby_flowpe.translation.translate import translated
from tests.integration.test_neutron_stars import APPROXIMANTS, generator, multibanded, problem

pytestmark = pytest.mark.slow

APPROXIMANT = "TaylorF2"
TRUTH = APPROXIMANTS[APPROXIMANT]
WAVES, BASIS = (
    250,
    {"linear": 90, "quadratic": 25},
)  # of the reduced order quadrature: an error of 0.1 in log likelihood


def whole(likelihood: Any, priors: PriorDict, **changes: bool) -> Any:
    return bilby.gw.GravitationalWaveTransient(
        likelihood.interferometers, likelihood.waveform_generator, priors=priors, **changes
    )


def bands(likelihood: Any, priors: PriorDict, **changes: bool) -> Any:
    return multibanded(likelihood, APPROXIMANT, priors, **changes)


def bins(likelihood: Any, priors: PriorDict, **changes: bool) -> Any:
    return RelativeBinningGravitationalWaveTransient(
        likelihood.interferometers,
        generator(source.lal_binary_neutron_star_relative_binning, APPROXIMANT),
        fiducial_parameters=dict(TRUTH),
        priors=priors,
        epsilon=0.2,
        **changes,
    )


def reduced(likelihood: Any, priors: PriorDict, **changes: bool) -> Any:
    """A basis from waves of the prior, nodes by pivoting."""
    bilby.core.utils.random.seed(8)
    draws = priors.sample(WAVES)
    band = likelihood.interferometers[0].frequency_mask
    waves = np.array(
        [
            likelihood.waveform_generator.frequency_domain_strain({k: float(v[i]) for k, v in draws.items()})["plus"][
                band
            ]
            for i in range(WAVES)
        ]
    )
    matrices, nodes = {}, {}
    for name, rows in (("linear", waves), ("quadratic", np.abs(waves) ** 2)):
        _, _, directions = np.linalg.svd(rows / np.linalg.norm(rows, axis=1, keepdims=True), full_matrices=False)
        basis = directions[: BASIS[name]].T
        chosen = np.sort(qr(basis.T, pivoting=True, mode="r")[1][: BASIS[name]])
        matrices[f"{name}_matrix"] = basis @ np.linalg.inv(basis[chosen])
        nodes[f"frequency_nodes_{name}"] = likelihood.interferometers[0].frequency_array[band][chosen]
    given = generator(source.binary_neutron_star_roq, APPROXIMANT)
    given.waveform_arguments.update(nodes)
    return ROQGravitationalWaveTransient(likelihood.interferometers, given, priors, **matrices, **changes)


KINDS = {"whole": whole, "bands": bands, "bins": bins, "reduced": reduced}
MARGINALISED = [{}, {"phase_marginalization": True, "distance_marginalization": True}, {"time_marginalization": True}]


def given(kind: str, changes: dict[str, Any]) -> tuple[Any, PriorDict]:
    likelihood, priors = problem(APPROXIMANT, TRUTH)
    for key in ("chi_1", "chi_2"):
        priors[key] = bilby.gw.prior.AlignedSpin(a_prior=Uniform(0, 0.05), name=key)
    priors["chirp_mass"].minimum, priors["chirp_mass"].maximum = (
        TRUTH["chirp_mass"] - 0.002,
        TRUTH["chirp_mass"] + 0.002,
    )
    priors["ra"], priors["dec"] = TRUTH["ra"], TRUTH["dec"]
    # A basis of few waves is one of small tides.
    priors["lambda_1"], priors["lambda_2"] = Uniform(0, 1000, name="lambda_1"), Uniform(0, 1000, name="lambda_2")
    return KINDS[kind](likelihood, priors, **changes), priors


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_the_users_and_draws_those_of_the_waves_behind(kind: str) -> None:
    likelihood, priors = given(kind, {})
    found = translated(likelihood, copy.deepcopy(priors))
    assert found.obstacle is None
    assert found.given is found.asked is likelihood
    plain = found.problem.likelihood
    assert type(plain) is bilby.gw.GravitationalWaveTransient
    assert plain.waveform_generator.frequency_domain_source_model is source.lal_binary_neutron_star
    # As near as short cuts are; what remains is made good by the weights.
    own = likelihood.log_likelihood_ratio(dict(TRUTH))
    assert plain.log_likelihood_ratio(dict(TRUTH)) == pytest.approx(own, abs=0.3)


@pytest.mark.parametrize("changes", MARGINALISED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_evaluates_the_users_likelihood_alone(
    kind: str, changes: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its value is that of every row; of whole waves behind it there are some dozens."""
    table = {"distance_marginalization_lookup_table": str(tmp_path / "table.npz")} if len(changes) > 1 else {}
    likelihood, priors = given(kind, {**changes, **table})
    calls: Counter[str] = Counter()
    made, value = WaveformGenerator._calculate_strain, type(likelihood).log_likelihood_ratio

    def strain(self: WaveformGenerator, *args: Any, **kwargs: Any) -> Any:
        calls[self.frequency_domain_source_model.__name__] += 1
        return made(self, *args, **kwargs)

    def evaluated(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls["likelihood"] += 1
        return value(self, *args, **kwargs)

    monkeypatch.setattr(WaveformGenerator, "_calculate_strain", strain)
    monkeypatch.setattr(type(likelihood), "log_likelihood_ratio", evaluated)
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", network="none", n_effective=300, npool=1, sampling_seed=1,
        outdir=str(tmp_path), label="run", save=False, progress=False,
    )  # fmt: skip
    said = result.meta_data["run_statistics"]
    assert said["coarse_efficiency"] > 0.5
    assert said["verdict"] in ("reliable", "check"), said["reasons"]
    if kind != "whole":
        # Symmetries (128 for the face-on ratio), coarse waves, what is integrated out, and 200 of the picture.
        assert calls["lal_binary_neutron_star"] < 500
    # Bilby times a likelihood with a hundred calls.
    assert said["n_likelihood_evaluations"] <= calls["likelihood"] < said["n_likelihood_evaluations"] + 200
    fixed = {key: prior.peak for key, prior in priors.items() if isinstance(prior, bilby.core.prior.DeltaFunction)}
    for row in result.posterior.iloc[:20].to_dict("records"):
        own = value(likelihood, {**{key: row[key] for key in result.search_parameter_keys}, **fixed})
        assert row["log_likelihood"] == pytest.approx(own, abs=1e-6)
