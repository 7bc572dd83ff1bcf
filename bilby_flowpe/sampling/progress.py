"""Progress bar of an event: the stage, the likelihood evaluations so far, and the efficiency of the latest draws."""

from __future__ import annotations

from tqdm.auto import tqdm

from .weighing import Target
from .weighted import WeightedDraws

_BAR = "{{desc}}: {{n_fmt}} {what}, {{elapsed}}{{postfix}}"
_WHAT, _OF_BOTH = "likelihood evaluations", "likelihood evaluations, coarse ones included"


class EventBar:
    """Progress bar for the sampling of an event, in a terminal or a notebook.

    Parameters
    ----------
    target
        The posterior, whose likelihood evaluations are counted.
    shown
        Whether to show anything.
    """

    def __init__(self, target: Target, shown: bool) -> None:
        self._target, self._shown = target, shown
        self._bar: tqdm | None = None

    def stage(self, name: str) -> None:
        """Start a stage of the run."""
        if self._shown and self._bar is None:
            # The total number of evaluations is not known in advance.
            bar = _BAR.format(what=_OF_BOTH if self._target.coarse else _WHAT)
            self._bar = tqdm(total=None, bar_format=bar, initial=self._target.meter.n_all)
        if self._bar is not None:
            self._bar.set_description_str(name)

    def advance(self, evaluations: int) -> None:
        """Count evaluations while a batch is made."""
        if self._bar is not None:
            self._bar.update(evaluations)

    def drawn(self, weighted: WeightedDraws) -> None:
        """Show the efficiency of a batch, and correct the number of evaluations."""
        if self._bar is None:
            return
        self._bar.n = self._target.meter.n_all
        summary = weighted.summary()
        self._bar.set_postfix_str(
            f"efficiency {summary.efficiency:.3g}, {summary.effective_sample_size:.0f} effective draws"
        )

    def close(self) -> None:
        """Close the bar; another stage opens a new one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
