"""Noise models: closed forms against quadrature, choices summed over, bad arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln, logsumexp
from scipy.stats import invgamma

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.noise import EstimatedCurveTransient, HyperbolicTransient, StudentTTransient, UncertainScaleTransient
from bilby_flowpe.noise.densities import OfMedian

from .shared import SIGNAL, detectors, generator


@pytest.mark.parametrize("window", [1.0, 0.875])
@pytest.mark.parametrize("edges", [(), (40.0, 200.0)])
def test_the_scale_is_integrated_out(edges: tuple[float, ...], window: float) -> None:
    """The value agrees with a quadrature over the factor of each band, in noise of 1.5 times the power."""
    ifos = detectors(names=("H1",), window=window)
    ours = UncertainScaleTransient(ifos, generator(), spread=0.25, edges=edges)
    half_power = 1.5 * ours.half_powers(SIGNAL)[0]
    frequencies = ifos[0].frequency_array[ifos[0].frequency_mask]
    band = np.searchsorted(edges, frequencies, side="right")
    a = 2 + 1 / 0.25**2
    prior = invgamma(a, scale=a - 1)
    assert prior.mean() == pytest.approx(1)
    assert prior.std() == pytest.approx(0.25)
    expected = 0.0
    for one in np.unique(band):
        bins, power = window * np.sum(band == one), window * half_power[band == one].sum()
        top = power / bins

        def integrand(s: float, bins: float = bins, power: float = power, top: float = top) -> float:
            return float(np.exp(-bins * np.log(s / top) - power * (1 / s - 1 / top)) * prior.pdf(s))

        wide = 30 / np.sqrt(bins)
        value = quad(integrand, top / (1 + wide), top * (1 + wide), points=[top], epsrel=1e-10, limit=200)[0]
        expected += np.log(value) - bins * np.log(top) - power / top
    assert ours.log_density(half_power, 0) == pytest.approx(expected, abs=1e-6)


def test_the_scale_is_a_normalised_density() -> None:
    """The density of two bins integrates to one over both powers, in one dimension, as only their sum matters."""
    a, b, n = 6.0, 5.0, 2
    log = lambda p: a * np.log(b) + gammaln(a + n) - gammaln(a) - (a + n) * np.log(b + p)  # noqa: E731
    assert quad(lambda p: p * np.exp(log(p)), 0, np.inf)[0] == pytest.approx(1, abs=1e-9)


def test_factors_are_those_of_the_noise() -> None:
    ours = UncertainScaleTransient(detectors(), generator(), edges=(100.0,))
    factors = ours.factors(1.6 * ours.half_powers(SIGNAL)[1], 1)
    assert factors == pytest.approx(1.6, rel=0.25)
    assert len(factors) == 2


@pytest.mark.parametrize("window", [1.0, 0.8])
@pytest.mark.parametrize(("kind", "name"), [(StudentTTransient, "nu"), (HyperbolicTransient, "shape")])
def test_choices_are_summed_over_detector_by_detector(kind, name: str, window: float) -> None:
    ifos = detectors(window=window)
    both = kind(ifos, generator(), **{name: (3.0, 30.0)})
    each = [kind(ifos, generator(), **{name: value}) for value in (3.0, 30.0)]
    powers = both.half_powers(SIGNAL)
    expected = sum(
        logsumexp([one.log_density(powers[detector], detector) for one in each]) - np.log(2) for detector in (0, 1)
    )
    assert both.log_likelihood(SIGNAL) == pytest.approx(expected, rel=1e-12)


def test_segments_of_each_detector() -> None:
    ours = EstimatedCurveTransient(detectors(), generator(), {"H1": 31, "L1": 8})
    powers = ours.half_powers(SIGNAL)
    expected = sum(OfMedian(n).log_density(power).sum() for n, power in zip((31, 8), powers, strict=True))
    assert ours.log_likelihood(SIGNAL) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda ifos, waves: StudentTTransient(ifos, waves, nu=(4.0, -1.0)), r"nu=-1\.0"),
        (lambda ifos, waves: HyperbolicTransient(ifos, waves, shape=0), "shape=0"),
        (lambda ifos, waves: EstimatedCurveTransient(ifos, waves, {"H1": 8}), r"\['L1'\]"),
        (lambda ifos, waves: EstimatedCurveTransient(ifos, waves, 8, "mode"), "method='mode'"),
        (lambda ifos, waves: EstimatedCurveTransient(ifos, waves, 0), "segments=0"),
        (lambda ifos, waves: UncertainScaleTransient(ifos, waves, spread="wide"), "spread='wide'"),
        (lambda ifos, waves: UncertainScaleTransient(ifos, waves, edges=(100.0, 50.0)), "increasing"),
    ],
)
def test_bad_arguments(make, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        make(detectors(), generator())


def test_every_noise_model_is_offered_and_described():
    """A new noise model has what the recipe in the docstring of ``bilby_flowpe.noise`` asks; nothing else tests it."""
    import bilby_flowpe.noise as noise
    from bilby_flowpe.noise import models
    from bilby_flowpe.noise.transient import NoiseModelTransient

    found = {
        name
        for name, one in vars(models).items()
        if isinstance(one, type) and issubclass(one, NoiseModelTransient) and not name.startswith("_")
    } - {"NoiseModelTransient"}
    root = Path(noise.__file__).parents[2]
    remedies = (root / "docs" / "real_events.md").read_text(encoding="utf-8")
    assert len(found) >= 4
    for name in found:
        assert name in noise.__all__, f"{name}: export it in bilby_flowpe/noise/__init__.py"
        assert name in remedies, f"{name}: say in docs/real_events.md for which noise it is"
