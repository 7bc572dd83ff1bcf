"""One event sampled: draws weighed, a proposal refined where it must be, and what it all came to."""
