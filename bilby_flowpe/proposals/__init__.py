"""Proposal densities on charts of the parameters, and mixtures of them; all densities are exact.

To read first: :mod:`.charts`, bijections between parameters and a base space; :mod:`.parts`, densities on a chart; and
:mod:`.mixture`, the proposal of a run. To add a part of a proposal, write a class with the members of :class:`.parts.Part`, or
of :class:`.parts.BaseDensity` if it is a density on a chart, and add it with a share in
:func:`bilby_flowpe.sampling.round_mixture.round_mixture`. Its density has to integrate to one
(``tests/proposals/test_event_values.py`` is an example).
"""
