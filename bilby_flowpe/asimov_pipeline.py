"""flowpe as a pipeline of asimov: bilby_pipe's own, with the settings that flowpe wants where a project names none.

asimov finds it by the entry point ``flowpe`` of the group ``asimov.pipelines``; nothing else imports this module, which needs
asimov and bilby_pipe.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from asimov.pipeline import Pipeline
from bilby_pipe.asimov.asimov import Bilby

from .result_files import read_result
from .results import statistics_of

_SAMPLER = "flowpe"
_MARGINALISED = ("distance", "phase", "time")
# Of Liquid, in which templates are written, the value false is as good as none: then "True" would stand for the distance.
_NOT = "False"


class FlowPE(Bilby):
    """``pipeline: flowpe`` of an analysis.

    An analysis is configured as one of ``pipeline: bilby``, by the same template. What differs where the project's ledger says
    nothing: one run in place of two, nothing marginalised (flowpe draws these parameters in closed form, and a table of the
    distance takes a minute), and no settings of dynesty.

    Parameters
    ----------
    production, category
        As asimov gives them.
    """

    name = _SAMPLER

    def __init__(self, production: Any, category: str | None = None) -> None:
        # Bilby's own accepts no other name of a pipeline than its own.
        Pipeline.__init__(self, production, category)

    def before_config(self, dryrun: bool = False) -> None:
        """Fill in what the ledger leaves out; the sampler is flowpe, whatever the project's usual one is."""
        super().before_config(dryrun)
        meta = self.production.meta
        sampler = meta.setdefault("sampler", {})
        sampler["sampler"] = _SAMPLER
        sampler.setdefault("parallel jobs", 1)
        marginalised = meta.setdefault("likelihood", {}).setdefault("marginalization", {})
        for key in _MARGINALISED:
            marginalised[key] = str(marginalised.get(key, _NOT))

    def get_sampler_kwargs(self) -> dict[str, Any]:
        """Arguments of the sampler: never empty, for the template would put those of dynesty there."""
        return {"progress": False, **super().get_sampler_kwargs()}

    def html(self) -> str:
        """Return what asimov's pages show of an analysis: bilby_pipe's part, and the verdict with its reasons."""
        return str(super().html()) + "".join(f"<p>{html.escape(words)}</p>" for words in self.verdicts())

    def verdicts(self) -> list[str]:
        """The verdict of every final result, in words; none before there is one."""
        found = []
        for path in self.samples(absolute=True) if self.production.rundir else []:
            said = statistics_of(read_result(path))
            if "verdict" in said:
                reasons = "".join(f"; {reason}" for reason in said.get("reasons", ()))
                found.append(f"flowpe, {Path(path).name}: {said['verdict']}{reasons}")
        return found
