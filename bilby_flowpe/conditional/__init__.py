"""Parameters that need not be learnt: drawn from their exact conditional, given the wave and the data."""
