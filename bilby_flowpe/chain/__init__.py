r"""The weight of a draw, as a chain of steps.

A proposal draws some of the parameters, :math:`x`, from a density :math:`q(x)`. Steps do the rest, one after the other. Each
draws parameters given those already drawn, or replaces one factor of the posterior by another, and returns the change of the
log weight,

.. math:: \log w = \log \pi(x) + \log e(z | x) - \log q(x, z) + \sum_s \Delta_s ,

with the encoder :math:`e` of a network with latent variables :math:`z`. A step may draw from an approximate density, because
its :math:`\Delta_s` corrects for it: averaged over the step's draws, :math:`\exp \Delta_s` is the integral that the step
represents.

To read first: :meth:`bilby_flowpe.sampling.weighing.Target.weigh`, the loop over steps; :mod:`.step`, the protocol of a step,
and how to add another; :mod:`.batch`, the rows while they are weighed. The order of a run's steps is set in
:mod:`bilby_flowpe.sampling.chain`.
"""
