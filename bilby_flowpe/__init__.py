"""Neural posteriors for Bilby, exactly weighted: ``bilby.run_sampler(likelihood, priors, sampler="flowpe")``.

Submodules are imported where they are used, so that importing the package loads neither torch nor zuko.
"""

__version__ = "0.1.0"
