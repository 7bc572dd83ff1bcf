"""The kinds of problems, one file each, and the choice among them.

To read first: :mod:`.choose`, where the kind of a problem is chosen; :mod:`.recognise`, what the class of a likelihood tells;
and :mod:`.gravitational_wave`, the largest kind. :mod:`bilby_flowpe.problem.base` says how to add one.
"""

from .choose import choose, inject, problem_of

__all__ = ["choose", "inject", "problem_of"]
