"""The view of a likelihood's strain against Bilby's own whitening and delays."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.gw.detector import PowerSpectralDensity

from bilby_flowpe.errors import DataError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.simulation import DetectorView
from bilby_flowpe.waves.grid import Grid

NAMES = ["5d", "8d", "hl"]


class TestObserve:
    @pytest.mark.parametrize("name", NAMES)
    def test_is_bilbys_whitened_strain_on_the_band(self, request, name):
        view = DetectorView(
            problem_of(request.getfixturevalue(f"problem_{name}")[0], request.getfixturevalue(f"transform_{name}"))
        )
        for ours, ifo in zip(view.observe(), view.interferometers, strict=True):
            theirs = ifo.whitened_frequency_domain_strain[view.grid.indices]
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)

    def test_needs_no_simulation_where_the_grid_is_known(self, problem_hl, transform_hl, simulator_hl):
        view = DetectorView(problem_of(problem_hl[0], transform_hl), simulator_hl.view.grid)
        np.testing.assert_array_equal(view.observe(), simulator_hl.view.observe())
        assert view.arrival_range() == simulator_hl.view.arrival_range()

    def test_strain_that_is_not_finite_is_refused_by_name(self, make_problem_hl, transform_hl):
        likelihood, _ = make_problem_hl()
        likelihood.interferometers[1].strain_data._frequency_domain_strain[700] = np.nan
        with pytest.raises(DataError, match=r"^the strain of L1 is not finite"):  # before any waveform is made
            DetectorView(problem_of(likelihood, transform_hl))

    def test_strain_outside_the_band_is_not_looked_at(self, make_problem_hl, transform_hl):
        likelihood, _ = make_problem_hl()
        view = DetectorView(problem_of(likelihood, transform_hl))
        before = view.observe()
        likelihood.interferometers[1].strain_data._frequency_domain_strain[3] = np.nan
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(view.observe(), before)

    @pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
    def test_an_unusable_noise_curve_is_refused_by_name(self, make_problem_hl, transform_hl, value):
        likelihood, _ = make_problem_hl()
        ifo = likelihood.interferometers[1]
        psd = ifo.power_spectral_density_array.copy()
        psd[400:402] = value
        ifo.power_spectral_density = PowerSpectralDensity(frequency_array=ifo.frequency_array, psd_array=psd)
        with pytest.raises(DataError, match=r"^L1: the power spectral density is not positive and finite at .*Hz"):
            DetectorView(problem_of(likelihood, transform_hl))

    def test_data_of_noise_alone_are_white_on_the_shortened_grid(self, make_problem_hl, transform_hl):
        """The view agrees with coloured noise that is drawn by hand with the noise curves of the detectors."""
        likelihood, _ = make_problem_hl()
        grid = Grid(duration=0.5, start=1.7, minimum_frequency=20.0, maximum_frequency=200.0)
        view = DetectorView(problem_of(likelihood, transform_hl), grid)
        rng = np.random.default_rng(9)
        drawn = []
        for _ in range(150):
            for ifo in likelihood.interferometers:
                asd = np.nan_to_num(ifo.amplitude_spectral_density_array, posinf=0)
                strain = (rng.standard_normal(2049) + 1j * rng.standard_normal(2049)) * asd
                ifo.set_strain_data_from_frequency_domain_strain(
                    strain, sampling_frequency=1024.0, duration=4.0, start_time=likelihood.interferometers.start_time
                )
            drawn.append(view.observe())
        # Away from the lower edge of the likelihood's band, below which the data are zero: each bin is 2 Hz wide.
        parts = np.stack(drawn)[..., 5:].reshape(300, -1)
        parts = np.concatenate([parts.real, parts.imag], axis=1)
        assert np.mean(parts**2) == pytest.approx(1, abs=5 * (2 / parts.size) ** 0.5)
        assert abs(np.mean(parts[:, 1:] * parts[:, :-1])) < 5 / parts.size**0.5


class TestArrival:
    def test_is_bilbys_delay_from_the_start_of_the_stretch(self, simulator_hl):
        draws = simulator_hl.prior.sample(50, np.random.default_rng(10))
        ours = simulator_hl.view.arrival(draws)
        start = simulator_hl.view.start_time + simulator_hl.view.grid.start
        for i, row in enumerate(simulator_hl.problem.rows(draws)):
            for j, ifo in enumerate(simulator_hl.view.interferometers):
                delay = ifo.time_delay_from_geocenter(row["ra"], row["dec"], row["geocent_time"])
                assert ours[i, j] == pytest.approx(row["geocent_time"] - start + delay, abs=1e-9)

    @pytest.mark.parametrize("name", NAMES)
    def test_range_holds_every_arrival(self, request, name):
        simulator = request.getfixturevalue(f"simulator_{name}")
        arrival = simulator.view.arrival(simulator.prior.sample(4000, np.random.default_rng(11)))
        low, high = simulator.view.arrival_range()
        # The largest delay was itself found among 4096 draws.
        assert low - 5e-5 <= arrival.min() <= arrival.max() <= high + 5e-5

    def test_light_travel_time_between_the_detectors(self, simulator_hl, simulator_5d):
        assert simulator_hl.view.light_travel_times() == pytest.approx((0.0, 0.01001), abs=2e-5)
        assert simulator_5d.view.light_travel_times() == (0.0,)
