"""UltraNest as a referee: nested sampling by regions about the live points, on a problem with a known evidence.

Bilby itself knows ``sampler="ultranest"``. It takes any likelihood and prior that flowpe takes, so that one may stand in
for the other in a script. Both are held against the closed form of a cubic through noisy data with normal priors.

Run it by ``python examples/ecosystem/nested_sampling_by_regions.py`` where the package is installed,
or in an environment of its own by ``python tests/ecosystem/run.py nested_sampling_by_regions``.
"""

from cubic import refereed

refereed(
    "ultranest",
    "ultranest",
    __file__,
    "a cubic through noisy data, by flowpe and by UltraNest",
    nlive=400,
    verbose=False,
    viz_callback=None,
    show_status=False,
)
