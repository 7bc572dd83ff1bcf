"""UltraNest as a referee: nested sampling by regions around the live points, on a problem with a known evidence.

In Bilby it is ``sampler="ultranest"``. It takes any likelihood and prior that flowpe takes, so that one can replace the
other in a script. Both are compared with the closed form of a cubic through noisy data with normal priors.

To run it if the package is installed: ``python examples/ecosystem/nested_sampling_by_regions.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py nested_sampling_by_regions``.
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
