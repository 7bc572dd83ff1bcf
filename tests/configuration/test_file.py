"""Configuration files: what they are made into, and how mistakes in them are named."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from bilby.core.prior import DeltaFunction, PowerLaw, Uniform
from bilby.gw.prior import BBHPriorDict

from bilby_flowpe.configuration.file import read
from bilby_flowpe.configuration.tables import convert
from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.networks import NetworkConfig
from bilby_flowpe.networks import green2020 as green2020_network
from bilby_flowpe.problems import green2020
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.training.recipe import TrainingConfig, green2020_training
from bilby_flowpe.training.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

PRIORS = """
[priors]
mass_1 = "Uniform(35, 80)"
mass_2 = "Uniform(35, 80)"
mass_ratio = "Constraint(0, 1)"
luminosity_distance = "PowerLaw(2, 1000, 3000)"
geocent_time = "Uniform(1126259462.65, 1126259462.85)"
phase = "Uniform(0, 6.283185307179586, boundary='periodic')"
chi_1 = 0
chi_2 = 0.0
theta_jn = 0
ra = 1.2
dec = 0.3
psi = 0.5
"""
DATA = """
[data]
detectors = ["H1"]
duration = 1
sampling_frequency = 1024
minimum_frequency = 20
start_time = 1126259462
psd.H1 = "aLIGO_ZERO_DET_high_P_psd.txt"
"""
WAVEFORM = """
[waveform]
approximant = "IMRPhenomPv2"
reference_frequency = 20
minimum_frequency = 20
"""
WHOLE = PRIORS + DATA + WAVEFORM


def write(folder: Path, text: str) -> Path:
    path = folder / "problem.toml"
    path.write_text(text)
    return path


class TestPackaged:
    def test_is_the_problem_itself(self, tmp_path):
        problem = read(write(tmp_path, 'problem = "green2020"\nparameters = 8\nseed = 7'))
        expected = green2020(8, seed=1)
        contracts = [
            problem_of(likelihood, priors).describe()
            for likelihood, priors in (expected, (problem.likelihood, problem.priors))
        ]
        assert contracts[0].differences(contracts[1]) == []
        assert problem.settings.training.seed == 7

    def test_example(self):
        problem = read(ROOT / "examples" / "studies" / "green2020-5d.toml")
        assert problem.settings.network.hidden_features == (128, 128)
        assert problem.settings.training.learning_rate == 1e-3

    def test_presets(self, tmp_path):
        text = 'problem = "green2020"\nparameters = 8\npreset = "green2020"\n'
        settings = read(
            write(tmp_path, text + '[network]\nfamily = "cvae+"\nlatent = 12\n[training]\nmax_steps = 9')
        ).settings
        assert settings.network == replace(green2020_network("cvae+", 8), latent=12)
        assert settings.training == green2020_training("cvae+", max_steps=9)
        compact = read(write(tmp_path, 'problem = "green2020"\n[network]\nfamily = "cvae+"')).settings
        assert (compact.network.transforms, compact.training) == (3, TrainingConfig())
        plain = read(write(tmp_path, 'problem = "green2020"\n[network]\nembedding_features = "none"')).settings
        assert plain.network == NetworkConfig(embedding_features=None)

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ('problem = "green2020"\npreset = "huge"', "preset='huge': choose 'compact' or 'green2020'"),
            ('problem = "green2021"', r"problem='green2021': choose one of \['green2020'\]"),
            ('problem = "green2020"\nparameters = 6', "parameters=6"),
            ('problem = "green2020"\nparameters = "five"', "parameters='five': give a whole number"),
            ('problem = "green2020"' + DATA, r"leave out \['data'\]"),
        ],
    )
    def test_mistakes(self, tmp_path, text, complaint):
        with pytest.raises(ValueError, match=complaint):
            read(write(tmp_path, text))


class TestDescribed:
    def test_bilby_objects_are_as_described(self, tmp_path):
        problem = read(write(tmp_path, WHOLE))
        likelihood, priors = problem.likelihood, problem.priors
        assert isinstance(priors, BBHPriorDict)
        assert isinstance(priors["mass_1"], Uniform)
        assert isinstance(priors["luminosity_distance"], PowerLaw)
        assert isinstance(priors["chi_1"], DeltaFunction)
        (interferometer,) = likelihood.interferometers
        assert interferometer.name == "H1"
        assert interferometer.minimum_frequency == 20
        assert interferometer.power_spectral_density.psd_file.endswith("aLIGO_ZERO_DET_high_P_psd.txt")
        assert likelihood.interferometers.start_time == 1126259462
        assert likelihood.waveform_generator.waveform_arguments == {
            "waveform_approximant": "IMRPhenomPv2",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        }
        assert np.all(interferometer.frequency_domain_strain == 0)

    def test_segment_around_a_trigger(self, tmp_path):
        data = """
[data]
detectors = ["H1", "V1"]
duration = 8
sampling_frequency = 2048
trigger_time = 1126259462.4
minimum_frequency = { H1 = 20, V1 = 30 }
maximum_frequency = 900
asd.V1 = "AdV_asd.txt"
"""
        likelihood = read(write(tmp_path, PRIORS + data + WAVEFORM)).likelihood
        assert likelihood.interferometers.start_time == pytest.approx(1126259456.4)
        assert [ifo.minimum_frequency for ifo in likelihood.interferometers] == [20, 30]
        assert [ifo.maximum_frequency for ifo in likelihood.interferometers] == [900, 900]
        own, given = (ifo.power_spectral_density for ifo in likelihood.interferometers)
        assert own.asd_file or own.psd_file  # Bilby's own choice for H1
        assert given.asd_file.endswith("AdV_asd.txt")

    def test_prior_file_and_noise_curve_are_found_and_copied(self, tmp_path):
        folder, model = tmp_path / "here", tmp_path / "model"
        (folder / "curves").mkdir(parents=True)
        model.mkdir()
        frequencies = np.arange(10.0, 600.0)
        np.savetxt(folder / "curves" / "flat.txt", np.stack([frequencies, np.full_like(frequencies, 1e-46)], axis=-1))
        lines = "\n".join(line.replace('"', "") for line in PRIORS.splitlines()[2:])
        (folder / "my.prior").write_text("# of my own\n" + lines + "\n")
        text = '[priors]\nfile = "my.prior"\nmass_1 = "Uniform(40, 60)"\n' + DATA + WAVEFORM
        problem = read(write(folder, text.replace("aLIGO_ZERO_DET_high_P_psd.txt", "curves/flat.txt")))
        assert problem.priors["mass_1"].minimum == 40
        assert problem.priors["mass_2"].minimum == 35
        assert np.all(problem.likelihood.interferometers[0].power_spectral_density_array[20:500] == 1e-46)
        problem.copy_into(model)
        assert sorted(path.name for path in model.iterdir()) == ["config.toml", "flat.txt", "my.prior"]
        for path in [*folder.glob("*.*"), *folder.glob("curves/*")]:
            path.unlink()
        again = read(model / "config.toml")
        contracts = [problem_of(one.likelihood, one.priors).describe() for one in (problem, again)]
        assert contracts[0].differences(contracts[1]) == []
        again.copy_into(model)  # onto itself

    def test_files_are_not_taken_from_where_one_happens_to_be(self, tmp_path, monkeypatch):
        (tmp_path / "my.prior").write_text("mass_1 = Uniform(1, 2)\n")
        (tmp_path / "below").mkdir()
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigurationError, match=r"'my.prior' is not in the folder of the configuration"):
            read(write(tmp_path / "below", WHOLE.replace("[priors]", '[priors]\nfile = "my.prior"')))

    def test_bilbys_own_prior_files_are_known(self, tmp_path):
        text = '[priors]\nfile = "aligned_spins_bbh.prior"\ngeocent_time = "Uniform(0.2, 0.3)"\n' + DATA + WAVEFORM
        assert "chi_1" in read(write(tmp_path, text)).priors

    def test_waveform_by_dotted_names_with_other_arguments(self, tmp_path):
        waveform = """
[waveform]
approximant = "IMRPhenomPv2_NRTidal"
source_model = "bilby.gw.source.lal_binary_neutron_star"
parameter_conversion = "bilby.gw.conversion.convert_to_lal_binary_neutron_star_parameters"
arguments = { pn_phase_order = -1 }
"""
        generator = read(write(tmp_path, PRIORS + DATA + waveform)).likelihood.waveform_generator
        assert generator.frequency_domain_source_model.__name__ == "lal_binary_neutron_star"
        assert generator.parameter_conversion.__name__ == "convert_to_lal_binary_neutron_star_parameters"
        assert generator.waveform_arguments["pn_phase_order"] == -1

    @pytest.mark.parametrize(
        ("old", "new", "complaint"),
        [
            (PRIORS, "", r"lacks the tables \['priors'\]"),
            (DATA + WAVEFORM, "", r"lacks the tables \['data', 'waveform'\]"),
            ("\n[priors]", "parameters = 5\n[priors]", "parameters=5 belongs to a packaged problem"),
            ('["H1"]', '["X9"]', r"detectors=\['X9'\].*Bilby knows \[.*'H1', 'K1', 'L1'"),
            ('["H1"]', "[]", r"detectors=\[\]: give at least one"),
            ('["H1"]', '"H1"', r"\[data\] detectors='H1': give a list, each a text"),
            ("duration = 1\n", "", r"\[data\] lacks the keys \['duration'\]"),
            ("duration = 1\n", "duration = -1\n", r"duration=-1.0: give a number above zero"),
            ("duration = 1\n", 'duration = "1 s"\n', r"\[data\] duration='1 s': give a number"),
            ("duration = 1\n", "duration = 0.9999\n", "not a whole number of samples"),
            ("start_time = 1126259462\n", "", "give one of the two"),
            ("start_time", "trigger_time = 1\nstart_time", "give one of the two"),
            (
                "[data]\n",
                "[data]\nmaximum_frequenzy = 5\n",
                r"\[data\] has unknown keys \['maximum_frequenzy'\].*'duration'",
            ),
            ("minimum_frequency = 20\nstart", "minimum_frequency = 600\nstart", r"H1: minimum_frequency=600.* no band"),
            ("minimum_frequency = 20\nstart", "minimum_frequency = { L1 = 20 }\nstart", r"unknown keys \['L1'\]"),
            ('psd.H1 = "aLIGO', 'psd.L1 = "aLIGO', r"psd has unknown keys \['L1'\]: choose from \['H1'\]"),
            ('psd.H1 = "aLIGO', 'asd.H1 = "AdV_asd.txt"\npsd.H1 = "aLIGO', r"psd and asd both name \['H1'\]"),
            ("aLIGO_ZERO_DET_high_P_psd.txt", "nowhere.txt", r"psd.H1='nowhere.txt' cannot be read"),
            ("aLIGO_ZERO_DET_high_P_psd.txt", "problem.toml", r"psd.H1='problem.toml' cannot be read"),
            (
                "[waveform]\n",
                '[waveform]\nsource_model = "bilby.gw.source.no_such"\n',
                "source_model='bilby.gw.source.no_such'",
            ),
            ("[waveform]\n", '[waveform]\nsource_model = "sine"\n', "source_model='sine' cannot be imported"),
            ("[waveform]\n", '[waveform]\ndomain = "space"\n', r"give one of \['frequency', 'time'\]"),
            (
                "[waveform]\n",
                "[waveform]\npn_order = 1\n",
                r"\[waveform\] has unknown keys \['pn_order'\].*'arguments'",
            ),
            ("Uniform(35, 80)", "Uniform(35, 80", "with its closing bracket"),
            ("Uniform(35, 80)", "Uniform(80, 35)", r"\[priors\] mass_1='Uniform\(80, 35\)' cannot be read"),
            ("Uniform(35, 80)", "Uniform", r"mass_1='Uniform'.*cannot be read|are not priors"),
            ("Uniform(35, 80)", "No such prior", "are not priors"),
            ("chi_1 = 0\n", "chi_1 = true\n", r"\[priors\] chi_1=True: give a text"),
            ("[priors]\n", '[priors]\nfile = "no.prior"\n', r"\[priors\] file='no.prior' cannot be read"),
            (
                "[priors]\n",
                '[priors]\nfile = "problem.toml"\n',
                r"\[priors\] file='.*problem.toml' cannot be read|are not priors",
            ),
            ("[priors]\n", '[priors]\ndictionary = "BBH"\n', r"\[priors\] dictionary='BBH' cannot be imported"),
        ],
    )
    def test_mistakes(self, tmp_path, old, new, complaint):
        text = WHOLE.replace(old, new, 1)
        assert text != WHOLE
        with pytest.raises(ConfigurationError, match=complaint):
            read(write(tmp_path, text))

    def test_two_files_of_one_name_are_refused(self, tmp_path):
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "psd.txt").write_text("10 1e-46\n600 1e-46\n")
        data = DATA.replace('["H1"]', '["H1", "L1"]').replace("aLIGO_ZERO_DET_high_P_psd.txt", "one/psd.txt")
        with pytest.raises(ConfigurationError, match="two files of the same bare name"):
            read(write(tmp_path, PRIORS + data + 'psd.L1 = "two/psd.txt"\n' + WAVEFORM))


class TestSettings:
    def test_every_table_and_setting(self, tmp_path):
        text = """
problem = "green2020"
phase = "network"
fold_phase = false
seed = 3
[simulation]
n_waveforms = 1e6
redraw = false
flatten_snr = "none"
file = "set.hdf5"
[representation]
kind = "series"
[network]
family = "nsf"
hidden_features = [64, 32]
[training]
max_steps = 10
max_time = "none"
bf16 = true
"""
        settings = read(write(tmp_path, text)).settings
        assert settings.phase == "network"
        assert not settings.fold_phase
        file = str(tmp_path / "set.hdf5")
        assert settings.simulation == SimulationConfig(n_waveforms=1_000_000, redraw=False, file=file)
        assert settings.representation.kind == "series"
        assert settings.network.hidden_features == (64, 32)
        assert (settings.training.max_steps, settings.training.max_time, settings.training.bf16) == (10, None, True)
        assert settings.training.seed == 3

    def test_defaults_are_those_of_python(self, tmp_path):
        assert read(write(tmp_path, 'problem = "green2020"')).settings == Settings()

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("sead = 1", r"problem.toml has unknown keys \['sead'\].*'seed'"),
            ("seed = 1.5", "seed=1.5: give a whole number"),
            ('phase = "cond"', r"phase='cond': give one of \['conditional', 'network'\]"),
            ("fold_phase = 1", "fold_phase=1: give true or false"),
            ("training = 600", r"training=600: make it a table \[training\]"),
            ("[trainings]", r"unknown keys \['trainings'\]"),
            ("[training]\nmax_tim = 5", r"\[training\] has unknown keys \['max_tim'\].*'max_time'"),
            ("[training]\nmax_time = true", r"\[training\] max_time=True: give a number or 'none'"),
            ("[training]\nbatch_size = 10.5", r"\[training\] batch_size=10.5: give a whole number"),
            ("[training]\nbatch_size = 0", "batch_size=0: give a number above zero"),
            ("[training]\ndevice = 'gpu'", "device='gpu' cannot be used here"),
            ("[network]\nhidden_features = 128", "hidden_features=128: give a list, each a whole number"),
            ("[network]\nfamily = 'nice'", "network='nice': choose one of"),
            ("[simulation]\npath = 'fast'", r"give one of \['auto', 'factorised', 'general'\]"),
            ("seed = 1\n[training]\nseed = 2", r"seed=1 and \[training\] seed=2"),
        ],
    )
    def test_mistakes(self, tmp_path, text, complaint):
        with pytest.raises(ConfigurationError, match=complaint):
            read(write(tmp_path, f'problem = "green2020"\n{text}'))

    def test_files_that_are_none(self, tmp_path):
        with pytest.raises(ConfigurationError, match=r"config='.*nowhere.toml' cannot be read"):
            read(tmp_path / "nowhere.toml")
        with pytest.raises(ConfigurationError, match=r"is not a TOML file: .*line 1"):
            read(write(tmp_path, "problem: green2020"))
        with pytest.raises(ConfigurationError, match="cannot be read"):
            read(tmp_path)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, float, 1.0),
        (1e3, int, 1000),
        ("none", int | None, None),
        ({"H1": 20}, float | dict[str, float] | None, {"H1": 20.0}),
        ([1, 2.0], tuple[int, ...], (1, 2)),
    ],
)
def test_values_become_their_type(value, hint, expected):
    converted = convert(value, hint, "x")
    assert converted == expected
    assert type(converted) is type(expected)


def test_documented_example_and_keys(tmp_path):
    """The example of the documentation can be read, and every key of the tables is documented."""
    text = (ROOT / "docs" / "command_line.md").read_text()
    example = max(re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL), key=len)
    tomllib.loads(example)
    read(write(tmp_path, example))
    for setting in fields(Settings):
        assert setting.name in text, setting.name
    for config in (
        SimulationConfig,
        *(type(getattr(Settings(), name)) for name in ("representation", "network", "training")),
    ):
        for setting in fields(config):
            assert f"`{setting.name}`" in text, setting.name
