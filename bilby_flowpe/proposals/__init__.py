"""Exact densities to draw from, on charts of the parameters, and their mixtures."""
