"""Stored waveforms to and from a file, and the fixed set of simulations."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from bilby_flowpe.errors import DataError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.simulation.dataset import read_header
from bilby_flowpe.simulation.signal_bank import SignalBank
from bilby_flowpe.waves.grid import Grid

pytestmark = pytest.mark.training  # waveforms of four problems, made and read again

SIZE = 60


def contract_of(problem: tuple) -> str:
    return problem_of(*problem).describe().fingerprint()


def make(problem: tuple, **config: object) -> SignalBank:
    settings = SimulationConfig(**{"n_waveforms": SIZE, "flatten_snr": False, **config})
    return SignalBank(problem_of(*problem), settings, seed=3, progress=False)


def load(problem: tuple, file: Path, **config: object) -> SignalBank:
    return make(problem, file=str(file), **config)


@pytest.fixture(scope="module")
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple]:
    """Return problem, simulator and the file that it wrote, by name."""
    folder = tmp_path_factory.mktemp("datasets")
    made = {}
    for name, path in (("5d", "auto"), ("8d", "auto"), ("hl", "auto"), ("general", "general")):
        problem = request.getfixturevalue(f"problem_{'8d' if name == 'general' else name}")
        simulator = make(problem, path=path)
        made[name] = (problem, simulator, simulator.save(folder / f"{name}.hdf5", contract_of(problem)))
    return made


@pytest.mark.parametrize("name", ["5d", "8d", "hl", "general"])
@pytest.mark.parametrize("redraw", [True, False])
def test_what_is_read_is_what_was_written(stored, name, redraw):
    problem, simulator, file = stored[name]
    again = load(problem, file, n_waveforms=7, path=simulator.config.path, redraw=redraw)
    fresh = simulator if redraw else make(problem, path=simulator.config.path, redraw=False)
    assert again.view.grid == simulator.view.grid
    assert again.factorised == (name != "general")
    assert again.config.n_waveforms == len(again.stored) == SIZE
    one, other = (s.draw(20, np.random.default_rng(1), held_out=True) for s in (fresh, again))
    assert torch.equal(one.data, other.data)
    assert all(np.array_equal(one.parameters[key], other.parameters[key]) for key in one.parameters)


def test_header_says_what_it_is(stored):
    problem, simulator, file = stored["hl"]
    header = read_header(file)
    assert header.contract == contract_of(problem)
    assert header.grid == simulator.view.grid
    assert header.seed == 3
    assert header.n_waveforms == SIZE
    assert header.symmetries == simulator.symmetries.to_dict()
    assert header.config["n_waveforms"] == SIZE
    assert {"bilby", "lalsuite", "bilby_flowpe"} <= set(header.versions)
    with h5py.File(file) as opened:
        assert set(opened["parameters"]) == set(simulator.prior.keys)
        assert np.all(opened["parameters/geocent_time"][:] < 4)
        assert json.loads(opened["header"][0])["format"] == 1
    assert [path.name for path in file.parent.iterdir() if "tmp" in path.name] == []


def test_serves_at_another_gps_time(stored):
    """After a sidereal day the detectors see the same; times are stored relative to the start of the segment."""
    problem, _, file = stored["5d"]
    likelihood, priors = copy.deepcopy(problem)
    day = 86164.0905  # sidereal
    likelihood.interferometers[0].strain_data.start_time += day
    likelihood.waveform_generator.start_time += day
    priors["geocent_time"].minimum += day
    priors["geocent_time"].maximum += day
    later = load((likelihood, priors), file, redraw=False)
    fresh = make(problem, redraw=False)
    one, other = (s.draw(20, np.random.default_rng(1)) for s in (fresh, later))
    np.testing.assert_allclose(other.parameters["geocent_time"] - day, one.parameters["geocent_time"], atol=1e-6)
    np.testing.assert_allclose(other.data, one.data, rtol=1e-2, atol=1e-3)


class TestRefusals:
    def test_another_prior_band_or_noise_curve(self, stored):
        problem, _, file = stored["5d"]
        likelihood, priors = copy.deepcopy(problem)
        for key in ("mass_1", "mass_2"):
            priors[key].maximum = 90
        with pytest.raises(DataError, match=r"5d.hdf5.*contract.priors.mass_1.maximum is 80.* in the file and 90"):
            load((likelihood, priors), file)
        likelihood, priors = copy.deepcopy(problem)
        likelihood.interferometers[0].minimum_frequency = 25.0
        with pytest.raises(DataError, match=r"contract.detectors.H1.minimum_frequency is 20.0"):
            load((likelihood, priors), file)
        likelihood.interferometers[0].minimum_frequency = 20.0
        psd = likelihood.interferometers[0].power_spectral_density
        psd.psd_array = 1.1 * psd.psd_array
        with pytest.raises(DataError, match=r"contract.power_spectral_density.H1\[0\].*more values"):
            load((likelihood, priors), file)

    def test_waveforms_of_another_generator(self, stored, monkeypatch):
        """Differences that a contract does not tell are found by making a few signals again."""
        problem, _, file = stored["5d"]
        likelihood, priors = copy.deepcopy(problem)
        made = likelihood.waveform_generator.frequency_domain_strain
        strain = lambda parameters: {mode: 1.1 * series for mode, series in made(parameters).items()}  # noqa: E731
        monkeypatch.setattr(likelihood.waveform_generator, "frequency_domain_strain", strain)
        with pytest.raises(DataError, match=r"waveform 0 in file=.* differs"):
            load((likelihood, priors), file)

    def test_another_grid(self, stored):
        problem, _, file = stored["5d"]
        with pytest.raises(DataError, match=r"config.reduce_grid is True in the file and False here"):
            load(problem, file, reduce_grid=False)
        with pytest.raises(DataError, match=r"grid.maximum_frequency is .* in the file and 200.0 here"):
            SignalBank(
                problem_of(*problem),
                SimulationConfig(file=str(file)),
                grid=Grid(duration=1.0, start=0.0, minimum_frequency=20.0, maximum_frequency=200.0),
            )

    @pytest.mark.parametrize(("name", "path"), [("8d", "general"), ("general", "factorised"), ("general", "auto")])
    def test_the_other_path(self, stored, name, path):
        problem, _, file = stored[name]
        with pytest.raises(DataError, match="factorised is"):
            load(problem, file, path=path)

    def test_another_format(self, stored, tmp_path):
        problem, _, file = stored["5d"]
        newer = tmp_path / "newer.hdf5"
        shutil.copy(file, newer)
        with h5py.File(newer, "r+") as opened:
            text = json.dumps({**json.loads(opened["header"][0]), "format": 2}).encode()
            del opened["header"]
            opened.create_dataset("header", data=np.array([text]))
        with pytest.raises(DataError, match="has format 2, but this version of flowpe reads format 1"):
            load(problem, newer)

    def test_damage(self, stored, tmp_path):
        problem, _, file = stored["5d"]
        whole = file.read_bytes()
        broken = tmp_path / "broken.hdf5"
        with pytest.raises(DataError, match="does not exist"):
            load(problem, broken)
        # Cut short, garbled in the middle, garbled where the header is, and no HDF5 at all.
        at, size = whole.index(b'{"contract"'), len(whole)
        for content in (
            whole[: size // 2],
            whole[: size // 2] + b"damage" + whole[size // 2 + 6 :],
            whole[: at + 50] + b"damage" + whole[at + 56 :],
            b"no such thing",
        ):
            broken.write_bytes(content)
            with pytest.raises(DataError, match=r"broken.hdf5.* is damaged"):
                load(problem, broken)


class TestFixedSet:
    def test_each_waveform_keeps_its_parameters(self, problem_8d):
        simulator = make(problem_8d, redraw=False)
        drawn = simulator.draw(2000, np.random.default_rng(2))
        stored = {key: value[:54] for key, value in simulator.stored.parameters.items()}
        for key, values in drawn.parameters.items():
            assert set(values) <= set(stored[key])
        rows = [int(np.flatnonzero(stored["mass_1"] == value)[0]) for value in drawn.parameters["mass_1"]]
        assert set(rows) == set(range(54))
        for key, values in drawn.parameters.items():
            np.testing.assert_array_equal(stored[key][rows], values)

    def test_the_last_tenth_is_held_out(self, problem_8d):
        simulator = make(problem_8d, redraw=False)
        held = simulator.draw(500, np.random.default_rng(3), held_out=True).parameters
        assert set(held["phase"]) == set(simulator.stored.parameters["phase"][54:])

    def test_signals_are_those_of_the_general_path(self, problem_8d):
        fixed = make(problem_8d, redraw=False)
        rows = np.arange(SIZE)
        general = SignalBank(
            problem_of(*problem_8d),
            SimulationConfig(n_waveforms=5, path="general"),
            grid=fixed.view.grid,
            progress=False,
        )
        task = general._task()
        expected = np.stack([task(row) for row in fixed.problem.rows(fixed.stored.parameters)])
        ours = fixed._signals(rows, fixed.stored.parameters).numpy()
        assert np.abs(ours - expected).max() < 1e-6 * np.abs(expected).max()
