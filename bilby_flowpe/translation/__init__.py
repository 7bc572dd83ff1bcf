"""The problem asked and the one a model was trained for: held against each other, and translated with exact weights."""
