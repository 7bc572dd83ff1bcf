"""Pages on results and models: one file, complete in itself, the verdict first, nothing from outside unescaped."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import bilby
import numpy as np
import pytest

from bilby_flowpe.cli import main
from bilby_flowpe.errors import DataError
from bilby_flowpe.validation.page import Page
from bilby_flowpe.validation.report import report_model, report_result

pytestmark = pytest.mark.training  # pages on whole results, with their pictures

MODEL = "green2020-5d-maf"


class Outline(HTMLParser):
    """Headings, and everything that a page would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.headings: list[str] = []
        self._heading = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self._heading = tag in ("h1", "h2")
        self.fetched += [value for key, value in attrs if key in ("src", "href") and not value.startswith("data:")]

    def handle_data(self, data: str) -> None:
        if self._heading:
            self.headings.append(data)
            self._heading = False


@pytest.fixture(scope="module")
def run(problem_5d, tmp_path_factory) -> Path:
    """Result file of a run."""
    likelihood, priors = problem_5d
    outdir = tmp_path_factory.mktemp("run")
    bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        model=MODEL,
        n_effective=1500,
        outdir=str(outdir),
        label="event",
        injection_parameters=likelihood.injection_parameters,
        sampling_seed=1,
        progress=False,
    )
    return outdir / "event_result.json"


def test_page_on_a_result(run: Path) -> None:
    page = report_result(run)
    assert page == run.with_name("event_report.html")
    text = page.read_text()
    outline = Outline(text)
    assert outline.fetched == []
    assert outline.headings[:8] == [
        "event: flowpe",
        "Posterior",
        "Source and signal",
        "Importance weights",
        "Evaluations, and the search for modes",
        "Data and waveforms",
        "Do the data fit likelihood and prior?",
        "Data that were used",
    ]
    # Verdict before anything else, and a picture each of posterior, weights, waveforms and training.
    assert text.index("reliable") < text.index("ln evidence") < text.index("Posterior")
    assert text.count("data:image/png;base64,") == 4
    assert 'name="viewport"' in text


def test_derived_parameters_and_narrow_intervals_are_in_the_table(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "event_result.json"
    content = json.loads(run.read_text())
    posterior = content["posterior"]["content"]
    size = len(posterior["mass_1"])
    posterior["lambda_tilde"] = [400.0 + i / size for i in range(size)]
    posterior["chirp_mass_source"] = [1.2 + 1e-6 * i / size for i in range(size)]
    path.write_text(json.dumps(content))
    text = report_result(path).read_text()
    assert "lambda_tilde" in text
    assert "chi_eff" not in text
    # Ends of the interval of a millionth are told apart.
    assert re.search(r"1\.2000000\d+ to 1\.2000009\d+", text)


def test_the_same_result_as_a_referee(run: Path, tmp_path: Path) -> None:
    other = json.loads(run.read_text())
    other["sampler"], other["label"] = "dynesty", "other"
    (tmp_path / "other_result.json").write_text(json.dumps(other))
    page = report_result(run, referee=tmp_path / "other_result.json", output=tmp_path / "both.html")
    assert "Comparison with dynesty" in Outline(page.read_text()).headings


def test_another_samplers_result_has_no_verdict(run: Path, tmp_path: Path) -> None:
    other = json.loads(run.read_text())
    other["sampler"], other["meta_data"] = "dynesty", {}
    path = tmp_path / "other_result.json"
    path.write_text(json.dumps(other))
    text = report_result(path).read_text()
    assert "no verdict" in text
    assert "a run of flowpe on gravitational-wave data writes it" in text


def test_page_on_a_model_with_its_coverage(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    ranks = {key: rng.random(30).tolist() for key in ("mass_1", "posterior density", "distance")}
    kind = {
        "parameters": {"mass_1": 0.5},
        "joint": {"posterior density": 0.4, "distance": 0.3},
        "combined": 0.5,
        "least_times_tests": 0.9,
    }
    summary = {"events": 30, "raw": kind, "weighted": kind, "verdicts": {"reliable": 30}}
    summary["events_without_rows"] = {"raw": 0, "weighted": 2}
    summary["ranks"] = {"raw": ranks, "weighted": ranks}
    coverage = tmp_path / "coverage.json"
    coverage.write_text(json.dumps({"models": {MODEL: summary}}))
    assert main(["report", MODEL, "--coverage", str(coverage)]) == 0
    text = (tmp_path / f"{MODEL}.html").read_text()
    assert "Coverage" in Outline(text).headings
    assert text.count("data:image/png;base64,") == 2


def test_coverage_of_another_model_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "coverage.json").write_text(json.dumps({"models": {}}))
    with pytest.raises(DataError, match="does not contain"):
        report_result(run, coverage=tmp_path / "coverage.json")


def test_what_comes_from_outside_is_text_alone(tmp_path: Path) -> None:
    page = Page("<script>alert(1)</script>")
    page.verdict("check", ["<img src=x>"])
    page.figures([("<b>", "&")])
    page.table(["<i>"], [("<u>",)])
    page.listing("$title </pre><script>")
    text = page.write(tmp_path / "page.html").read_text()
    assert "<script>" not in text
    assert "<img" not in text
    assert "$title" in text
    assert not re.search(r"<(i|u)>", text)


def test_reasons_begin_with_the_clause_that_has_the_figure(tmp_path: Path) -> None:
    page = Page("event")
    page.verdict("check", ["data are unlike (p-value 0.001, required 0.005): power is 7; signal may differ", "k: 0.9"])
    text = page.write(tmp_path / "page.html").read_text()
    assert "<b>data are unlike (p-value 0.001, required 0.005)</b><br>Power is 7; signal may differ" in text
    assert "<li><b>k: 0.9</b></li>" in text


def test_long_names_may_be_broken_and_numbers_may_not(tmp_path: Path) -> None:
    page = Page("event")
    page.table(["a"], [("bilby.gw.source.lal_binary_black_hole",), ("1126259462.412161 to 1126259462.422321",)])
    text = page.write(tmp_path / "page.html").read_text()
    assert "bilby.<wbr>gw.<wbr>source.<wbr>lal_<wbr>binary_<wbr>black_<wbr>hole" in text
    assert "<td>1126259462.412161 to 1126259462.422321</td>" in text


def test_times_are_shown_from_their_whole_second_on(run: Path) -> None:
    text = report_result(run).read_text().replace("<wbr>", "")
    assert re.search(
        r"<td>geocent_time - 1126259462</td><td>0\.\d+</td><td>0\.\d+ to 0\.\d+</td><td>s</td><td>0\.\d", text
    )
    # Injected values are of sampled parameters only, and of an argument that was not given nothing is said.
    assert text.count("<th>injected</th>") == 1
    assert "<td>None</td>" not in text


def changed(run: Path, folder: Path, label: str = "event", **changes) -> Path:
    """The same result file with other content."""
    made = json.loads(run.read_text()) | {"label": label} | changes
    path = folder / f"{label}_result.json"
    path.write_text(json.dumps(made))
    return path


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_results_with_hardly_any_rows_have_a_page(run: Path, tmp_path: Path, rows: int) -> None:
    posterior = json.loads(run.read_text())["posterior"]
    content = {key: column[:rows] for key, column in posterior["content"].items()}
    text = report_result(changed(run, tmp_path, posterior=posterior | {"content": content})).read_text()
    assert ("The posterior has no rows" if rows == 0 else "There is no corner plot for fewer than") in text
    assert "Importance weights" in text


def test_two_results_of_one_sampler_are_told_apart(run: Path, tmp_path: Path) -> None:
    other = changed(run, tmp_path, label="other")
    text = report_result(run, referee=other, output=tmp_path / "both.html").read_text()
    assert "Comparison with flowpe, other" in text
    assert "flowpe, event minus flowpe, other" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"posterior": None},
        {"priors": None},
        {"search_parameter_keys": None},
        {"log_evidence": None},
        {"label": "a/b"},
        {"meta_data": {"run_statistics": [1]}},
    ],
)
def test_results_that_lack_something_are_refused(run: Path, tmp_path: Path, changes: dict, capsys) -> None:
    made = json.loads(run.read_text()) | changes
    path = tmp_path / "event_result.json"
    path.write_text(json.dumps(made))
    assert main(["report", str(path)]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_whitened_data_that_are_none(run: Path, tmp_path: Path) -> None:
    path = changed(run, tmp_path)
    (tmp_path / "flowpe_event").mkdir()
    for content in (b"garbage", b""):
        (tmp_path / "flowpe_event" / "whitened.npz").write_bytes(content)
        assert "cannot be read" in report_result(path).read_text()
    np.savez(tmp_path / "flowpe_event" / "whitened.npz", **{"H1/data": np.zeros(3)})
    assert "has no whitened data" in report_result(path).read_text()


@pytest.mark.parametrize(
    "content", ["{}", "3", '{"models": {"green2020-5d-maf": 3}}', '{"models": {"green2020-5d-maf": {}}}']
)
def test_coverage_files_that_are_none(tmp_path: Path, content: str, capsys) -> None:
    (tmp_path / "coverage.json").write_text(content)
    assert (
        main(["report", MODEL, "--coverage", str(tmp_path / "coverage.json"), "--output", str(tmp_path / "p.html")])
        == 2
    )
    assert "does not contain" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_said_and_leaves_nothing(run: Path, tmp_path: Path, capsys) -> None:
    assert main(["report", str(run), "--output", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert not list(tmp_path.parent.glob(".*.tmp"))


def test_a_model_that_is_gone_is_said(run: Path, tmp_path: Path) -> None:
    other = json.loads(run.read_text())
    other["meta_data"]["run_statistics"]["model"] = "no-such-model"
    path = tmp_path / "event_result.json"
    path.write_text(json.dumps(other))
    assert "no-such-model" in report_result(path).read_text()


def test_a_model_without_coverage(tmp_path: Path) -> None:
    from bilby_flowpe.storage.shipped import SHIPPED

    page = report_model(SHIPPED / MODEL, output=tmp_path / "model.html")
    assert Outline(page.read_text()).fetched == []


def test_a_referee_belongs_to_a_result(run: Path, capsys) -> None:
    assert main(["report", MODEL, "--referee", str(run)]) == 2
    assert "can only be given with a result file" in capsys.readouterr().err


def test_a_result_without_waves_has_no_sections_on_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x = np.linspace(0, 1, 20)
    line = bilby.core.likelihood.GaussianLikelihood(x, 2 * x + rng.normal(0, 0.3, 20), lambda x, m: m * x, sigma=0.3)
    bilby.run_sampler(
        line,
        {"m": bilby.core.prior.Uniform(0, 5)},
        sampler="flowpe",
        network="none",
        n_effective=300,
        outdir=str(tmp_path),
        label="line",
        sampling_seed=1,
        progress=False,
    )
    text = report_result(tmp_path / "line_result.json").read_text()
    assert not {"Data and waveforms", "Data that were used"} & {*Outline(text).headings}
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text)
    assert "starting from the prior" in text
