"""The sampler for ``bilby.run_sampler(likelihood, priors, sampler="flowpe")``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bilby.core.sampler.base_sampler import Sampler, signal_wrapper
from bilby.core.utils import logger

from .arguments.table import check_arguments, check_npool, default_kwargs, with_parameters
from .network_choice import announced
from .prior_checks import require_conditions, require_limits
from .storage.interruption import deferred

if TYPE_CHECKING:
    from bilby.core.likelihood import Likelihood
    from bilby.core.prior import PriorDict
    from bilby.core.result import Result

    from .run import Run


@with_parameters
class FlowPE(Sampler):
    """Amortised neural posterior, weighted by the exact likelihood.

    A conditional normalizing flow, trained on simulations from the same likelihood and prior, proposes draws; the likelihood
    weighs them; and every result has a verdict. If no model is given or found in the cache, a proposal is refined for the
    event, or a network is trained first, as ``network`` says. A network whose efficiency is too low is refined, too.

    The arguments, declared in :mod:`bilby_flowpe.arguments.table`, are added here as the section of parameters.
    """

    sampler_name = "flowpe"
    abbreviation = "flowpe"
    sampling_seed_key = "sampling_seed"
    default_kwargs = default_kwargs()
    announced: tuple[str, ...] = ()
    """Arguments of this run that request a training, if ``network`` is ``"auto"``."""
    _given: frozenset[str] = frozenset()

    def __init__(self, likelihood: Likelihood, priors: PriorDict, *args: Any, **kwargs: Any) -> None:
        require_limits(priors)
        require_conditions(priors)
        super().__init__(likelihood, priors, *args, **kwargs)
        self._warn_of_a_finished_result()

    def _warn_of_a_finished_result(self) -> None:
        """Warn if Bilby will return a finished result of the same label and parameters instead of a new run."""
        # Arguments from a configuration file may be text.
        resume = str(self.kwargs.get("resume", True)).lower() != "false"
        if self.cached_result is not None and not resume:
            logger.warning(
                f"resume=False, but Bilby has found the finished result of label={self.label!r} in {self.outdir} and returns "
                "it, whatever the arguments are: nothing is sampled. For a new run give clean=True or another label, or remove "
                "that result"
            )

    @property
    def external_sampler_name(self) -> str:
        """Name of the module that has to be importable."""
        return "bilby_flowpe"

    def _translate_kwargs(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        self._given = frozenset(kwargs)
        kwargs = super()._translate_kwargs(kwargs)
        for key in self.npool_equiv_kwargs:
            if (value := kwargs.pop(key, None)) is not None:
                self._npool = value
        return kwargs

    @classmethod
    def get_expected_outputs(cls, outdir: str | None = None, label: str | None = None) -> tuple[list[str], list[str]]:
        """Return the files and folders that a run writes beside its result: the folder for interrupted runs."""
        return [], [str(Path(outdir or ".") / f"{cls.abbreviation}_{label}") + "/"]

    def write_current_state(self) -> None:
        """Do nothing: training and evaluations are kept whenever a run ends."""

    def write_current_state_and_exit(self, signum: int | None = None, frame: Any = None) -> None:
        """Exit on a signal; with several processes, Bilby's own method exits only if it knows their pool."""
        self._log_interruption(signum=signum)
        self.write_current_state()
        sys.exit(self.exit_code)

    @signal_wrapper  # type: ignore[untyped-decorator]  # Bilby's, without hints
    def run_sampler(self) -> Result:
        """Find or train a model, draw, weigh and fill the result.

        Raises
        ------
        FlowPEError
            If an argument, the likelihood or the priors have to be changed; it is raised before any long computation.
        """
        return self._run(calibrated=True)

    def _run(self, calibrated: bool, **changes: Any) -> Result:
        checked = check_arguments(self.kwargs)
        self.announced = announced(checked, self._given, self.default_kwargs)
        self.kwargs.update(check_arguments({**checked, **changes}))
        self._npool = check_npool(self.npool)
        return self._load_run()(self, calibrated).run()

    def _load_run(self) -> type[Run]:
        """Return the class of a run; signals are deferred meanwhile, as partly loaded modules cannot be loaded again."""
        with deferred():
            from .run import Run  # imported here: every use of Bilby imports this module, but few run it
        return Run

    def _run_test(self) -> Result:
        """Run Bilby's test mode: the whole run with few draws, and a hardly trained network if the run has one."""
        # A separate cache: no later run may use this network as a trained one.
        cache = str(Path(self.outdir) / f"{self.abbreviation}_{self.label}" / "test_models")
        brief = {"training_time": None, "training_steps": 20, "n_waveforms": 500, "n_effective": 50}
        # Such a network is not measured.
        return self._run(calibrated=False, **brief, max_likelihood_evaluations=1000, refine=False, cache=cache)
