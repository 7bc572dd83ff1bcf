"""Translation of a problem to the form that is used for drawing, with exact weights.

To read first: :mod:`.translate`, the list of forms and their order; :mod:`.translated`, the result of a translation; and
:mod:`.steps`, the steps of the weight that undo it. To add a form of a prior, write a class with the members of
:class:`.forms.Form`, and apply it in :mod:`.translate`. Test that the weights of a known posterior average to its evidence
(``tests/translation/test_steps.py``).
"""
