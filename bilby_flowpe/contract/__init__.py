"""Descriptions of the problem that a model was trained for, and their comparison with a problem to analyse.

To read first: :mod:`.contract`, the facts; :mod:`.matching`, the comparison; and :mod:`.matching_priors`, the
comparison of priors.

To add a fact, let ``describe`` of the kind of problem state it (:mod:`bilby_flowpe.kinds`), and say in
:mod:`.matching` which differences weights correct.
"""

from .contract import Contract
from .matching import Match

__all__ = ["Contract", "Match"]
