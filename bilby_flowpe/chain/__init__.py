r"""The weight of a draw, as a chain of steps.

A proposal draws some of the parameters, :math:`x`, from a density :math:`q(x)`. Steps do the rest, one after the other: each
draws parameters given those that are there, or replaces one factor of the posterior by another, and says by how much the log
weight changes,

.. math:: \log w = \log \pi(x) + \log e(z | x) - \log q(x, z) + \sum_s \Delta_s ,

with :math:`e` the encoder of a network with latent variables :math:`z`. Whatever a step approximates in choosing, its
:math:`\Delta_s` undoes: averaged over what the step draws, :math:`\exp \Delta_s` is the integral that it stands for.

Where to look: the loop is :meth:`bilby_flowpe.sampling.weighing.Target.weigh`; what a step is, and how another one is added,
:mod:`.step`; the rows while they are weighed, :mod:`.batch`. The order of a run's steps is set in
:mod:`bilby_flowpe.sampling.chain`.
"""
