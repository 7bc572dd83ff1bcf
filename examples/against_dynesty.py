"""
Side by side with dynesty
=========================

One event is analysed twice, by flowpe and by dynesty with Bilby's defaults (1000 live points), with the same likelihood and
priors::

    python examples/against_dynesty.py

dynesty takes a quarter of an hour. If it is stopped, it continues when the script is started again.

.. image:: /images/gallery/against_dynesty.png
   :alt: the two posteriors over each other

.. literalinclude:: /images/gallery/against_dynesty.txt
   :language: none

The Jensen-Shannon divergence of a parameter, in nats, says how different the two posteriors are. Its floor is the value that
chance alone gives for two sets of draws from the same posterior. The evidences may differ by their errors, of which
dynesty's is the larger.
"""
# sphinx_gallery_thumbnail_path = "images/gallery/against_dynesty.png"

import bilby
import numpy as np

from bilby_flowpe.corner_plot import bounds_of, plot_comparison
from bilby_flowpe.problems import START_TIME, green2020
from bilby_flowpe.validation import compare_results, format_comparison

# %%
# One problem, two samplers
# -------------------------
#
# Twice the same call but for the name of the sampler, and the number of live points that dynesty is told.

likelihood, priors = green2020(parameters=5, seed=20)


def cost(name: str, result: bilby.core.result.Result) -> str:
    """Return time and evaluations of a result as a line for the legend of the picture."""
    seconds = (
        result.sampling_time.total_seconds() if hasattr(result.sampling_time, "total_seconds") else result.sampling_time
    )
    return f"{name}: {seconds:.0f} s, {result.num_likelihood_evaluations:,} evaluations"


def main() -> None:
    """Run both samplers; this must be a function because dynesty's pool imports the file again if processes are not forked."""
    common = {
        "outdir": "outdir/against_dynesty",
        "injection_parameters": likelihood.injection_parameters,
        "npool": 2,
        "sampling_seed": 20,
    }
    theirs = bilby.run_sampler(likelihood, priors, sampler="dynesty", label="dynesty", nlive=1000, **common)
    ours = bilby.run_sampler(likelihood, priors, sampler="flowpe", label="flowpe", **common)

    print(format_comparison(compare_results(ours, theirs, np.random.default_rng(0)), "dynesty"))
    keys = ours.search_parameter_keys
    plot_comparison(
        {cost("dynesty", theirs): theirs.posterior, cost("flowpe", ours): ours.posterior},
        keys,
        "outdir/against_dynesty/against_dynesty.png",
        truths=likelihood.injection_parameters,
        offsets={"geocent_time": START_TIME},
        bounds=bounds_of(priors),
    )


if __name__ == "__main__":
    main()
