"""``bilby.run_sampler(likelihood, priors, sampler="flowpe")``."""

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
    """Amortised neural posterior, exactly weighted by the likelihood.

    A conditional normalizing flow, trained on simulations from the same likelihood and prior, proposes; the likelihood
    weighs; a verdict stands on the result. With neither a model given nor one in the cache, a proposal is refined on the event
    itself, or a network is trained first: ``network`` says which. A network that is not near enough is refined, too.

    The arguments, declared in :mod:`bilby_flowpe.arguments.table`, are added here as the section of parameters.
    """

    sampler_name = "flowpe"
    abbreviation = "flowpe"
    sampling_seed_key = "sampling_seed"
    default_kwargs = default_kwargs()
    announced: tuple[str, ...] = ()
    """Arguments by which a training is asked for, where ``network`` is ``"auto"``."""
    _given: frozenset[str] = frozenset()

    def __init__(self, likelihood: Likelihood, priors: PriorDict, *args: Any, **kwargs: Any) -> None:
        require_limits(priors)
        require_conditions(priors)
        super().__init__(likelihood, priors, *args, **kwargs)
        self._warn_of_a_finished_result()

    def _warn_of_a_finished_result(self) -> None:
        """Bilby hands over a finished result of the same label and parameters, whatever the sampler and its arguments."""
        # From a configuration file arguments may come as text.
        resume = str(self.kwargs.get("resume", True)).lower() != "false"
        if self.cached_result is not None and not resume:
            logger.warning(
                f"resume=False, but Bilby has found the finished result of label={self.label!r} in {self.outdir} and hands it "
                "over, whatever the arguments: nothing is sampled. For a new run give clean=True or another label, or remove "
                "that result"
            )

    @property
    def external_sampler_name(self) -> str:
        """Module that has to be importable."""
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
        """Files and folders that a run writes beside its result: the folder of what an interruption leaves."""
        return [], [str(Path(outdir or ".") / f"{cls.abbreviation}_{label}") + "/"]

    def write_current_state(self) -> None:
        """Nothing to do: training and evaluations are kept on the way out, whatever ends the run."""

    def write_current_state_and_exit(self, signum: int | None = None, frame: Any = None) -> None:
        """Exit on a signal; Bilby's own, given several processes, does so only where it knows their pool."""
        self._log_interruption(signum=signum)
        self.write_current_state()
        sys.exit(self.exit_code)

    @signal_wrapper  # type: ignore[untyped-decorator]  # Bilby's, without hints
    def run_sampler(self) -> Result:
        """Find or train a model, draw, weigh and fill the result.

        Raises
        ------
        FlowPEError
            With a message that names what to change, before anything long is started.
        """
        return self._run(calibrated=True)

    def _run(self, calibrated: bool, **changes: Any) -> Result:
        checked = check_arguments(self.kwargs)
        self.announced = announced(checked, self._given, self.default_kwargs)
        self.kwargs.update(check_arguments({**checked, **changes}))
        self._npool = check_npool(self.npool)
        return self._load_run()(self, calibrated).run()

    def _load_run(self) -> type[Run]:
        """The class of a run; a signal that comes meanwhile waits, for what was left half loaded cannot be loaded again."""
        with deferred():
            from .run import Run  # here: every use of Bilby imports this module, few run it
        return Run

    def _run_test(self) -> Result:
        """Bilby's test mode: the whole run with few draws, and a network that is hardly trained if the run has one."""
        # A cache of its own: no later run may take this network for a trained one.
        cache = str(Path(self.outdir) / f"{self.abbreviation}_{self.label}" / "test_models")
        brief = {"training_time": None, "training_steps": 20, "n_waveforms": 500, "n_effective": 50}
        # What such a network is worth, nobody wants to know.
        return self._run(calibrated=False, **brief, max_likelihood_evaluations=1000, refine=False, cache=cache)
