"""nessai as a referee: nested sampling whose proposals are normalising flows, on a problem with a known evidence.

With the plugin nessai-bilby it is ``sampler="nessai"`` in Bilby. It takes any likelihood and prior that flowpe takes, so
that one can replace the other in a script. Both are compared with the closed form of a cubic through noisy data with normal
priors.

To run it if the package is installed: ``python examples/ecosystem/nested_sampling_with_flows.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py nested_sampling_with_flows``.
"""

from cubic import refereed

refereed(
    "nessai-bilby",
    "nessai",
    __file__,
    "a cubic through noisy data, by flowpe and by nessai",
    nlive=500,
    max_threads=1,
    plot=False,
)
