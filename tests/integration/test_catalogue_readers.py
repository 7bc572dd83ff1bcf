"""A catalogue read by those who go on with it: PESummary's reader, and gwpopulation's likelihood."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import bilby
import numpy as np
import pytest
from bilby.core.prior import PowerLaw, Uniform
from bilby.core.result import Result
from bilby.gw.prior import BBHPriorDict
from pandas import DataFrame

from bilby_flowpe.catalogue import Published, population_tables, write_hdf5
from bilby_flowpe.results import KEY
from bilby_flowpe.translation.covers import AnyPrior

pytestmark = pytest.mark.slow
SIZE, WIDTH = 20_000, 4.0
CURVE = np.column_stack([np.arange(20.0, 30.0), np.full(10, 1e-46)])


def binaries(label: str, chirp_mass: float, seed: int) -> Result:
    """A run whose likelihood is a normal density of the chirp mass, by draws of the prior."""
    priors = BBHPriorDict(
        {
            "chirp_mass": Uniform(10, 60),
            "mass_ratio": Uniform(0.2, 1),
            "luminosity_distance": PowerLaw(2, 200, 3000),
            **{f"chi_{i}": Uniform(-0.5, 0.5) for i in (1, 2)},
        }
    )
    bilby.core.utils.random.seed(seed)
    draws = {key: np.asarray(value) for key, value in priors.sample(SIZE).items()}
    log_likelihood = -0.5 * ((draws["chirp_mass"] - chirp_mass) / WIDTH) ** 2
    weights = np.exp(log_likelihood)
    log_evidence = float(np.log(weights.mean()))
    said = {"importance_weighted": True, "log_evidence": log_evidence, "n_draws": SIZE, "verdict": "reliable"}
    result = Result(label, ".", "flowpe", list(draws), [], [], priors, {}, meta_data={KEY: said})
    result.log_evidence, result.log_noise_evidence, result.log_evidence_err = log_evidence, np.nan, 0.01
    result.log_bayes_factor = np.nan
    log_prior = AnyPrior(priors).log_prob(draws)
    table = DataFrame(
        {**draws, "log_likelihood": log_likelihood, "log_prior": log_prior, "weights": weights / weights.sum()}
    )
    result.nested_samples = table
    rows = np.random.default_rng(seed).choice(SIZE, 1000, p=table["weights"])
    result.posterior = table.iloc[rows].reset_index(drop=True)
    return result


@pytest.mark.skipif(find_spec("pesummary") is None, reason="PESummary is not installed")
def test_pesummary_reads_the_file(tmp_path: Path) -> None:
    from pesummary.io import read

    events = [binaries("S1", 30.0, 1), binaries("S2", 25.0, 2)]
    path = write_hdf5([Published(one.label, one, {"H1": CURVE}) for one in events], tmp_path / "catalogue.h5")
    found = read(str(path), package="gw")
    assert type(found).__name__ == "PESummary"
    assert found.labels == ["S1", "S2"]
    assert found.pe_algorithm == {"S1": "flowpe", "S2": "flowpe"}
    for one in events:
        np.testing.assert_allclose(found.samples_dict[one.label]["chirp_mass"], one.posterior["chirp_mass"])
        assert {"mass_1_source", "redshift", "chi_eff"} <= {*found.samples_dict[one.label]}
        np.testing.assert_array_equal(found.psd[one.label]["H1"], CURVE)
        assert len(found.priors["samples"][one.label]["chirp_mass"]) == 2000
        assert "Uniform" in found.priors["analytic"][one.label]["chirp_mass"]
    assert found.extra_kwargs[0]["sampler"]["ln_evidence"] == pytest.approx(events[0].log_evidence)


@pytest.mark.skipif(find_spec("gwpopulation") is None, reason="gwpopulation is not installed")
def test_gwpopulation_has_the_evidence_of_a_population() -> None:
    """Its likelihood ratio of two populations, without selection, against that of draws of both populations."""
    from gwpopulation.hyperpe import HyperparameterLikelihood, Model
    from gwpopulation.models.mass import power_law_primary_mass_ratio

    centres = (24.0, 28.0)
    results = [binaries(f"S{seed}", centre, seed) for seed, centre in enumerate(centres)]
    redshifts = Uniform(0.1, 0.4)

    def of_redshift(dataset: dict[str, np.ndarray], unused: float) -> np.ndarray:
        return redshifts.prob(np.asarray(dataset["redshift"])) + 0 * unused

    model = Model([power_law_primary_mass_ratio, of_redshift], cache=False)
    likelihood = HyperparameterLikelihood(population_tables(results), model)

    def expected(alpha: float, beta: float) -> float:
        rng = np.random.default_rng(3)
        masses = np.linspace(15, 45, 6001)
        mass = np.interp(rng.random(400_000), _shares(masses**-alpha), masses)
        low = 15 / mass
        below = low ** (beta + 1)
        ratio = (below + rng.random(mass.size) * (1 - below)) ** (1 / (beta + 1))
        detected = mass * ratio**0.6 / (1 + ratio) ** 0.2 * (1 + rng.uniform(0.1, 0.4, mass.size))
        return float(sum(np.log(np.mean(np.exp(-0.5 * ((detected - centre) / WIDTH) ** 2))) for centre in centres))

    limits = {"mmin": 15.0, "mmax": 45.0, "unused": 0.0}
    evidences = sum(result.log_evidence for result in results)
    for alpha, beta in ((1.0, 0.5), (4.0, 2.0)):
        found, variance = likelihood.ln_likelihood_and_variance({"alpha": alpha, "beta": beta, **limits})
        assert variance < 0.01
        assert float(found) + evidences == pytest.approx(expected(alpha, beta), abs=4 * variance**0.5 + 0.02)


def _shares(density: np.ndarray) -> np.ndarray:
    """Cumulative shares of a density on even nodes."""
    steps = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return steps / steps[-1]
