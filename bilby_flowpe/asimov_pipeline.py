"""flowpe as a pipeline of asimov: that of bilby_pipe, with settings for flowpe where a project names none.

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
# In Liquid, the language of the templates, the value false counts as missing, and the default for the distance is "True".
_NOT = "False"


class FlowPE(Bilby):
    """An analysis with ``pipeline: flowpe``.

    An analysis is configured as one of ``pipeline: bilby``, by the same template. Only defaults differ, for settings that the
    project's ledger leaves out: one run instead of two, no marginalisation (flowpe draws these parameters in closed form, and a
    table of the distance takes a minute), and no settings of dynesty.

    Parameters
    ----------
    production, category
        Arguments of asimov's pipelines.
    """

    name = _SAMPLER

    def __init__(self, production: Any, category: str | None = None) -> None:
        # The pipeline of Bilby accepts only its own name.
        Pipeline.__init__(self, production, category)

    def before_config(self, dryrun: bool = False) -> None:
        """Fill in settings that the ledger leaves out; the sampler is flowpe, whatever the project's usual one is."""
        super().before_config(dryrun)
        meta = self.production.meta
        sampler = meta.setdefault("sampler", {})
        sampler["sampler"] = _SAMPLER
        sampler.setdefault("parallel jobs", 1)
        marginalised = meta.setdefault("likelihood", {}).setdefault("marginalization", {})
        for key in _MARGINALISED:
            marginalised[key] = str(marginalised.get(key, _NOT))

    def get_sampler_kwargs(self) -> dict[str, Any]:
        """Return the arguments of the sampler, which are never empty: the template would insert those of dynesty."""
        return {"progress": False, **super().get_sampler_kwargs()}

    def html(self) -> str:
        """Return the part of asimov's page about an analysis: that of bilby_pipe, and the verdict with its reasons."""
        return str(super().html()) + "".join(f"<p>{html.escape(words)}</p>" for words in self.verdicts())

    def verdicts(self) -> list[str]:
        """Return the verdict of every final result, in words; an empty list if there is no result."""
        found = []
        for path in self.samples(absolute=True) if self.production.rundir else []:
            said = statistics_of(read_result(path))
            if "verdict" in said:
                reasons = "".join(f"; {reason}" for reason in said.get("reasons", ()))
                found.append(f"flowpe, {Path(path).name}: {said['verdict']}{reasons}")
        return found
