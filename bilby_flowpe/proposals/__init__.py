"""Proposal densities on charts of the parameters, and mixtures of them; all densities are exact."""
