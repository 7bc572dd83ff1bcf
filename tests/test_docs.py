"""Targets of the documentation exist (files, pictures, headings, scripts and their options), and its code runs."""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

from bilby_flowpe import __version__, cli
from bilby_flowpe.configuration.file import read
from bilby_flowpe.problems import green2020
from bilby_flowpe.sampler import FlowPE
from tests.test_architecture import ROWS

ROOT = Path(__file__).resolve().parent.parent
DOCS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
PAGES = sorted([*DOCS, ROOT / "CHANGELOG.md", *(ROOT / "bilby_flowpe" / "models").glob("*/card.md")])

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="no repository")


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        # Pages of the gallery are made from the examples when the documentation is built.
        if file.parent == ROOT / "docs" / "gallery":
            file = ROOT / "examples" / ("GALLERY_HEADER.rst" if file.name == "index" else f"{file.name}.py")
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_merge_was_left_half_done(page: Path) -> None:
    """The markers of a conflict are text to every tool that reads a page, and one becomes a heading."""
    assert not re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_those_of_scripts_that_are_here(page: Path) -> None:
    """The file of every ``python examples/NAME.py --OPTION`` exists and has the option."""
    text = page.read_text(encoding="utf-8")
    for script, rest in re.findall(r"python ((?:examples|benchmarks|tests)/[\w/]+\.py)([^`\n]*)", text):
        file = ROOT / script
        assert file.is_file(), f"{page.name}: {script}"
        source = file.read_text(encoding="utf-8")
        for other in re.findall(r"^from (\w+) import", source, flags=re.MULTILINE):
            neighbour = file.with_name(f"{other}.py")
            source += neighbour.read_text(encoding="utf-8") if neighbour.is_file() else ""
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", rest.partition(" and ")[0]):
            assert f'"{option}"' in source, f"{page.name}: {script} {option}"


def test_every_example_and_benchmark_says_how_it_is_run() -> None:
    for file in sorted([*(ROOT / "examples").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]):
        source = file.read_text(encoding="utf-8")
        if "__main__" in source:
            assert f"python {file.relative_to(ROOT).as_posix()}" in source, file.name


BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?```(?P<language>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
MARKS = ("output", "not run: ", "command: ")


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """Mark, language and body of every fenced block that is no directive."""
    found = [match.group("mark", "language", "body") for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    return [(mark or "", language, body) for mark, language, body in found if not language.startswith("{")]


@pytest.mark.training
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs_or_is_marked(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python and ``flowpe`` run, a configuration is read; what is output, or takes minutes, says so in a comment before it."""
    monkeypatch.chdir(tmp_path)
    likelihood, priors = green2020(5, seed=20)
    names = {"likelihood": likelihood, "priors": priors}
    for mark, language, body in blocks(page):
        words = [shlex.split(line, comments=True) for line in body.splitlines() if language == "bash"]
        for line in (line for line in words if line[:1] == ["flowpe"]):
            cli.build_parser().parse_args(line[1:])
        if mark:
            assert mark.startswith(MARKS), f"{page.name}: {mark}"
        elif language == "python":
            exec(compile(body, page.name, "exec"), names)
        elif language == "toml":
            (tmp_path / "problem.toml").write_text(body, encoding="utf-8")
            read(tmp_path / "problem.toml")
        elif language == "json":
            json.loads(body)
        elif language == "bash" and all(line[:1] == ["flowpe"] for line in words):
            assert [cli.main(line[1:]) for line in words] == [0] * len(words)
        else:
            pytest.fail(f"{page.name}: a block of {language or 'no language'} that is neither run nor marked:\n{body}")


@pytest.mark.parametrize("page", sorted(DOCS), ids=lambda page: page.name)
def test_all_code_is_in_such_blocks(page: Path) -> None:
    """Code is written in no other way, because the tests would not run it."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert not re.search(r"^\s*(~~~|```)", text, re.MULTILINE), "a fence of another kind"
    assert not re.search(r"\n\s*\n(    |\t)", text), "an indented block"


def within(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Commands of a parser, or of one of its commands."""
    return next((action.choices for action in parser._actions if isinstance(action.choices, dict)), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_inline_commands_are_those_of_the_parser(page: Path) -> None:
    """The command of every ``flowpe COMMAND --OPTION`` exists and has the option."""
    commands = within(cli.build_parser())
    for command in re.findall(r"`(flowpe [^`]+)`", page.read_text(encoding="utf-8")):
        words = command.split()
        if words[1].startswith("--") or words[1].isupper():
            continue
        assert words[1] in commands, command
        parser, rest = commands[words[1]], words[2:]
        if rest and rest[0] in (others := within(parser)):
            parser, rest = others[rest[0]], rest[1:]
        known = parser._option_string_actions
        for option in (word for word in rest if word.startswith("--")):
            assert option in known, command


def test_arguments_are_those_of_the_sampler() -> None:
    text = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    table = text.split("## Keyword arguments")[1].split("\n## ")[0]
    said = dict(re.findall(r"^\| `(\w+)` \| `?([^`|]+?)`? \|", table, re.MULTILINE))
    values = {name: None if default == "none" else ast.literal_eval(default) for name, default in said.items()}
    # The pool is Bilby's own argument.
    assert values == {**FlowPE.default_kwargs, "npool": 1}


def test_tables_of_the_usage_are_those_of_the_package() -> None:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    page = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    assert tables.filled(page) == page, "run `python docs/tables.py --write`"
    with pytest.raises(ValueError, match="0 places for the table of checks"):
        tables.filled(page.replace("end of checks", "end"))


def test_rows_of_the_house_are_those_that_are_held() -> None:
    page = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    rows: list[set[str]] = []
    for number, units in re.findall(r"^\| ?([\d, ]*?) ?\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE):
        names = re.findall(r"\w+", units)
        if "," in number:
            rows += [{name} for name in names]
        elif number.strip():
            rows.append(set(names))
        else:
            rows[-1] |= set(names)
    assert tuple(rows) == ROWS


def test_blocks_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\n1 / 0\n```\n\n<!-- output -->\n```text\nno\n```\n```{toctree}\n```\n", encoding="utf-8")
    assert blocks(page) == [("", "python", "1 / 0\n"), ("output", "text", "no\n")]
    with pytest.raises(ZeroDivisionError):
        test_code_runs_or_is_marked(page, tmp_path, monkeypatch)


def test_what_is_public_is_on_the_page_of_the_api() -> None:
    """Modules with ``__all__`` are public, but for the networks, which are the contributors'."""
    page = set(re.findall(r"automodule:: (\S+)", (ROOT / "docs" / "api.md").read_text(encoding="utf-8")))
    public = set()
    for file in (ROOT / "bilby_flowpe").rglob("*.py"):
        if re.search(r"^__all__\b", file.read_text(encoding="utf-8"), re.MULTILINE):
            public.add(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    assert public - {f"bilby_flowpe.{name}" for name in ("networks", "representation", "simulation")} == page
    for name in page:
        module = importlib.import_module(name)
        assert all(
            getattr(module, entry).__doc__ or not callable(getattr(module, entry)) for entry in module.__all__
        ), name


def test_formulas_of_docstrings_are_tex() -> None:
    r"""A raw docstring has ``\times``, one that is not raw ``\\times``: mixed up, a formula has a tab or a line break."""
    for file in (ROOT / "bilby_flowpe").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for formula in re.findall(r":math:`([^`]*)`", node.value):
                    assert not re.search(r"[\t\a\b\f\v\r]|\\\\", formula), f"{file}: {formula}"


def test_there_is_one_version() -> None:
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    newest = re.search(r"^## \[.*?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert citation and newest and citation[1] == newest[1] == __version__


def test_the_configuration_on_the_page_is_that_of_the_file() -> None:
    """The lines of the first block of settings in docs/real_events.md are those of the file, in its order."""
    page = (ROOT / "docs" / "real_events.md").read_text(encoding="utf-8")
    file = (ROOT / "examples" / "bilby_pipe_precessing.ini").read_text(encoding="utf-8")
    first = next(body for _, language, body in blocks(ROOT / "docs" / "real_events.md") if language == "ini")
    settings = [line for line in file.splitlines() if line and not line.startswith("#")]
    assert [line for line in first.splitlines() if line] == settings
    # What the page says to write for local files stands in the file as comments.
    second = [body for _, language, body in blocks(ROOT / "docs" / "real_events.md") if language == "ini"][1]
    assert all(f"# {line}" in file for line in second.splitlines() if line), page
