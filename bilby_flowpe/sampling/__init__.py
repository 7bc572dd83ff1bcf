"""Sampling of one event: draws are weighed, a proposal is refined if necessary, and the outcome is judged."""
