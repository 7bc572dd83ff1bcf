"""Translation of a problem to the form that is used for drawing, with exact weights."""
