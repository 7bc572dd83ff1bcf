"""Sampling of one event: draws are weighed, a proposal is refined if necessary, and the outcome is judged.

To read first: :meth:`.event.EventSampler.run`, from a proposal to an outcome; :meth:`.weighing.Target.weigh`, the weight of a
draw; and :meth:`.refine.Refinement.run`, the rounds that adapt a proposal to an event. Modes are looked for in :mod:`.search`,
:mod:`.modes` and :mod:`.hills`; how likely it is that one was missed is computed in :mod:`.planted` and :mod:`.missed`.

To add a step of the weight, see :mod:`bilby_flowpe.chain.step`; :mod:`.chain` has the order of the steps.
"""
