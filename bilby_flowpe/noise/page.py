"""HTML page about a result under several noise models, and its content as lines of text."""

from __future__ import annotations

from pathlib import Path

from ..surprise import p_value_in_words
from ..validation.page import Page
from .choices import in_words
from .compared import NoiseComparison, UnderModel
from .picture import plot_noise

_HEAD = (
    "noise model", "ln B, noise alone", "ln B, with a signal", "ln B, signal vs noise", "power left", "effective draws", "",
)  # fmt: skip

_COLUMNS = (
    "noise, signal: ln B relative to Gaussian noise of the curve, for the data as noise alone and with a signal; S/N: ln B of",
    "a signal vs none; power: left after the best wave, in standard deviations from its expectation; eff.: effective draws",
)


def write_page(comparison: NoiseComparison, path: Path) -> Path:
    """Write the page as one HTML file.

    Parameters
    ----------
    comparison
        A result under several models.
    path
        Path of the file to write.
    """
    page = Page(f"{comparison.label}: noise")
    page.text(said(comparison))
    page.picture(
        "Above: ratio of the power left after the best wave to that of noise of the curve. Middle: distribution of the power "
        "of frequency bins, in the data and by some densities. Below: the parameters that change most.",
        lambda file: plot_noise(comparison, file),
    )
    if comparison.scales:
        page.section("Noise in the band of the signal")
        page.table(
            ("detector", "amplitude over the curve", "band of 90% of the signal", "p-value"),
            [
                (
                    name,
                    f"{one.factor:.3f} ± {one.scatter:.3f}",
                    f"{one.low:.0f} to {one.high:.0f} Hz",
                    p_value_in_words(one.p_value),
                )
                for name, one in comparison.scales.items()
            ],
        )
        page.text(
            "A factor that differs from one by more than its error means that the noise is louder or quieter than its curve: "
            "above one, the posterior is too narrow by about this factor, below one too wide. It is measured over the whole "
            "segment and corrected for its window.",
            faint=True,
        )
    for data in dict.fromkeys(model.data for model in comparison.models):
        models = [model for model in comparison.models if model.data == data]
        page.section(f"Evidences, {data}")
        page.table(_HEAD, [_cells(model) for model in models], kind="rows")
        page.text(
            "The first two columns of ln B compare each model with Gaussian noise of the given curve: for the data as noise "
            "alone, and as noise with a signal. Positive values favour the model. The third compares a signal with no "
            "signal, under the model. Power left: in standard deviations above that of noise of the model; chance exceeds "
            "2.8 in one of two hundred cases. Do not compare these evidences with those of other data.",
            faint=True,
        )
        page.section(f"What changes, {data}")
        keys = list(models[0].changes)
        page.table(
            ("parameter", *(model.name for model in models)),
            [(key, *(_change(m, key) for m in models)) for key in keys],
            kind="rows",
        )
        page.text(
            "Shift of the median in standard deviations of the result, and width relative to the result (intervals of 68%).",
            faint=True,
        )
    return page.write(path)


def said(comparison: NoiseComparison) -> str:
    """Return the conclusions of the comparison in sentences."""
    sentences = []
    if any(comparison.lines.values()):
        sentences.append(f"Bands whose power deviates by more than chance: {in_words(comparison.lines)}.")
    for data in dict.fromkeys(model.data for model in comparison.models):
        models = [model for model in comparison.models if model.data == data]
        best = max(models, key=lambda model: model.log_evidence)
        fits = [model.name for model in models if model.expected]
        told = "; ".join(fits) if fits else "none of the models"
        odds = (
            "has"
            if best is models[0]
            else f"has, by ln B = {best.log_ratio:.2f} ± {best.log_ratio_err:.1g} over Gaussian noise,"
        )
        sentences.append(
            f"{data.capitalize()}: the largest evidence with a signal {odds} '{best.name}'. The power left after the best "
            f"wave is as expected under these models: {told}."
        )
    return " ".join(sentences)


def format_noise(comparison: NoiseComparison) -> str:
    """Return the table of the models as text."""
    lines = [said(comparison), ""]
    for name, scale in comparison.scales.items():
        lines.append(
            f"{name}: the noise is {scale.factor:.3f} +- {scale.scatter:.3f} times its curve in amplitude, {scale.low:.0f} "
            f"to {scale.high:.0f} Hz, p-value {p_value_in_words(scale.p_value)}"
        )
    for data in dict.fromkeys(model.data for model in comparison.models):
        wide = 2 + max(len(model.name) for model in comparison.models)
        lines += ["", data, f"{'':{wide}s}{'noise':>10s}{'signal':>18s}{'S/N':>9s}{'power':>8s}{'eff.':>7s}"]
        for model in comparison.models:
            if model.data == data:
                ratio = f"{model.log_ratio:.2f} +- {model.log_ratio_err:.2g}"
                power = "" if model.residual is None else f"{model.residual:.1f}"
                lines.append(
                    f"{model.name:{wide}s}{model.log_noise_ratio:10.1f}{ratio:>18s}{model.log_bayes_factor:9.2f}{power:>8s}"
                    f"{model.effective:7.0f}  {model.note}".rstrip()
                )
    return "\n".join([*lines, "", *_COLUMNS])


def _cells(model: UnderModel) -> tuple[str, ...]:
    return (
        model.name,
        f"{model.log_noise_ratio:.1f}",
        f"{model.log_ratio:.2f} ± {model.log_ratio_err:.2g}",
        f"{model.log_bayes_factor:.2f} ± {model.log_evidence_err:.2g}",
        "" if model.residual is None else f"{model.residual:.1f}",
        f"{model.effective:.0f}",
        model.note,
    )


def _change(model: UnderModel, key: str) -> str:
    shift, width = model.changes.get(key, (float("nan"), float("nan")))
    return f"{shift:+.2f}, {width:.2f}"
