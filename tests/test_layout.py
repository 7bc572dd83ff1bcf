"""Tests are laid out like the package: every module has its test file, or is named here with the file that tests it."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "bilby_flowpe"

OTHERS = {"integration", "upstream"}
"""Folders of tests that belong to no module: whole runs, and Bilby's own tests."""

TOGETHER: dict[str, tuple[str, set[str]]] = {
    "catalogue/test_reprior.py": (
        "weights, new draws and stored draws of one toy, held against the same integrals",
        {"catalogue/hdf5.py", "catalogue/other_priors.py"},
    ),
    "catalogue/test_runner.py": (
        "what a process of an event does, and what it leaves in its folder",
        {"catalogue/afterwards.py", "catalogue/child.py", "catalogue/event_folder.py"},
    ),
    "chain/test_batch.py": ("what a step brings, as the batch takes it", {"chain/increment.py"}),
    "arguments/test_table.py": ("a kind of value is tested by the arguments that have it", {"arguments/kinds.py"}),
    "conditional/test_closed_form.py": ("the contract, by what fulfils it", {"conditional/base.py"}),
    "conditional/test_coherent.py": (
        "steps of the coherent draw, by what draws with them",
        {
            "conditional/averaged.py",
            "conditional/blocks/candidates.py",
            "conditional/blocks/coherent.py",
            "conditional/blocks/waves.py",
            "waves/full_grid.py",
        },
    ),
    "conditional/test_harmonics.py": (
        "every choice among the conditionals, and the draw of a block",
        {"conditional/choose.py", "conditional/blocks/harmonics.py"},
    ),
    "conditional/blocks/test_skies.py": (
        "steps of the draw of the sky",
        {"conditional/blocks/arrival_times.py", "conditional/blocks/arrivals.py"},
    ),
    "commands/test_skymaps.py": ("a command and its parser", {"commands/skymap_parsing.py"}),
    "commands/test_catalogues.py": ("commands, run as they are typed", {"commands/catalogue_parsing.py"}),
    "configuration/test_file.py": (
        "whole files, tables of every kind",
        {"configuration/tables.py", "configuration/transient.py"},
    ),
    "contract/test_contract.py": ("facts of a contract", {"kinds/behaviour.py", "storage/versions.py"}),
    "contract/test_matching.py": ("priors are one part of a match", {"contract/matching_priors.py"}),
    "family/test_events.py": ("events of both families", {"family/precessing_events.py"}),
    "kinds/test_choose.py": (
        "all kinds answer the same questions",
        {
            "kinds/black_box.py",
            "kinds/gravitational_wave.py",
            "kinds/noise_model.py",
            "kinds/own_simulate.py",
            "problem/base.py",
            "problem/config.py",
            "problem/data.py",
        },
    ),
    "networks/test_networks.py": (
        "all families keep one contract, and are held to it side by side",
        {
            f"networks/{name}.py"
            for name in [
                "base",
                "config",
                "cvae",
                "cvae_plus",
                "families",
                "gaussian",
                "latent",
                "layers",
                "made",
                "maf",
            ]
        },
    ),
    "problems/test_closed_forms.py": (
        "thirty problems, held to the same",
        {f"problems/{name}.py" for name in ["discrete", "moded", "modes", "plateaus", "ridges", "scales"]},
    ),
    "processes/test_fabric.py": ("a team is tested with processes in it", {"processes/team.py"}),
    "proposals/test_mixture.py": (
        "charts and parts are what a mixture is made of",
        {"proposals/charts.py", "proposals/parts.py"},
    ),
    "representation/test_align.py": (
        "fitted and applied as one",
        {f"representation/{name}.py" for name in ["aligned", "base", "config", "kinds"]},
    ),
    "representation/test_coordinates.py": ("coordinates are relative to a pivot", {"representation/pivot.py"}),
    "sampling/test_event.py": ("shown while an event is sampled", {"sampling/progress.py"}),
    "sampling/test_refine.py": (
        "what a refinement is made of",
        {
            "proposals/event_flow.py",
            "proposals/spline_flow.py",
            "sampling/pace.py",
            "sampling/pool.py",
            "sampling/round_mixture.py",
            "sampling/search.py",
            "sampling/tail.py",
            "sampling/temperature.py",
        },
    ),
    "simulation/test_amortised.py": (
        "noise curves, and the features of data that have them",
        {"representation/amortised.py", "simulation/noise_family.py"},
    ),
    "simulation/test_general.py": (
        "data that are no strain, of likelihoods that simulate themselves",
        {"simulation/plain.py", "simulation/rows.py"},
    ),
    "simulation/test_noise_kinds.py": ("all kinds of noise, side by side", {"simulation/noise.py"}),
    "simulation/test_signal_bank.py": (
        "what a signal of a bank goes through",
        {"simulation/checks.py", "waves/extrinsic.py", "waves/tasks.py"},
    ),
    "test_cli.py": (
        "commands, run as they are typed",
        {
            "model_list.py",
            "commands/models.py",
            "commands/parsing.py",
            "commands/alert_parsing.py",
            "commands/noise_parsing.py",
        },
    ),
    "test_model.py": ("a model, shipped or not, bound to data", {"bound.py", "storage/shipped.py"}),
    "test_sampler.py": ("runs by ``run_sampler``", {"model_choice.py", "run.py"}),
    "test_surprise.py": ("the residual is what surprises", {"waves/residual.py"}),
    "training/test_build.py": ("batches of a whole training", {"training/stream.py"}),
    "training/test_loop.py": (
        "the loop's neighbours",
        {"training/checkpoint.py", "training/prefetch.py", "training/recipe.py"},
    ),
    "translation/test_source_masses.py": ("redshifts of sources", {"redshifts.py"}),
    "sampling/test_weighing.py": ("what weighing gives", {"sampling/weighted.py"}),
    "translation/test_steps.py": ("forms of a prior, as a step takes them", {"translation/forms.py"}),
    "translation/test_translate.py": (
        "what a problem is translated into",
        {"translation/calibration_errors.py", "translation/translated.py"},
    ),
    "noise/test_comparing.py": (
        "what a comparison is made of",
        {"noise/choices.py", "noise/compared.py", "noise/page.py", "noise/picture.py"},
    ),
    "waves/test_noise_scale.py": ("what is measured", {"noise_scale.py"}),
    "waves/test_symmetries.py": ("turns with the phase are a symmetry", {"waves/turns.py"}),
    "waves/test_grid.py": ("shifts in time on a grid", {"waves/shifts.py"}),
    "waves/coarse/test_coarse_waves.py": (
        "whole coarse waves, whose nodes are chosen by their error on trials",
        {"waves/coarse/build.py", "waves/coarse/error.py", "waves/coarse/trials.py"},
    ),
    "waves/coarse/test_search.py": (
        "what is searched with",
        {"waves/coarse/bank.py", "waves/coarse/templates.py"},
    ),
    "waves/coarse/test_sources.py": ("models are what a source is", {"waves/coarse/models.py"}),
    "waves/coarse/test_statistic.py": (
        "pieces of data, the metric of templates and rounds of a search, by the statistic of whole waves",
        {"waves/coarse/metric.py", "waves/coarse/rounds.py", "waves/coarse/shortened.py"},
    ),
    "waves/coarse/test_summary.py": ("norms are summary data, too", {"waves/coarse/norms.py"}),
    "validation/test_coverage.py": ("events kept while a coverage is measured", {"validation/kept.py"}),
    "validation/test_gap.py": ("a card quotes the gap", {"validation/card.py"}),
    "validation/test_notes.py": ("the command prints what is tested", {"commands/noting.py"}),
    "validation/test_referee.py": ("one way to a referee's samples", {"validation/marginalised.py"}),
    "validation/test_report.py": ("pages of a report", {"validation/page.py"}),
    "validation/test_validation.py": (
        "all distances between posteriors, side by side",
        {"validation/divergence.py", "validation/marginals.py"},
    ),
    "verdict/test_verdict.py": (
        "every check of the table, and the grade",
        {
            "verdict/case.py",
            "verdict/check.py",
            "verdict/checks.py",
            "verdict/completeness.py",
            "verdict/findings.py",
            "verdict/grade.py",
            "verdict/partial.py",
        },
    ),
}
"""Test files that test modules which have none of their own: why they are the place, and which modules."""

WITHOUT = {"errors.py": "classes without code", "names.py": "names of parameters, without code"}
"""Modules without tests, and why."""

OF_NO_MODULE = {
    "test_architecture.py": "which module may import which",
    "test_docs.py": "links, commands and code of the documentation",
    "test_ecosystem.py": "how runs inside other packages are judged, and the page that says so",
    "test_front_door.py": "names and examples of the package itself",
    "test_hostile_input.py": "priors, arguments and data that nobody should give",
    "test_house_figures.py": "the script that counts how the package is built",
    "test_layout.py": "this file",
    "test_plain_words.py": "the script that counts unclear docstrings and unexplained constants",
    "test_same_answers.py": "the script that compares the answers of two commits",
    "test_supply_chain.py": "versions and licences of what is depended on",
}
"""Test files that are about no module of the package, and what they are about."""


def modules(package: Path) -> set[str]:
    """Paths of all modules that hold code, relative to the package."""
    return {path.relative_to(package).as_posix() for path in package.rglob("*.py") if path.name != "__init__.py"}


def files_of(tests: Path) -> set[str]:
    """Paths of all test files that may belong to a module, relative to the tests."""
    found = {path.relative_to(tests) for path in tests.rglob("test_*.py")}
    return {path.as_posix() for path in found if path.parts[0] not in OTHERS}


def own(module: str) -> str:
    """``conditional/sky.py`` -> ``conditional/test_sky.py``."""
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name}" if folder else f"test_{name}"


def complaints(found: set[str], files: set[str], together: dict, without: dict, of_none: dict) -> list[str]:
    """Return what is out of place, in words; nothing if all is well."""
    elsewhere = {module: file for file, (_, tested) in together.items() for module in tested}
    named = {**elsewhere, **dict.fromkeys(without, "none")}
    told = []
    for module in sorted(found):
        if own(module) in files and module in named:
            told.append(f"{module} has tests/{own(module)}: it need not be named in test_layout.py")
        elif own(module) not in files and module not in named:
            told.append(f"{module} has no tests: write tests/{own(module)}, or say in TOGETHER what tests it, and why")
    told += [f"{module} is named in test_layout.py, and is not there" for module in sorted(set(named) - found)]
    told += [
        f"tests/{file} is named in test_layout.py, and is not there" for file in sorted({*together, *of_none} - files)
    ]
    expected = {own(module) for module in found} | set(together) | set(of_none)
    told += [
        f"tests/{file} is of no module: move it, or say in OF_NO_MODULE what it is about"
        for file in sorted(files - expected)
    ]
    return told


def test_every_module_has_its_tests() -> None:
    found = modules(PACKAGE)
    assert "importance.py" in found
    assert complaints(found, files_of(TESTS), TOGETHER, WITHOUT, OF_NO_MODULE) == []


@pytest.mark.parametrize(
    ("found", "files", "together", "without", "of_none", "complaint"),
    [
        ({"a/b.py"}, set(), {}, {}, {}, "a/b.py has no tests: write tests/a/test_b.py"),
        ({"a/b.py"}, {"a/test_b.py", "test_b.py"}, {}, {}, {}, "tests/test_b.py is of no module"),
        ({"b.py"}, {"test_b.py", "test_c.py"}, {"test_c.py": ("", {"b.py"})}, {}, {}, "b.py has tests/test_b.py"),
        (set(), {"test_c.py"}, {"test_c.py": ("", {"b.py"})}, {}, {}, "b.py is named in test_layout.py, and is not"),
        ({"b.py"}, set(), {"test_c.py": ("", {"b.py"})}, {}, {}, "tests/test_c.py is named in test_layout.py"),
        (set(), set(), {}, {"b.py": ""}, {}, "b.py is named in test_layout.py, and is not"),
        (set(), set(), {}, {}, {"test_c.py": ""}, "tests/test_c.py is named in test_layout.py"),
    ],
)
def test_what_is_out_of_place_is_told(found, files, together, without, of_none, complaint) -> None:
    (told,) = complaints(found, files, together, without, of_none)
    assert complaint in told


def test_folders_of_tests_are_packages() -> None:
    """Files of one name in two folders need it."""
    for folder in {path.parent for path in TESTS.rglob("test_*.py")} - {TESTS / "upstream"}:
        assert (folder / "__init__.py").exists(), folder
