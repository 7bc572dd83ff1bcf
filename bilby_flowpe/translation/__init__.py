"""Other forms of a problem, translated into the one that draws are made for, with exact weights."""
