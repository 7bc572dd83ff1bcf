"""A result of flowpe, moved to another prior and to another noise level by aspire, which starts from posterior samples.

aspire fits a flow to the samples of an earlier result, and moves from there to the new posterior by sequential Monte
Carlo. In Bilby it is ``sampler="aspire"`` (package aspire-bilby), and it reads the file that flowpe has written.
flowpe can do the same with its own weighted draws (``bilby_flowpe.reweighting``), without any further evaluation if
only the prior changes. Both are compared with the closed form of a cubic with normal priors.

To run it if the package is installed: ``python examples/ecosystem/moved_by_another_sampler.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py moved_by_another_sampler``.
"""

import time

import bilby
from cubic import closed_form, held_against, problem
from differences import Comparison, keep

from bilby_flowpe.reweighting import reweight

OUTDIR = "outdir/moved_by_another_sampler"
OTHERS = {
    "another prior": {"width": 1.0, "mean": 0.3},
    "less noise": {"sigma": 0.4},
}
"""The new problem: a narrower prior around another mean, and four fifths of the noise."""

likelihood, priors = problem()
began = time.process_time()
first = bilby.run_sampler(
    likelihood, priors, sampler="flowpe", outdir=OUTDIR, label="first", sampling_seed=1, progress=False, clean=True
)
figures = {
    "CPU seconds, flowpe": time.process_time() - began,
    "evaluations, flowpe": float(first.num_likelihood_evaluations),
}
differences = held_against(first, closed_form(), " (flowpe)", ("c0", "c3"))

for name, changes in OTHERS.items():
    likelihood, priors = problem(**changes)
    closed = closed_form(**changes)
    changed = {"likelihood": likelihood} if "sigma" in changes else {"priors": priors}
    differences += held_against(reweight(first, **changed), closed, f" ({name}, flowpe's draws)", ("c3",))
    began = time.process_time()
    moved = bilby.run_sampler(
        likelihood,
        priors,
        sampler="aspire",
        initial_result_file=f"{OUTDIR}/first_result.json",
        n_samples=4000,
        fit_kwargs={"n_epochs": 30},
        # Importance sampling by aspire's flow is done, too, but its evidence does not reach Bilby's result.
        sample_kwargs={"sampler": "smc"},
        seed=1,
        outdir=OUTDIR,
        label=name.replace(" ", "_"),
        clean=True,
    )
    figures |= {
        f"CPU seconds, aspire, {name}": time.process_time() - began,
        f"evaluations, aspire, {name}": float(moved.num_likelihood_evaluations),
    }
    differences += held_against(moved, closed, f" ({name}, aspire)", ("c3",))

keep(
    Comparison(
        package="aspire-bilby",
        run="a cubic through noisy data by flowpe; its result file moved to another prior, and to another noise level",
        reference="closed form",
        differences=differences,
        figures=figures,
    ),
    __file__,
)
