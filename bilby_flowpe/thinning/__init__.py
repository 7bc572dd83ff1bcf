r"""Thinning: all draws are weighed by a cheap likelihood, and only some of them by the expensive one.

Draw :math:`i` of :math:`N` has the weight :math:`v_i` by the coarse likelihood :math:`L_c`. It is kept with probability

.. math:: r_i = \min\left(1, \max(v_i / \tau, r_0)\right),

independently of the others. The user's likelihood :math:`L` is evaluated for the draws that are kept, whose weight is

.. math:: w_i = \frac{v_i}{r_i} \frac{L_i}{L_{c,i}} ;

the others have none. The mean of :math:`w_i` given the draw is its full weight :math:`v_i L_i / L_{c,i}`, so that the
weights are exact for any coarse likelihood (Horvitz and Thompson 1952; delayed acceptance, Christen and Fox 2005, is
the same for Markov chains). The evidence is estimated more precisely by differences. With any number :math:`\beta` that
does not depend on which draws are kept,

.. math:: y_i = \beta v_i + \kappa_i \left(w_i - \beta v_i / r_i\right)

has the same mean (:math:`\kappa_i` is one for a draw that is kept, otherwise zero). It scatters little more than the
full weights if :math:`L / L_c` is nearly constant and :math:`\beta` is its value. :math:`\beta` is the regression of
the weights on the coarse ones that minimises the noise of the thinning. For each half of the draws it is computed from
the other half, which keeps the mean exact.

To read first: :mod:`.rows`, the choice of the draws that are kept, and the estimates from their weights; :mod:`.plan`, the
number of draws; and :mod:`.partial`, rows that are not evaluated. The step of the weight is
:mod:`bilby_flowpe.chain.thinned`; the final batch, its trial and the moves of the reference are in
:mod:`bilby_flowpe.sampling.coarse`.

To add a rule by which draws are kept, give its probabilities in a class like :class:`.rows.Thinning` (weights stay exact for
any that are known and positive), and let :mod:`.plan` choose its settings.
"""
