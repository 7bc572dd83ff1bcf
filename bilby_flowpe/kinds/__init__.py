"""The kinds of problems, one file each, and the choice among them.

:mod:`bilby_flowpe.problem.base` says how to add one.
"""

from .choose import choose, inject, problem_of

__all__ = ["choose", "inject", "problem_of"]
