"""nessai as a referee: nested sampling whose proposals are normalising flows, on a problem with a known evidence.

The plugin nessai-bilby gives Bilby ``sampler="nessai"``. It takes any likelihood and prior that flowpe takes, so that one
may stand in for the other in a script. Both are held against the closed form of a cubic through noisy data with normal
priors.

Run it by ``python examples/ecosystem/nested_sampling_with_flows.py`` where the package is installed,
or in an environment of its own by ``python tests/ecosystem/run.py nested_sampling_with_flows``.
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
