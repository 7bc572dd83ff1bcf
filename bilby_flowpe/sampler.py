"""``bilby.run_sampler(likelihood, priors, sampler="flowpe")``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bilby.core.sampler.base_sampler import Sampler, signal_wrapper
from bilby.core.utils import logger

from .arguments import check_arguments, check_npool
from .prior_checks import require_conditions, require_limits
from .storage.interruption import deferred

if TYPE_CHECKING:
    from bilby.core.likelihood import Likelihood
    from bilby.core.prior import PriorDict
    from bilby.core.result import Result

    from .run import Run


class FlowPE(Sampler):
    """Amortised neural posterior, exactly weighted by the likelihood.

    A conditional normalizing flow, trained on simulations from the same likelihood and prior, proposes; the likelihood
    weighs; a verdict stands on the result. With neither a model given nor one in the cache, one is trained first. Where the
    network is not near enough, or nobody can simulate from the likelihood, a flow is refined on the event itself.

    Parameters
    ----------
    model : str, optional
        Folder of a trained model or name of a shipped one. Left out, a model whose problem this one lies within is
        looked for among the shipped ones and in the cache, and trained if there is none.
    network : {"gaussian", "maf", "nsf", "cvae", "cvae+", "none"}
        Family of a network to be trained; ``"none"`` trains nothing and refines a proposal from the prior.
    phase : {"conditional", "network"}
        Whether the phase is drawn from its exact conditional or by the network.
    distance : {"conditional", "network"}
        The same of the distance (and inclination, where one detector makes one number of both).
    time : {"conditional", "network"}
        The same of the geocentric time.
    sky : {"conditional", "network"}
        The same of sky position, polarisation angle and inclination, where they are searched.
    fold_phase : bool
        With ``phase="network"``: whether the network sees the phase folded to a half turn.
    representation : {"aligned", "series"}
        What a network to be trained is shown.
    psd : str
        Of a network to be trained: ``"fixed"`` for the likelihood's noise curves, ``"amortised"`` for a family around them,
        or a folder of noise curves, ``*H1*.txt`` and so on.
    n_effective : int
        Effective samples to aim at.
    n_posterior : int
        Largest number of equal-weight posterior samples.
    max_likelihood_evaluations : int
        Most likelihood evaluations, refinement included.
    max_time : float, optional
        Most seconds for drawing, weighing and refining; finding or training a model is apart.
    refine : bool
        Whether a proposal that is not efficient enough is refined on this event.
    importance : bool
        ``False`` returns the network's raw draws, marked as such, without evidence.
    training_time : float
        Seconds given to the training, simulation of waveforms apart.
    training_steps : int, optional
        Most training steps.
    n_waveforms : int
        Waveforms simulated for training.
    hidden_features : int
        Width of the two hidden layers of each transform, or Gaussian, of a network to be trained.
    learning_rate : float
        Highest learning rate of a training.
    cache : str, optional
        Folder of the models trained on demand; by default the environment's ``BILBY_FLOWPE_CACHE``, else the user's cache.
    device : str
        Device of the training.
    npool : int
        Processes for waveforms and likelihoods.
    sampling_seed : int, optional
        Seed; the same one gives the same result for any ``npool``.
    resume : bool
        Whether a run that was interrupted goes on with what it had simulated, trained and evaluated.
    progress : bool
        Whether to show progress bars.
    """

    sampler_name = "flowpe"
    abbreviation = "flowpe"
    sampling_seed_key = "sampling_seed"
    default_kwargs = {
        "model": None,
        "network": "maf",
        "phase": "conditional",
        "distance": "conditional",
        "time": "conditional",
        "sky": "conditional",
        "psd": "fixed",
        "fold_phase": True,
        "representation": "aligned",
        "n_effective": 5000,
        "n_posterior": 5000,
        "max_likelihood_evaluations": 500_000,
        "max_time": None,
        "refine": True,
        "importance": True,
        "training_time": 600.0,
        "training_steps": None,
        "n_waveforms": 50_000,
        "hidden_features": 256,
        "learning_rate": 1.5e-3,
        "cache": None,
        "device": "cpu",
        "sampling_seed": None,
        "resume": True,
        "progress": True,
    }

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

    def _run(self, calibrated: bool) -> Result:
        self.kwargs.update(check_arguments(self.kwargs))
        self._npool = check_npool(self.npool)
        return self._load_run()(self, calibrated)()

    def _load_run(self) -> type[Run]:
        """The class of a run; a signal that comes meanwhile waits.

        Torch that was left half loaded cannot be loaded again, and may end the process with a segmentation fault.
        """
        if "torch" not in sys.modules:
            logger.info("Loading PyTorch, which takes a few seconds")
        with deferred():
            from .run import Run  # here, so that `import bilby` does not load torch
        return Run

    def _run_test(self) -> Result:
        """Bilby's test mode: the whole run with a network that is hardly trained and few draws."""
        # A cache of its own: no later run may take this network for a trained one.
        cache = str(Path(self.outdir) / f"{self.abbreviation}_{self.label}" / "test_models")
        self.kwargs.update(training_time=None, training_steps=20, n_waveforms=500, n_effective=50)
        self.kwargs.update(max_likelihood_evaluations=1000, refine=False, cache=cache)
        # What such a network is worth, nobody wants to know.
        return self._run(calibrated=False)
