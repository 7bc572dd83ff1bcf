"""The kinds of problems, one file each, and the choice among them.

How to add one is said in :mod:`bilby_flowpe.problem.base`.
"""

from .choose import choose, inject, problem_of

__all__ = ["choose", "inject", "problem_of"]
